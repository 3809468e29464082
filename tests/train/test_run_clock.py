"""The time of a run adds up over its sessions, and not between them."""

import json
import time

import pytest

from train import run_clock
from train.run_clock import RunClock


def test_sessions_add_up_and_what_is_between_them_does_not(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(run_clock.time, "monotonic", lambda: now[0])
    folder = tmp_path / "resume"
    with RunClock(folder):
        now[0] += 20
    now[0] += 1000

    def interrupted():
        with RunClock(folder):
            now[0] += 3
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    third = RunClock(folder)
    now[0] += 0.5
    assert third.told() == {"wall_s": 23.5, "sessions": 3}


def test_a_session_that_is_killed_counts_up_to_its_last_tick(tmp_path, monkeypatch):
    monkeypatch.setattr(run_clock, "_TICK_S", 0.01)
    clock = RunClock(tmp_path)
    clock.__enter__()
    try:
        until = time.monotonic() + 30
        while not (tmp_path / "clock.json").exists() and time.monotonic() < until:
            time.sleep(0.01)
        # What a session would begin with if this one were killed here.
        assert RunClock(tmp_path).told()["sessions"] == 2
    finally:
        clock.__exit__(None, None, None)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"wall_s": "x", "sessions": 1}', '{"wall_s": 1}'])
def test_a_broken_file_stops_no_run(tmp_path, content):
    (tmp_path / "clock.json").write_text(content)
    with RunClock(tmp_path) as clock:
        assert clock.told()["sessions"] == 1
    assert json.loads((tmp_path / "clock.json").read_text())["sessions"] == 1


def test_a_run_that_is_refused_leaves_no_folder(tmp_path):
    with RunClock(tmp_path / "out" / "resume"):
        pass
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_stops_no_run(tmp_path):
    (tmp_path / "resume").write_text("a file")
    with RunClock(tmp_path / "resume") as clock:
        pass
    assert clock.told()["sessions"] == 1
    assert (tmp_path / "resume").read_text() == "a file"


def test_without_a_folder_it_counts_from_now():
    with RunClock() as clock:
        assert clock.told()["sessions"] == 1
