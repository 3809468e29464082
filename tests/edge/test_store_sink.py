"""The sink of the store: what waits, what is lost, and what leaves in its time."""

import threading
from pathlib import Path

import numpy as np
import pytest
from event_makers import AT_S, answer, ids, integrity, status, without_waiting

from edge.bus import Bus
from edge.errors import StoreError, UsageError
from edge.event_reading import EventReader, Selection
from edge.event_store import EventStore, StoreSettings
from edge.health import Health
from edge.kept_audio import AudioSettings
from edge.sinks.store import StoreSink

DAY_S = 86_400.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "events.sqlite3"


# ------------------------------------------------------------------------------------------ retention


def test_old_events_leave(path):
    told = [answer(AT_S - days * DAY_S) for days in (40, 31, 29, 1)]
    with EventStore(path) as store:
        for one in told:
            store.add(one)
        assert store.retain(AT_S, max_age_days=30, max_mb=4) == 2
        assert store.retain(AT_S, max_age_days=30, max_mb=4) == 0
    assert ids(path) == [one.id for one in told[2:]]


@pytest.mark.parametrize("now_s", [86_400.0 * 365, 1_700_000_000.0])
def test_a_clock_that_was_not_set_deletes_nothing(now_s, path):
    with EventStore(path) as store:
        store.add(answer(now_s - 40 * DAY_S))
        store.add(answer(AT_S))
        assert store.retain(now_s, max_age_days=30, max_mb=4) == 0


def test_the_store_stays_within_its_size(path):
    # Records of 8 kB: a few hundred of them fill it.
    big = {f"stage {at} {'x' * 100}": 0.001 for at in range(70)}
    largest = 0
    last = []
    with EventStore(path) as store:
        without_waiting(store)
        for at in range(900):
            one = answer(AT_S + at, stage_s=big)
            last.append(one.id)
            store.add(one)
            if at % 8 == 0:
                store.retain(AT_S, max_age_days=365, max_mb=4)
            largest = max(largest, path.stat().st_size + Path(f"{path}-wal").stat().st_size)
        assert store.retain(AT_S, max_age_days=365, max_mb=4) == 0
    assert 3e6 < largest < 4e6
    there = ids(path)
    assert there == last[-len(there) :]
    assert 200 < len(there) < 500


def test_a_lowered_size_shrinks_the_file(path):
    big = {f"stage {at} {'x' * 100}": 0.001 for at in range(70)}
    with EventStore(path) as store:
        without_waiting(store)
        for at in range(700):
            store.add(answer(AT_S + at, stage_s=big))
        assert path.stat().st_size + Path(f"{path}-wal").stat().st_size > 5e6
        assert store.retain(AT_S, max_age_days=365, max_mb=4) > 100
        assert path.stat().st_size + Path(f"{path}-wal").stat().st_size < 4e6
    assert integrity(path) == "ok"


# ----------------------------------------------------------------------------------------- full disks


class Full:
    """Makes the store fail as a full disk would."""

    def __init__(self, monkeypatch):
        self.full = False
        real = EventStore.add

        def add(store, message, audio=""):
            if self.full:
                raise StoreError("x: cannot be used (database or disk is full)")
            real(store, message, audio)

        monkeypatch.setattr(EventStore, "add", add)


def make_sink(path, **settings):
    return StoreSink(StoreSettings(path=str(path), **settings), AudioSettings(), Health())


def test_an_event_that_could_not_be_written_is_written_later(path, monkeypatch):
    disk, sink = Full(monkeypatch), make_sink(path)
    told = [answer(AT_S + at) for at in range(3)]
    sink.open()
    sink.push(told[0])
    disk.full = True
    with pytest.raises(StoreError, match="is full"):
        sink.push(told[1])
    sink.close()
    with pytest.raises(StoreError, match="is full"):
        sink.open()
    sink.close()
    disk.full = False
    sink.open()
    sink.push(told[2])
    sink.close()
    assert ids(path) == [one.id for one in told]


def test_what_waits_too_long_is_counted(path, monkeypatch):
    disk = Full(monkeypatch)
    health = Health()
    sink = StoreSink(StoreSettings(path=str(path)), AudioSettings(), health)
    sink.open()
    disk.full = True
    told = [answer(AT_S + at) for at in range(70)]
    for one in told:
        with pytest.raises(StoreError):
            sink.push(one)
    disk.full = False
    sink.open()
    sink.close()
    lost = health.gauges["store_lost_events"]
    assert lost > 0
    assert ids(path) == [one.id for one in told[int(lost) :]]


def test_pushing_to_a_closed_sink_is_an_error_and_loses_nothing(path):
    sink = make_sink(path)
    told = answer()
    with pytest.raises(StoreError, match="is closed"):
        sink.push(told)
    sink.open()
    sink.close()
    sink.close()
    assert ids(path) == [told.id]


# ------------------------------------------------------------------------------------------- the sink


def test_the_bus_hands_everything_to_the_store(path):
    health = Health()
    sink = StoreSink(StoreSettings(path=str(path)), AudioSettings(), health)
    bus = Bus([sink], status)
    bus.start()
    told = [answer(AT_S + at) for at in range(100)]
    for one in told:
        bus.push(one)
    # A status that comes before the sink is open gives way to the one that it is told then.
    pause = threading.Event()
    for _ in range(1000):
        if bus.counts["store"].told == 100:
            break
        pause.wait(0.02)
    bus.push(status(muted=True))
    bus.close()
    assert bus.counts["store"].told == 101
    assert bus.counts["store"].failures == 0
    assert ids(path, Selection(kind="answer")) == [one.id for one in told]
    with EventReader(path) as reader:
        assert [event.record["muted"] for event in reader.events(Selection(kind="status"))] == [False, True]


def test_what_is_too_old_leaves_while_nothing_comes(path):
    with EventStore(path) as store:
        store.add(answer(AT_S - 100 * DAY_S))
        store.add(answer(AT_S))
    health = Health()
    sink = StoreSink(StoreSettings(path=str(path)), AudioSettings(), health, clock=lambda: AT_S)
    bus = Bus([sink], status)
    bus.start()
    pause = threading.Event()
    for _ in range(1000):
        if health.gauges["store_events"]:
            break
        pause.wait(0.02)
    bus.close()
    assert health.gauges["store_events"] == 2  # one that stays, and the status
    assert health.gauges["store_bytes"] > 4096
    assert len(ids(path, Selection(kind="answer"))) == 1


def counting(sink, monkeypatch, fault=None):
    """Count how often a sink tidies."""
    tidied = []

    def tidy(store):
        tidied.append(store)
        if fault is not None:
            raise fault

    monkeypatch.setattr(sink, "_tidy", tidy)
    return tidied


def test_it_is_tidied_now_and_then_and_after_many_events(path, monkeypatch):
    sink = make_sink(path)
    tidied = counting(sink, monkeypatch)
    sink.check()
    sink.open()
    found = [len(tidied)]
    for _ in range(3):
        sink.check()
    found.append(len(tidied))
    sink._tidied_s -= 600.0
    sink.check()
    found.append(len(tidied))
    for _ in range(2):
        for at in range(63):
            sink.push(answer(AT_S + at))
        found.append(len(tidied))
        sink.push(answer(AT_S + 64))
        found.append(len(tidied))
    sink.close()
    assert found == [0, 1, 2, 2, 3, 3, 4]


def test_tidying_that_fails_is_told_once(path, monkeypatch, caplog):
    monkeypatch.setattr("edge.sinks.store._TIDY_S", 0.0)
    sink = make_sink(path)
    tidied = counting(sink, monkeypatch, StoreError("x: cannot be used"))
    sink.open()
    for _ in range(3):
        sink.check()
    sink.push(answer())
    sink.close()
    assert len(tidied) == 3
    assert caplog.text.count("is not deleted") == 1


def test_what_waits_is_there_once_whoever_brings_it_again(path, monkeypatch):
    disk = Full(monkeypatch)
    health = Health()
    sink = StoreSink(StoreSettings(path=str(path)), AudioSettings(), health)
    sink.open()
    told = answer(pre_roll=np.ones(100_000, np.int16))
    disk.full = True
    for _ in range(100):
        with pytest.raises(StoreError):
            sink.push(told)
    assert [one.pre_roll.size for one, _ in sink._held] == [0]
    disk.full = False
    sink.open()
    sink.push(told)
    sink.close()
    assert ids(path) == [told.id]
    assert health.gauges["store_lost_events"] == 0


def test_sound_without_events_is_refused():
    with pytest.raises(UsageError, match=r"audio\.keep: got sound to keep while store\.enabled is false"):
        StoreSink(StoreSettings(enabled=False), AudioSettings(keep=("all",)), Health())
