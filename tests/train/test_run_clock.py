"""The time of a run adds up over its sessions, not between them, and not with that of another run."""

import json
import time

import pytest

from train import run_clock
from train.run_clock import RunClock

RUN = {"seed": 1}


@pytest.fixture
def now(monkeypatch):
    at = [100.0]
    monkeypatch.setattr(run_clock.time, "monotonic", lambda: at[0])
    return at


def test_sessions_add_up_and_what_is_between_them_does_not(tmp_path, now):
    def session(seconds, *, interrupted=False):
        with RunClock(tmp_path) as clock:
            now[0] += seconds
            clock.of(RUN)
            now[0] += 1
            if interrupted:
                raise KeyboardInterrupt

    session(20)
    now[0] += 1000
    with pytest.raises(KeyboardInterrupt):
        session(3, interrupted=True)
    third = RunClock(tmp_path)
    now[0] += 0.5
    assert third.told() == {"wall_s": 0.5, "sessions": 1}
    third.of(RUN)
    assert third.told() == {"wall_s": 25.5, "sessions": 3}


def test_another_run_begins_at_nothing_and_takes_nothing(tmp_path, now):
    for run in (RUN, {"seed": 2}, RUN):
        with RunClock(tmp_path) as clock:
            clock.of(run)
            now[0] += 10
    assert clock.told() == {"wall_s": 20, "sessions": 2}
    other = RunClock(tmp_path)
    other.of({"seed": 2})
    assert other.told() == {"wall_s": 10, "sessions": 2}


def test_who_says_first_which_run_it_is_is_believed(tmp_path, now):
    with RunClock(tmp_path) as clock:
        clock.of(RUN)
        now[0] += 10
        clock.of({"seed": 2})
    assert len(list(tmp_path.iterdir())) == 1
    assert clock.told()["wall_s"] == 10


def test_a_session_that_is_killed_counts_up_to_its_last_tick(tmp_path, monkeypatch):
    monkeypatch.setattr(run_clock, "_TICK_S", 0.01)
    clock = RunClock(tmp_path)
    clock.of(RUN)
    clock.__enter__()
    try:
        until = time.monotonic() + 30
        while not list(tmp_path.glob("clock-*.json")) and time.monotonic() < until:
            time.sleep(0.01)
        # What a session would begin with if this one were killed here.
        after = RunClock(tmp_path)
        after.of(RUN)
        assert after.told()["sessions"] == 2
    finally:
        clock.__exit__(None, None, None)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"wall_s": "x", "sessions": 1}', '{"wall_s": 1}'])
def test_a_broken_file_stops_no_run(tmp_path, content):
    with RunClock(tmp_path) as clock:
        clock.of(RUN)
    (path,) = tmp_path.iterdir()
    path.write_text(content)
    with RunClock(tmp_path) as clock:
        clock.of(RUN)
        assert clock.told()["sessions"] == 1
    assert json.loads(path.read_text())["sessions"] == 1


def test_a_run_that_was_refused_before_it_was_known_leaves_nothing(tmp_path):
    with RunClock(tmp_path / "resume"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_stops_no_run(tmp_path):
    (tmp_path / "resume").write_text("a file")
    with RunClock(tmp_path / "resume") as clock:
        clock.of(RUN)
    assert clock.told()["sessions"] == 1
    assert (tmp_path / "resume").read_text() == "a file"


def test_without_a_folder_it_counts_from_now(now):
    with RunClock() as clock:
        clock.of(RUN)
        now[0] += 2
        assert clock.told() == {"wall_s": 2, "sessions": 1}
