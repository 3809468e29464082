"""Engines: the same shards whoever makes them, whatever happens to workers and to the whole run."""

import argparse
import hashlib
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edge.errors import DataError, MissingExtraError, UsageError
from tests.train import shard_work
from train.engines import beam, beam_worker
from train.engines.choice import Engine, engine_from, is_beams_own
from train.engines.rounds import make_all
from train.engines.work import Lost, Report, attempt
from train.options import add_shared_options
from train.shards import build_shards

ROOT = Path(__file__).resolve().parents[2]
N = 8


@pytest.fixture(params=["local", "beam"])
def engine(request):
    if request.param == "beam":
        pytest.importorskip("apache_beam", reason="needs Apache Beam (the extra `scale`)")
    return Engine(request.param, 2)


def build(cache, make, engine, *, n=N, **given):
    given.setdefault("log", cache / "log")
    return build_shards(cache, "s", {}, n, partial(make, **given), engine=engine)


def hashes(cache):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(cache.rglob("*.npz"))}


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """Return the hashes of what one process makes that nothing happens to."""
    cache = tmp_path_factory.mktemp("expected")
    build(cache, shard_work.numbers, Engine(workers=1))
    assert len(hashes(cache)) == N
    return hashes(cache)


def made(cache, log="log"):
    """Return the shards in the order in which they were made, or begun, with the processes that made them."""
    return [tuple(map(int, line.split())) for line in (cache / log).read_text().splitlines()]


def left_behind(cache):
    return [path for path in cache.rglob("*") if path.name.startswith(".")]


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


def test_a_killed_worker_is_replaced(tmp_path, engine, expected, capfd):
    victim = []

    def kill_at_half():
        # One that is at work: another may have had all of its share, and all may be between two shards.
        at_work = []
        while not at_work:
            time.sleep(0.01)
            if len(hashes(tmp_path)) >= N // 2:
                at_work = [begun for begun in made(tmp_path, "begun") if begun not in made(tmp_path)]
        victim.append(at_work[-1][1])
        os.kill(victim[0], signal.SIGKILL)

    thread = threading.Thread(target=kill_at_half)
    thread.start()
    build(tmp_path, shard_work.numbers, engine, pause_s=0.4)
    thread.join()
    assert hashes(tmp_path) == expected
    said = capfd.readouterr().err
    assert f"s: worker pid {victim[0]}\n" in said
    assert f"its worker (pid {victim[0]})" in said
    assert "going on without" in said
    # Nothing that was finished is made again.
    counts = np.bincount([index for index, _ in made(tmp_path)])
    assert counts.tolist() == [1] * N
    assert not left_behind(tmp_path)


SCRIPT = """
import sys
from functools import partial
from pathlib import Path
from tests.train.shard_work import numbers
from train.engines.choice import Engine
from train.shards import build_shards
if __name__ == "__main__":
    cache = Path(sys.argv[1])
    make = partial(numbers, log=cache / "log", pause_s=float(sys.argv[4]))
    try:
        build_shards(cache, "s", {}, int(sys.argv[3]), make, engine=Engine(sys.argv[2], 2))
    except KeyboardInterrupt:
        sys.exit(130)
"""


def start(tmp_path, engine, n=N, pause_s=0.4):
    """Run a build as a user would, in a process and a session of its own."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, script, tmp_path, engine.name, str(n), str(pause_s)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition, what, seconds=60):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"no {what} within {seconds} s"
        time.sleep(0.02)


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("everything", [True, False], ids=["process group", "parent alone"])
def test_a_killed_run_goes_on_where_it_stopped(tmp_path, engine, everything, expected):
    run = start(tmp_path, engine)
    wait_for(lambda: len(hashes(tmp_path)) >= N // 2, "half of the shards")
    workers = {pid for _, pid in made(tmp_path)}
    if everything:
        os.killpg(run.pid, signal.SIGKILL)
    else:
        run.kill()
    run.communicate()
    # Workers do not outlive the run: they would make what the next one makes.
    wait_for(lambda: not any(map(running, workers)), "end of the workers", 10)
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    assert N // 2 <= len(finished) < N
    build(tmp_path, shard_work.numbers, engine)
    assert hashes(tmp_path) == expected
    assert all(path.stat().st_mtime_ns == before for path, before in finished.items())


def test_workers_end_with_their_run_in_the_middle_of_a_shard(tmp_path, engine):
    run = start(tmp_path, engine, pause_s=600)
    wait_for(lambda: (tmp_path / "begun").exists() and len(made(tmp_path, "begun")) == 2, "begin of two shards")
    workers = {pid for _, pid in made(tmp_path, "begun")}
    assert all(map(running, workers))
    run.kill()
    run.communicate()
    wait_for(lambda: not any(map(running, workers)), "end of the workers", 10)


def test_ctrl_c_while_workers_start(tmp_path, engine):
    run = start(tmp_path, engine)
    wait_for(lambda: list(tmp_path.rglob("settings.json")), "begin")
    time.sleep(0.2)
    os.killpg(run.pid, signal.SIGINT)
    said = run.communicate(timeout=10)[1]
    assert run.returncode == 130
    assert "Traceback" not in said
    assert not left_behind(tmp_path)


def test_ctrl_c_is_for_the_parent_from_the_beginning(tmp_path, expected):
    run = start(tmp_path, Engine("local", 2))
    workers = []
    while len(workers) < 2:
        workers += [int(pid) for pid in re.findall(r"worker pid (\d+)", run.stderr.readline())]
    while len(hashes(tmp_path)) < 2:
        for pid in workers:
            os.kill(pid, signal.SIGINT)
        time.sleep(0.01)
    said = run.communicate(timeout=60)[1]
    assert run.returncode == 0
    assert "Traceback" not in said
    assert "worker pid" not in said, "one of them was replaced"
    assert hashes(tmp_path) == expected


def test_ctrl_c_stops_at_once_and_keeps_what_is_finished(tmp_path, engine, expected):
    run = start(tmp_path, engine, 200)
    wait_for(lambda: len(hashes(tmp_path)) >= 2, "shards")
    workers = {pid for _, pid in made(tmp_path)}
    os.killpg(run.pid, signal.SIGINT)
    said = run.communicate(timeout=10)[1]
    assert run.returncode == 130
    assert "Traceback" not in said
    assert not any(map(running, workers))
    assert not left_behind(tmp_path)
    assert 2 <= len(hashes(tmp_path)) < 50
    assert hashes(tmp_path).items() & expected.items()


def test_a_shard_that_kills_its_worker_once_is_made(tmp_path, engine, expected):
    build(tmp_path, shard_work.killed, engine, at=3, marker=tmp_path / "marker")
    assert hashes(tmp_path) == expected


def test_a_shard_that_always_kills_is_named_when_all_others_are_made(tmp_path, engine, expected):
    with pytest.raises(DataError, match=r"^shard 3 cost 3 workers: its worker \(pid \d+\) .*finished shards are kept"):
        build(tmp_path, shard_work.killed, engine, at=3)
    assert hashes(tmp_path) == {name: value for name, value in expected.items() if name != "00003.npz"}


def test_a_machine_on_which_every_worker_dies_is_given_up(tmp_path, engine):
    with pytest.raises(DataError, match=r"finished shards are kept"):
        build(tmp_path, shard_work.dying, engine, n=30)
    assert not hashes(tmp_path)


def test_workers_that_die_before_they_begin_are_given_up(tmp_path, monkeypatch):
    pytest.importorskip("apache_beam", reason="needs Apache Beam (the extra `scale`)")
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif any('sdk_worker' in word for word in sys.orig_argv):\n    os.kill(os.getpid(), 9)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DataError, match=r"not made in 3 attempts: the pipeline failed \(Worker subprocess exited"):
        build(tmp_path, shard_work.numbers, Engine("beam", 2))


def test_memory_of_a_worker_is_its_own(tmp_path, engine, capfd):
    ballast = np.ones(40_000_000)
    build(tmp_path, shard_work.numbers, engine)
    worker, parent = map(int, re.findall(r"memory (\d+) MB \(largest worker\), (\d+) MB", capfd.readouterr().err)[0])
    assert 20 < worker < 250
    assert parent > ballast.nbytes / 2**20


def test_a_fault_in_a_worker_is_the_same_one_line(tmp_path, engine, expected):
    with pytest.raises(DataError) as caught:
        build(tmp_path, shard_work.faulty, engine, at=3)
    assert str(caught.value) == "a/b.flac: cannot be decoded; remove it"
    assert hashes(tmp_path).items() <= expected.items()
    build(tmp_path, shard_work.numbers, engine)
    assert hashes(tmp_path) == expected


def test_a_bug_in_a_worker_says_where(tmp_path, engine):
    with pytest.raises(KeyError, match="no such column") as caught:
        build(tmp_path, shard_work.faulty, engine, at=3, bug=True)
    assert any("shard_work.py" in note for note in caught.value.__notes__)


def test_a_disk_that_is_full_in_the_middle_of_a_shard(tmp_path, engine, expected):
    with pytest.raises(DataError, match=r"\d{5}\.npz: the shard cannot be written \(File too large\); free some space"):
        build(tmp_path, shard_work.out_of_room, engine, at=5)
    assert not left_behind(tmp_path)
    before = hashes(tmp_path)
    assert "00005.npz" not in before
    assert before.items() <= expected.items()
    build(tmp_path, shard_work.numbers, engine)
    assert hashes(tmp_path) == expected


def test_two_runs_at_once_do_each_other_no_harm(tmp_path, engine, expected):
    other = start(tmp_path, engine)
    build(tmp_path, shard_work.numbers, engine, pause_s=0.4)
    said = other.communicate(timeout=60)[1]
    assert other.returncode == 0, said
    assert hashes(tmp_path) == expected
    assert not left_behind(tmp_path)


# ------------------------------------------------------------------------------------- without real workers


def test_a_shard_that_cost_two_workers_is_made_alone():
    asked = []

    def run_round(left, alone):
        asked.append((list(left), alone))
        return [Lost(4, "its worker died", died=True)] if 4 in left and not alone else []

    make_all(run_round, [3, 4, 5])
    assert asked == [([3, 4, 5], False), ([4], False), ([4], True)]


def test_what_may_kill_again_comes_last():
    asked = []

    def run_round(left, alone):
        asked.append(list(left))
        return [Lost(0, "died", died=True), Lost(1, "ended", died=False)] if len(asked) == 1 else []

    make_all(run_round, [0, 1, 2])
    assert asked == [[0, 1, 2], [1, 0]]


def test_rounds_without_one_more_shard_are_given_up():
    asked = []

    def run_round(left, alone):
        asked.append(list(left))
        return [Lost(index, "the pipeline failed (no route)", died=False) for index in left[len(asked) == 1 :]]

    with pytest.raises(DataError, match=r"^2 shards were not made in 3 attempts: the pipeline failed \(no route\)"):
        make_all(run_round, [0, 1, 2])
    assert len(asked) == 4


def test_an_error_that_cannot_be_pickled_gets_through_as_text():
    def make(index):
        raise MissingExtraError("flite", "train")

    report = attempt(make, 2)
    assert isinstance(report, Report)
    assert str(report.error) == str(MissingExtraError("flite", "train"))


@pytest.mark.parametrize(
    ("said", "kind", "told"),
    [
        ("{}", None, "the pipeline ended, and they are not in {folder}: every machine must see it under this path"),
        (json.dumps({"failed": "Traceback\nOSError: no\nway [while running 'make']"}), None, "failed (way; see"),
        ("", None, "its process ended (1)"),
        (json.dumps({"usage": "no such runner"}), UsageError, "--beam-options: no such runner"),
    ],
)
def test_a_pipeline_that_ended_too_early_says_why(tmp_path, said, kind, told):
    code = f"print({said!r}, end=''); raise SystemExit({int(not said)})"
    watched = Watched()
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as driver:
        one = beam._Round(tmp_path, {1, 2}, watched, look_after_workers=True)
        if kind is not None:
            with pytest.raises(kind, match=re.escape(told)):
                one.follow(driver, tmp_path)
            return
        lost = one.follow(driver, tmp_path)
    assert [(shard.index, shard.died) for shard in lost] == [(1, False), (2, False)]
    assert told.format(folder=tmp_path) in lost[0].cause
    assert watched.shards == lost[:1], "one line, not one for every shard"


class Watched:
    """Keeps what it is told."""

    def __init__(self):
        self.workers, self.reports, self.shards = [], [], []
        self.begun, self.finished, self.lost = self.workers.append, self.reports.append, self.shards.append


def test_workers_elsewhere_are_told_of_and_not_looked_for(tmp_path):
    beam_worker.Note(1).write(tmp_path / "worker,1,far-away")
    (tmp_path / "report,2").write_bytes(pickle.dumps(Report(2, 50, 1.0)))
    watched = Watched()
    one = beam._Round(tmp_path, {1, 2}, watched, look_after_workers=True)
    assert one._look() == {}
    assert watched.workers == ["pid 1 on far-away"]
    assert watched.reports == [Report(2, 50, 1.0)]


def test_a_fault_gets_through_although_no_file_can_be_made(tmp_path, monkeypatch):
    beam_worker.Note(2).write(note := tmp_path / f"worker,{os.getpid()},{beam_worker.machine_name()}")
    size = note.stat().st_size

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(beam_worker, "write_whole", full)
    make = pickle.dumps(partial(build_failing, text="00003.npz: the shard cannot be written"))
    with pytest.raises(RuntimeError, match=r"shard 3: 00003\.npz"):
        beam_worker.work(3, make=make, run_folder=str(tmp_path))
    assert note.stat().st_size == size, "it would need room"
    with pytest.raises(DataError, match=r"^00003\.npz: the shard cannot be written$"):
        beam._Round(tmp_path, {3}, Watched(), look_after_workers=True)._look()


def build_failing(index, *, text):
    raise DataError(text)


def test_a_worker_begins_nothing_when_the_run_is_over(tmp_path):
    make = pickle.dumps(partial(build_failing, text="begun"))
    beam_worker.work(3, make=make, run_folder=str(tmp_path / "gone"))
    (tmp_path / "stop").touch()
    beam_worker.work(3, make=make, run_folder=str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["stop"]


def test_a_module_that_is_not_installed_where_the_worker_is_is_an_error_like_others(tmp_path):
    beam_worker.work(3, make=b"cno_such_module\nmake\n.", run_folder=str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        beam._Round(tmp_path, {3}, Watched(), look_after_workers=True)._look()


def test_the_first_fault_stops_the_others(tmp_path):
    with pytest.raises(DataError):
        build(tmp_path, shard_work.faulty, Engine("local", 2), n=200, at=0, pause_s=0.05)
    assert len(hashes(tmp_path)) < 50


# ------------------------------------------------------------------------------------- recordings


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


# ------------------------------------------------------------------------------------- options


def parsed(*words):
    parser = argparse.ArgumentParser()
    add_shared_options(parser, rendered="clips")
    return parser.parse_args(["--data", "d", *words])


def test_options_make_an_engine(monkeypatch):
    assert engine_from(parsed()) == Engine("local", None, ())
    assert engine_from(parsed("--workers", "3")) == Engine("local", 3, ())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    words = ("--engine", "beam", "--data", "/d", "--cache", "/c")
    assert engine_from(parsed(*words, "--beam-options=--runner=FlinkRunner --flink_master='a b'")) == Engine(
        "beam", None, ("--runner=FlinkRunner", "--flink_master=a b")
    )


@pytest.mark.parametrize(
    ("options", "own"),
    [
        ((), True),
        (("--job_name=x",), True),
        (("--runner=DirectRunner",), True),
        (("--runner", "direct", "--job_name", "x"), True),
        (("--runner=FlinkRunner",), False),
        (("--runner", "PrismRunner"), False),
    ],
)
def test_beams_own_runner_is_known_by_its_names(options, own):
    assert is_beams_own(options) is own


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--workers", "0"], "--workers is 0"),
        (["--beam-options=--runner=x"], "--engine beam"),
        (["--engine", "beam", "--beam-options='"], "No closing quotation"),
        (["--engine", "beam", "--beam-options=--runner FlinkRunner"], "--data is d, expected an absolute path"),
        (["--engine", "beam", "--data=/d", "--beam-options=--runner=FlinkRunner"], "--cache is build/cache"),
    ],
)
def test_options_that_contradict_each_other(words, told, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    with pytest.raises(UsageError, match=re.escape(told)):
        engine_from(parsed(*words))


def test_beam_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"vivavoce\[scale\]"):
        engine_from(parsed("--engine", "beam"))


@pytest.mark.parametrize(
    ("option", "told"),
    [("--no_such_option=1", "--no_such_option"), ("--runner=NoSuchRunner", "NoSuchRunner"), ("--runner=a.b.C", "'a'")],
)
def test_beam_options_that_beam_does_not_know(tmp_path, option, told):
    pytest.importorskip("apache_beam", reason="needs Apache Beam (the extra `scale`)")
    with pytest.raises(UsageError, match=rf"^--beam-options: .*{re.escape(told)}"):
        build(tmp_path, shard_work.numbers, Engine("beam", 2, (option,)))
    assert not left_behind(tmp_path)
