"""Engines: workers and whole runs that are killed or stopped, and two runs at once."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.train import shard_work
from tests.train.shard_building import ROOT, N, build, engine_fixture, expected_fixture, hashes, left_behind, made  # noqa: F401  # fixtures
from train.engines.choice import Engine


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


def test_two_runs_at_once_do_each_other_no_harm(tmp_path, engine, expected):
    other = start(tmp_path, engine)
    build(tmp_path, shard_work.numbers, engine, pause_s=0.4)
    said = other.communicate(timeout=60)[1]
    assert other.returncode == 0, said
    assert hashes(tmp_path) == expected
    assert not left_behind(tmp_path)
