"""Engines: the same shards whoever makes them, and what is told of it."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.train import shard_work
from tests.train.shard_building import ROOT, N, build, engine_fixture, expected_fixture, hashes, left_behind, made  # noqa: F401  # fixtures
from train.engines.choice import Engine


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_same_bytes_whoever_makes_them(tmp_path, engine, workers, expected, capfd):
    got = build(tmp_path, shard_work.numbers, Engine(engine.name, workers))
    assert hashes(tmp_path) == expected
    assert got["x"].shape == (N * shard_work.ROWS, 20)
    assert got["name"].tolist() == [f"{index}-{row}" for index in range(N) for row in range(shard_work.ROWS)]
    assert sorted(index for index, _ in made(tmp_path)) == list(range(N))
    assert not left_behind(tmp_path)
    said = capfd.readouterr().err
    assert re.search(rf"s: {N * shard_work.ROWS} items in [\d.]+ s, [\d.]+ items/s; peak memory \d+ MB", said)
    # Every process that made something is told of, and they are several where several were asked for.
    told = {int(pid) for pid in re.findall(r"s: worker pid (\d+)", said)}
    pids = {pid for _, pid in made(tmp_path)}
    assert pids <= told | {os.getpid()}
    if engine.name == "beam" or workers > 1:
        assert os.getpid() not in pids
        assert len(told) == workers


@pytest.mark.parametrize(
    "options",
    [
        "--runner=apache_beam.runners.direct.direct_runner.BundleBasedDirectRunner",
        "--runner=PortableRunner --job_endpoint=embed --environment_type=LOOPBACK",
    ],
)
def test_another_runner_of_beam_by_option(tmp_path, options, expected):
    pytest.importorskip("apache_beam", reason="needs Apache Beam (the extra `scale`)")
    build(tmp_path, shard_work.numbers, Engine("beam", 2, tuple(options.split())))
    assert hashes(tmp_path) == expected


def test_memory_of_a_worker_is_its_own(tmp_path, engine, capfd):
    ballast = np.ones(40_000_000)
    build(tmp_path, shard_work.numbers, engine)
    worker, parent = map(int, re.findall(r"memory (\d+) MB \(largest worker\), (\d+) MB", capfd.readouterr().err)[0])
    assert 20 < worker < 250
    assert parent > ballast.nbytes / 2**20


@pytest.mark.slow
def test_clips_are_the_same_whoever_renders_them(tmp_path, engine):
    data = Path(os.environ.get("VIVAVOCE_DATA", ROOT.parent / "shared" / "data"))
    if not (data / "manifest.csv").is_file():
        pytest.skip(f"no recordings at {data}: set VIVAVOCE_DATA to a folder with manifest.csv")
    pytest.importorskip("pyroomacoustics", reason="needs the extra `scale` or `train`")
    from edge.cues import CueSettings
    from train import liveness_scenes
    from train.simulator.rooms import load_room_bank

    load_room_bank(tmp_path / "rooms", "dev")

    def render(cache, engine):
        shutil.copytree(tmp_path / "rooms", cache)
        return liveness_scenes.build_liveness_clips(
            data, "dev", cache, n=204, seed=3, cues=CueSettings(), keep="whole", engine=engine
        )

    alone, others = render(tmp_path / "alone", Engine(workers=1)), render(tmp_path / "others", engine)
    assert len(alone["live"]) == 204
    assert len([name for name in hashes(tmp_path / "alone") if name.startswith("0")]) == 2
    assert hashes(tmp_path / "alone") == hashes(tmp_path / "others")
    assert all(np.array_equal(alone[name], others[name], equal_nan=alone[name].dtype.kind == "f") for name in alone)
