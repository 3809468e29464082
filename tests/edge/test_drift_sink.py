"""The sink of the watch: gauges, what is kept and told, and broken input."""

import json
import math
import os
import shutil

import numpy as np
import pytest
from drift_answers import START_S, answer, home

from edge.answers import Status
from edge.bundle import open_bundle
from edge.drift_monitor import MonitorSettings, MonitorSink, write_state
from edge.drift_watch import Watch
from edge.errors import StoreError, UsageError
from edge.health import Health
from edge.strict_toml import from_tables
from tests.edge.drift_monitoring import DAY_S, RULES, feed, sink_of, state_of


@pytest.fixture(scope="module")
def bundle():
    return open_bundle()


def test_gauges_are_there_from_the_start_and_stay_the_same_names(tmp_path, bundle):
    sink, gauges = sink_of(tmp_path / "state" / "monitor.json", bundle)
    names = set(gauges)
    sink.open()
    for one in home(30):
        sink.push(one)
    sink.close()
    assert set(gauges) == names
    assert all(math.isfinite(value) for value in gauges.values())
    assert gauges["drift_learned"] == pytest.approx(1.0)
    assert gauges["drift_psi_level_dbfs"] > 0


def test_an_alarm_is_told_in_one_line_and_outlives_a_restart(tmp_path, bundle, caplog):
    path = tmp_path / "monitor.json"
    sink, gauges = sink_of(path, bundle)
    sink.open()
    for one in (*home(40), *home(10, 1, start_s=START_S + 40 * DAY_S, gain=-12.0)):
        sink.push(one)
    sink.close()
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert warnings[0].startswith("drift: loudness is lower than it was; ")
    again, gauges = sink_of(path, bundle)
    again.open()
    assert gauges["drift_alarm"] == 1
    again.close()


def test_the_state_is_for_its_folder_alone_and_holds_no_sound(tmp_path, bundle):
    path = tmp_path / "state" / "monitor.json"
    sink, _ = sink_of(path, bundle)
    sink.open()
    sink.push(answer(pre_roll=np.full(100, 12345, np.int16)))
    sink.close()
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert "12345" not in path.read_text()
    assert sorted(os.listdir(path.parent)) == [".monitor.json.lock", "monitor.json"]


def test_it_is_written_seldom(tmp_path, bundle):
    now = 0.0
    path = tmp_path / "monitor.json"
    sink = MonitorSink(MonitorSettings(path=str(path)), Health(), bundle, clock=lambda: now)
    sink.open()
    written = path.stat().st_ino
    for at, one in enumerate(home(1)):
        now = at * 4.9
        sink.push(one)
    assert path.stat().st_ino == written
    now = 60.0
    sink.push(answer(START_S + DAY_S))
    assert len(state_of(path)["statistics"]["wake_score"]["learning"]) == 13
    sink.push(answer(START_S + DAY_S + 100))
    sink.close()
    assert len(state_of(path)["statistics"]["wake_score"]["learning"]) == 14


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"format": "other"}',
        b'{"format": "vivavoce-monitor", "format_version": 2}',
        b'{"format": NaN}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_state_is_set_aside_and_told_in_one_line(tmp_path, bundle, caplog, content):
    path = tmp_path / "monitor.json"
    path.write_bytes(content)
    sink, _ = sink_of(path, bundle)
    sink.open()
    sink.push(answer())
    sink.close()
    assert (tmp_path / "monitor.json.damaged").read_bytes() == content
    assert len(state_of(path)["statistics"]["wake_score"]["learning"]) == 1
    errors = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert "\n" not in errors[0]


def broken_states():
    """Yield states of which one entry, wherever it is, is something else."""
    watch = Watch(RULES)
    feed(watch, [*home(30), *home(9, 1, start_s=START_S + 30 * DAY_S, gain=-15.0)])
    text = json.dumps(watch.to_dict())
    assert watch.up

    def places(value, path=()):
        if isinstance(value, dict):
            for key in value:
                yield (*path, key)
                yield from places(value[key], (*path, key))

    for path in places(json.loads(text)):
        for other in (..., "x", -1, [1, "x"], {"x": 1}, True, 1e300, [[]], None):
            state = json.loads(text)
            below = state
            for key in path[:-1]:
                below = below[key]
            if other is ...:
                del below[path[-1]]
            else:
                below[path[-1]] = other
            yield state


def test_whatever_a_state_holds_it_is_taken_or_refused(tmp_path):
    refused = taken = 0
    for state in broken_states():
        watch = Watch(RULES)
        try:
            watch.restore(tmp_path / "state.json", state)
        except StoreError:
            refused += 1
            continue
        taken += 1
        # What was taken works.
        feed(watch, home(1, start_s=START_S + 50 * DAY_S))
        assert all(math.isfinite(value) for value in watch.gauges().values())
        json.dumps(watch.to_dict(), allow_nan=False)
    assert refused > 5 * taken
    assert taken > 0


def test_a_folder_that_cannot_be_written_is_told_and_nothing_is_lost(tmp_path, bundle):
    folder = tmp_path / "state"
    sink, _ = sink_of(folder / "monitor.json", bundle)
    sink.open()
    sink.push(answer())
    shutil.rmtree(folder)
    folder.write_text("in the way")
    # Whoever took the file away meant it: what is kept begins with the next answer.
    sink._kept_s = -100.0
    with pytest.raises(StoreError, match=r"monitor\.json: cannot be written"):
        sink.push(answer(START_S + 100))
    sink.close()
    with pytest.raises(StoreError, match="cannot be written"):
        sink.open()
    folder.unlink()
    sink.open()
    sink.push(answer(START_S + 200))
    sink.close()
    assert len(state_of(folder / "monitor.json")["statistics"]["wake_score"]["learning"]) == 2


def test_a_file_that_is_gone_means_that_it_begins_anew(tmp_path, bundle):
    path = tmp_path / "monitor.json"
    sink, _ = sink_of(path, bundle)
    sink.open()
    for one in home(1):
        sink.push(one)
    path.unlink()
    sink.push(answer(START_S + DAY_S))
    sink.close()
    assert len(state_of(path)["statistics"]["wake_score"]["learning"]) == 1


def test_a_reset_just_before_the_end_holds(tmp_path, bundle):
    path = tmp_path / "monitor.json"
    sink = MonitorSink(MonitorSettings(path=str(path)), Health(), bundle, clock=lambda: 0.0)
    sink.open()
    for one in home(1):
        sink.push(one)
    write_state(path, Watch(RULES))
    sink.close()
    assert state_of(path)["statistics"]["wake_score"]["learning"] == []


def test_only_the_origins_that_are_named_are_watched(tmp_path, bundle):
    path = tmp_path / "monitor.json"
    sink, _ = sink_of(path, bundle, origins=("source", "wyoming"))
    sink.open()
    for at, origin in enumerate(("source", "wyoming 127.0.0.1:5", "mqtt", "sourced")):
        sink.push(answer(START_S + 100 * at, origin=origin))
    sink.close()
    assert len(state_of(path)["statistics"]["wake_score"]["learning"]) == 2


def test_before_the_clock_is_set_nothing_is_watched(tmp_path, bundle):
    path = tmp_path / "monitor.json"
    sink, _ = sink_of(path, bundle)
    sink.open()
    sink.push(answer(1000.0))
    sink.push(Status(at_s=START_S, source="lost", source_name="", muted=False, playing=False, words=(), bundle="3.0"))
    sink.close()
    assert state_of(path)["statistics"]["wake_score"]["learning"] == []


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"window": 10}, "monitor.window: got 10, expected a whole number from 50 to 5000"),
        ({"reference": "house"}, "monitor.reference: got 'house', expected one of 'home', 'bundle'"),
        ({"false_alarms_per_year": 0}, "monitor.false_alarms_per_year: got 0"),
        ({"tolerances": 0.1}, "did you mean monitor.tolerance?"),
    ],
)
def test_settings_are_strict(table, told):
    with pytest.raises(UsageError) as fault:
        from_tables(MonitorSettings, table, "vivavoce.toml", name="monitor")
    assert told in str(fault.value)


def test_a_second_daemon_leaves_the_state_alone(tmp_path):
    settings = MonitorSettings(path=str(tmp_path / "monitor.json"))
    first, second = (MonitorSink(settings, Health(), open_bundle()) for _ in range(2))
    first.open()
    before = (tmp_path / "monitor.json").read_bytes()
    with pytest.raises(StoreError, match="another vivavoce daemon writes to it"):
        second.open()
    second.close()
    assert (tmp_path / "monitor.json").read_bytes() == before
    first.close()
    second.open()
    second.close()
