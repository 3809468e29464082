"""``vivavoce train protocol`` on made-up renderings: what it measures, and what it refuses before it measures."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from edge.cli import main
from tests.train.synthetic_speech import rendered, whole
from train import command, corpus, liveness_scenes, two_rooms
from train.baseline_models import BASELINES
from train.frozen_set import SEED
from train.population import Population
from train.probe_report import probe_report
from train.probes import PROBES
from train.task import load_task

pytest.importorskip("sklearn", reason="needs scikit-learn (the extra `train`)")

SMALL = (
    "--clips", "60", "--dev-clips", "40", "--measured-clips", "32", "--probe-clips", "80", "--pairs", "20",
    "--set-clips", "80", "--components", "2", "--seed", "0",
)  # fmt: skip
KINDS = {"phone", "laptop", "tv", "standalone"}


def _apart(population: Population, clips: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Name everything by where it comes from, as the simulator does."""
    live = clips["live"] == 1
    kind = (population.kinds or ("phone",))[0]
    n = np.arange(live.size)
    # Talkers are those of the split, whatever the seed was.
    talker = np.char.add(f"{population.talkers}/", (n // 2 % 8).astype(str))
    return {
        **clips,
        "talker": talker,
        "source": np.char.add(f"{population.talkers}-{population.recordings}-", (n // 2).astype(str)),
        "kind": np.where(live, "none", kind),
        "loudspeaker": np.where(live, "none", np.char.add(f"{population.loudspeakers}-", (n % 5).astype(str))),
        "brand": np.where(live, "", population.loudspeakers),
        "room": np.char.add(f"{population.rooms}-", (n % 6).astype(str)),
        "first_room": np.full(n.size, "none"),
        "limiter": np.full(n.size, "False"),
        "noise": np.full(n.size, "generated"),
        "corpus": np.full(n.size, "corpus"),
    }


def _whole(population: Population, n: int, seed: int) -> dict[str, np.ndarray]:
    """Return clips of noise in which nothing tells the class."""
    rng = np.random.default_rng([seed, n])
    size = rng.integers(30000, 36000, size=n // 2).repeat(2)
    parts = []
    for length in size:
        part = rng.normal(0, 30, length)
        part[10000:20000] *= rng.uniform(20, 60)
        parts.append(np.rint(part).astype(np.int16))
    clips = {
        "live": (np.arange(n) % 2 == 0).astype(np.int8), "samples": np.concatenate(parts), "size": size,
        "speech_start": np.full(n, 10000), "speech_stop": np.full(n, 20000),
    }  # fmt: skip
    return _apart(population, clips)


@pytest.fixture
def asked(monkeypatch):
    """Render in no time, and tell what was asked for."""
    calls = []

    def build(data, population, cache, *, n, seed, cues, keep, engine):
        calls.append((population, n, seed, keep))
        if seed == SEED:  # of the frozen set, on which baselines are measured, too
            return _apart(population, whole(rendered(population.talkers, n, seed)))
        if keep == "whole":
            return _whole(population, n, seed)
        return _apart(population, rendered(population.talkers, n, seed))

    def pairs(data, population, cache, *, pairs, seed, engine):
        calls.append((population, pairs, seed, "pairs"))
        return _apart(population, rendered(population.talkers, 2 * pairs, seed))

    monkeypatch.setattr(liveness_scenes, "build_liveness_clips", build)
    monkeypatch.setattr(two_rooms, "build_room_pairs", pairs)
    monkeypatch.setattr(corpus, "load_manifest", lambda data: [])
    monkeypatch.setattr(command, "require_tensorflow", lambda: None)
    # 80 clips of noise are few: a probe at chance may lie anywhere near.
    task = load_task()
    generous = replace(task, protocol=replace(task.protocol, most_off_chance=0.3, most_on_leak=0.5))
    monkeypatch.setattr("train.task.load_task", lambda path=None: generous)
    return calls


@pytest.fixture
def quick(monkeypatch):
    """Do with the baseline that needs no fit, and with one probe."""
    level = [probe for probe in PROBES if probe.name == "level"]
    monkeypatch.setattr("train.baseline_models.BASELINES", ("f70",))
    monkeypatch.setattr("train.probe_report.probe_report", partial(probe_report, probes=level, rounds=20))


@pytest.fixture
def data(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manifest.csv").write_text("path\n")
    return tmp_path / "data"


def _run(data, *arguments):
    ledger, out = data.parent / "ledger.json", data.parent / "out"
    return main(["train", "protocol", "--data", str(data), "--ledger", str(ledger), "-o", str(out), *SMALL, *arguments])


def test_the_whole_protocol_on_dev(asked, data):
    assert _run(data) == 0
    assert not (data.parent / "ledger.json").exists()
    result = json.loads((data.parent / "out" / "protocol.json").read_text())
    assert {"commit", "seed", "data_hash", "bundle_sha256", "machine", "made_by"} <= result.keys()
    assert list(result["ladder"]) == ["seen", "unseen talkers", "unseen loudspeakers", "unseen rooms", "all unseen"]
    assert result["set"]["clips"] == 80
    for name, entry in result["ladder"].items():
        assert set(entry["baselines"]) == set(BASELINES)
        assert entry["clips"]["live"] == entry["clips"]["replay"] == (40 if name == "all unseen" else 16)
        assert {"talkers", "loudspeakers", "rooms"} <= entry["clips"].keys()
        assert entry["kinds"] == {"phone": entry["clips"]["replay"]}
        assert entry["shared_with_fit"]["recordings"]["shared"] == 0
        for figures in entry["baselines"].values():
            assert {"eer", "eer_interval_95", "bpcer", "apcer", "cutoff"} <= figures.keys()
    assert result["ladder"]["seen"]["shared_with_fit"]["rooms"]["shared"] == 6
    assert result["ladder"]["all unseen"]["baselines"]["void"]["eer"] <= 0.1
    assert {name.split()[0] for name in result["kinds_left_out"]} == KINDS
    for entry in result["kinds_left_out"].values():
        assert all({"eer", "fitted_on_all_kinds"} <= figures.keys() for figures in entry["baselines"].values())
    assert set(result["two_rooms"]) == {*BASELINES, "bundle"}
    assert set(result["probes"]["judged"]) == {"silence", "level", "peak", "duration", "zeros", "bandwidth", "corpus"}
    # 40 clips of a class are too few for strata and for distances, which is said.
    assert {entry["at_chance"] for entry in result["probes"]["strata"].values()} == {None}
    assert result["probes"]["alike"] is None
    # The cut-off is that of live clips of dev, whatever is measured.
    cutoffs = {entry["baselines"]["f70"]["cutoff"] for entry in result["ladder"].values()}
    assert len(cutoffs) == 1
    # No rendering serves two purposes.
    seeds = {(keep, population.talkers, population.recordings): set() for population, _, _, keep in asked}
    for population, _, seed, keep in asked:
        seeds[keep, population.talkers, population.recordings].add(seed)
    assert seeds["heard", "train", "fitting"] == {600}
    assert seeds["heard", "dev", "all"] == {700, 800}
    assert seeds["whole", "train", "all"] == {900}
    assert seeds["whole", "dev", "all"] == {SEED}
    assert seeds["pairs", "dev", "all"] == {1000}


def test_a_shared_talker_ends_it_before_anything_is_fitted(asked, data, monkeypatch, capsys):
    build = liveness_scenes.build_liveness_clips

    def leaking(data, population, cache, **settings):
        clips = build(data, population, cache, **settings)
        if population == Population("dev", "train", "train"):
            clips["talker"][3] = "train/3"
        return clips

    monkeypatch.setattr(liveness_scenes, "build_liveness_clips", leaking)
    monkeypatch.setattr("train.baseline_models.fit_baseline", lambda *_, **__: pytest.fail("fitted"))
    assert _run(data) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vivavoce: ")]
    assert len(told) == 1
    assert "unseen talkers: 1 of 9 talkers were fitted on, too, e.g. 'train/3'" in told[0]
    assert not (data.parent / "out").exists()


def test_talkers_who_were_not_drawn_for_the_fit_are_not_measured_as_seen(asked, quick, data, monkeypatch):
    build = liveness_scenes.build_liveness_clips

    def another(data, population, cache, **settings):
        clips = build(data, population, cache, **settings)
        if population.talkers == "train" and population.recordings == "held_out":
            clips["talker"][:4] = "train/9"
        return clips

    monkeypatch.setattr(liveness_scenes, "build_liveness_clips", another)
    assert _run(data) == 0
    ladder = json.loads((data.parent / "out" / "protocol.json").read_text())["ladder"]
    sizes = {name: entry["clips"]["live"] + entry["clips"]["replay"] for name, entry in ladder.items()}
    assert sizes == {
        "seen": 28, "unseen talkers": 32, "unseen loudspeakers": 28, "unseen rooms": 28, "all unseen": 80,
    }  # fmt: skip
    seen = ladder["seen"]["shared_with_fit"]["talkers"]
    assert seen["shared"] == seen["measured"]


def test_every_rung_has_the_mix_of_kinds_that_was_rendered(asked, quick, data, monkeypatch):
    build = liveness_scenes.build_liveness_clips

    def another(data, population, cache, **settings):
        clips = build(data, population, cache, **settings)
        if population.loudspeakers == "train" and population.recordings == "held_out":
            replays = np.flatnonzero(clips["live"] == 0)
            clips["kind"][replays[::2]] = "tv"
            clips["loudspeaker"] = clips["loudspeaker"].astype("<U20")
            clips["loudspeaker"][replays[:4:2]] = "never-met"
        return clips

    monkeypatch.setattr(liveness_scenes, "build_liveness_clips", another)
    assert _run(data) == 0
    ladder = json.loads((data.parent / "out" / "protocol.json").read_text())["ladder"]
    assert ladder["seen"]["kinds"] == {"phone": 6, "tv": 6}
    assert ladder["seen"]["clips"]["live"] == 16


def test_a_rung_with_too_few_clips_ends_it_before_anything_is_fitted(asked, data, monkeypatch, capsys):
    build = liveness_scenes.build_liveness_clips

    def another(data, population, cache, **settings):
        clips = build(data, population, cache, **settings)
        if population.loudspeakers == "train" and population.recordings == "held_out":
            clips["loudspeaker"][clips["live"] == 0] = "never-met"
        return clips

    monkeypatch.setattr(liveness_scenes, "build_liveness_clips", another)
    monkeypatch.setattr("train.baseline_models.fit_baseline", lambda *_, **__: pytest.fail("fitted"))
    assert _run(data) == 2
    (told,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vivavoce: ")]
    assert "seen: got 0 replayed clips of which all that counts as seen was fitted on" in told
    assert "--measured-clips" in told
    assert not (data.parent / "out").exists()


def test_a_kind_that_was_not_left_out_ends_it(asked, quick, data, monkeypatch, capsys):
    build = liveness_scenes.build_liveness_clips

    def leaking(data, population, cache, **settings):
        clips = build(data, population, cache, **settings)
        if len(population.kinds) == 3:
            clips["kind"][1] = "tv"
        return clips

    monkeypatch.setattr(liveness_scenes, "build_liveness_clips", leaking)
    assert _run(data) == 2
    assert "tv left out: loudspeakers of the kind tv were fitted on" in capsys.readouterr().err


def test_a_probe_that_finds_something_is_told_and_loses_nothing(asked, quick, data, monkeypatch, capsys):
    build = liveness_scenes.build_liveness_clips

    def leaking(data, population, cache, **settings):
        clips = build(data, population, cache, **settings)
        if settings["keep"] == "whole":
            gain = np.repeat(np.where(clips["live"] == 1, 1.0, 0.05), clips["size"])
            clips["samples"] = np.rint(clips["samples"] * gain).astype(np.int16)
        return clips

    monkeypatch.setattr(liveness_scenes, "build_liveness_clips", leaking)
    assert _run(data) == 2
    assert "the probe 'level' tells live from replayed" in capsys.readouterr().err
    assert json.loads((data.parent / "out" / "protocol.json").read_text())["probes"]["judged"]["level"]["eer"] < 0.1


def test_distributions_that_differ_end_it_and_lose_nothing(asked, quick, data, monkeypatch, capsys):
    """Also where no probe says so: here they are held to nothing."""
    task = load_task()
    few = replace(task, protocol=replace(task.protocol, most_off_chance=0.5, most_on_leak=0.5, distance_clips=40))
    monkeypatch.setattr("train.task.load_task", lambda path=None: few)
    build = liveness_scenes.build_liveness_clips

    def leaking(data, population, cache, **settings):
        clips = build(data, population, cache, **settings)
        if settings["keep"] == "whole":
            gain = np.repeat(np.where(clips["live"] == 1, 1.0, 0.5), clips["size"])
            clips["samples"] = np.rint(clips["samples"] * gain).astype(np.int16)
        return clips

    monkeypatch.setattr(liveness_scenes, "build_liveness_clips", leaking)
    assert _run(data) == 2
    (told,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vivavoce: ")]
    assert "live and replayed clips differ in 'active level of the word, dBFS'" in told
    assert "the probe" not in told.partition("mend what")[0]
    assert json.loads((data.parent / "out" / "protocol.json").read_text())["probes"]["alike"] is False


def test_test_is_entered_into_the_ledger_and_cut_off_on_dev(asked, quick, data):
    assert _run(data, "--split", "test") == 0
    (entry,) = json.loads((data.parent / "ledger.json").read_text())
    assert entry["purpose"] == "vivavoce train protocol"
    assert entry["bundle_sha256"]
    assert (Population.of_split("dev"), 40, 700, "heard") in asked
    assert json.loads((data.parent / "out" / "protocol.json").read_text())["split"] == "test"


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--clips", "10", "--clips is 10"),
        ("--pairs", "0", "--pairs is 0"),
        ("--probe-clips", "-1", "--probe-clips is -1"),
        ("--live-refused", "nan", "a share from 0 to below 1"),
        ("--components", "0", "expected at least 1"),
        ("-o", "{data}/manifest.csv", "is a file, expected a folder"),
    ],
)
def test_what_cannot_be_done_is_refused_before_test_is_opened(option, value, told, asked, data, capsys):
    assert _run(data, "--split", "test", option, value.format(data=data)) == 2
    lines = capsys.readouterr().err
    assert told in lines
    assert lines.count("\n") == 1
    assert asked == []
    assert not (data.parent / "ledger.json").exists()
