"""The bus, with sinks that are slow, that fail, and that hang. Times to wait are made short, none is measured."""

import logging
import threading
from queue import SimpleQueue

import numpy as np
import pytest

from edge import bus as bus_module
from edge.answers import Answer, Audio, Status
from edge.bus import Bus
from edge.errors import DataError

DEADLINE_S = 20.0
"""Of everything that has to happen; reached only where it does not."""


def status(**changes) -> Status:
    known = {"source": "listening", "source_name": "x", "muted": False, "playing": False, "words": (), "bundle": "1"}
    return Status(at_s=0.0, **known | changes)


def answer(name: str) -> Answer:
    return Answer(
        id=name,
        at_s=0.0,
        origin="source",
        word="w",
        phrase="w",
        action="pass",
        decision="accept",
        reasons=("live",),
        wake_score=0.9,
        live_probability=0.9,
        live_score=2.0,
        quality=None,
        start_sample=0,
        end_sample=0,
        decided_sample=0,
    )


def sound(at: int) -> Audio:
    return Audio(at, np.zeros(1, np.int16))


def of(message) -> str:
    """Name a message: answers by their id, sound by its index, a status by whether it is muted."""
    if isinstance(message, Answer):
        return message.id
    return str(message.start_sample) if isinstance(message, Audio) else "muted" if message.muted else "heard"


class Told:
    """A sink that keeps what it is told, and does as the test says."""

    def __init__(self, name="one", wants=(Answer, Audio, Status)):
        self.name = name
        self.wants = wants
        self.calls = []
        self.told = SimpleQueue()
        self.go = threading.Event()
        self.go.set()
        self.entered = threading.Event()
        self.opening = []
        self.telling = []
        self.opens = SimpleQueue()
        self.closed = SimpleQueue()

    def open(self):
        self.opens.put(threading.current_thread())
        if self.opening:
            raise self.opening.pop(0)

    def push(self, message):
        self.entered.set()
        assert self.go.wait(DEADLINE_S)
        if self.telling and not isinstance(message, Status):
            fault = self.telling.pop(0)
            if fault is not None:
                raise fault
        self.told.put(of(message))

    def close(self):
        self.closed.put(threading.current_thread())

    def take(self, n):
        return [self.told.get(timeout=DEADLINE_S) for _ in range(n)]


@pytest.fixture
def quick(monkeypatch):
    """Retries and checks that come at once."""
    monkeypatch.setattr(bus_module, "_RETRY_S", (0.001, 0.004))
    monkeypatch.setattr(bus_module, "_CHECK_S", 0.001)


@pytest.fixture
def running():
    """Start a bus, and close it at the end of the test."""
    made = []

    def start(*sinks, now=status, **options):
        bus = Bus(sinks, now, **options)
        made.append((bus, sinks))
        bus.start()
        return bus

    yield start
    for bus, sinks in made:
        for sink in sinks:
            sink.go.set()
        bus.close()


def held(running, room):
    """Start a bus whose sink is busy with its first answer, so that everything else waits."""
    sink = Told()
    bus = running(sink, room=room)
    assert sink.take(1) == ["heard"]
    sink.entered.clear()
    sink.go.clear()
    bus.push(answer("first"))
    assert sink.entered.wait(DEADLINE_S)
    return sink, bus


class TestOrder:
    def test_each_is_told_what_it_wants_in_order_after_how_the_daemon_is(self, running):
        every, answers = Told("every"), Told("answers", wants=(Answer,))
        bus = running(every, answers)
        for message in (answer("a"), sound(3), status(muted=True), answer("b")):
            bus.push(message)
        assert every.take(5) == ["heard", "a", "3", "muted", "b"]
        assert answers.take(2) == ["a", "b"]

    def test_one_thread_of_its_own_calls_everything(self, running):
        sink = Told()
        running(sink).close()
        assert sink.opens.get(timeout=DEADLINE_S) is sink.closed.get(timeout=DEADLINE_S) is not threading.main_thread()

    def test_what_nobody_wants_is_known(self, running):
        bus = running(Told(wants=(Answer,)))
        assert bus.wanted(Answer)
        assert not bus.wanted(Audio)
        bus.push(sound(0))


class TestSlowSink:
    def test_the_oldest_gives_way_and_is_counted(self, running):
        sink, bus = held(running, room=3)
        for name in "abcde":
            bus.push(answer(name))
        sink.go.set()
        assert sink.take(4) == ["first", "c", "d", "e"]
        assert bus.counts["one"].dropped == 2

    def test_sound_gives_way_before_a_status_and_a_status_before_answers(self, running):
        sink, bus = held(running, room=4)
        for message in (answer("a"), status(muted=True), sound(1), sound(2)):
            bus.push(message)
        bus.push(answer("b"))  # in place of sound 1
        bus.push(answer("c"))  # in place of sound 2
        bus.push(answer("d"))  # in place of the status
        bus.push(answer("e"))  # in place of a
        sink.go.set()
        assert sink.take(5) == ["first", "b", "c", "d", "e"]
        assert bus.counts["one"].dropped == 4

    def test_new_sound_never_takes_the_place_of_an_answer(self, running):
        sink, bus = held(running, room=2)
        for message in (answer("a"), answer("b"), sound(1), status(muted=True)):
            bus.push(message)
        sink.go.set()
        assert sink.take(3) == ["first", "a", "b"]
        assert bus.counts["one"].dropped == 2

    def test_new_sound_takes_the_place_of_old(self, running):
        sink, bus = held(running, room=2)
        for message in (answer("a"), sound(1), sound(2)):
            bus.push(message)
        sink.go.set()
        assert sink.take(3) == ["first", "a", "2"]

    def test_others_are_told_meanwhile(self, running):
        slow, quick = Told("slow", wants=(Answer,)), Told("quick", wants=(Answer,))
        slow.go.clear()
        bus = running(slow, quick)
        for i in range(50):
            bus.push(answer(str(i)))
        assert quick.take(50) == [str(i) for i in range(50)]
        assert bus.counts["slow"].told == 0


@pytest.mark.usefixtures("quick")
class TestFailingSink:
    def test_it_is_closed_opened_again_and_told_once_more(self, running, caplog):
        caplog.set_level(logging.INFO, "edge.bus")
        sink = Told()
        sink.telling = [DataError("broker: gone")]
        bus = running(sink)
        bus.push(answer("a"))
        bus.push(answer("b"))
        assert sink.take(4) == ["heard", "heard", "a", "b"]
        assert sink.closed.get(timeout=DEADLINE_S) is not threading.main_thread()
        bus.close()
        counts = bus.counts["one"]
        assert (counts.told, counts.failures, counts.dropped) == (2, 1, 0)
        assert [record.message for record in caplog.records] == ["sink one: broker: gone", "sink one: works again"]

    def test_a_message_that_fails_twice_is_dropped(self, running):
        sink = Told(wants=(Answer,))
        sink.telling = [DataError("no"), DataError("no")]
        bus = running(sink)
        bus.push(answer("poison"))
        bus.push(answer("b"))
        assert sink.take(1) == ["b"]
        bus.close()
        assert (bus.counts["one"].told, bus.counts["one"].dropped) == (1, 1)

    def test_what_failed_waits_while_the_sink_cannot_be_opened(self, running, quick):
        sink = Told(wants=(Answer,))

        def refuse_next():
            sink.opening = [OSError("refused")] * 3
            return DataError("gone")

        class Gone(list):
            def pop(self, _at):
                fault = super().pop(0)
                return refuse_next() if fault else None

        sink.telling = Gone([True])
        bus = running(sink)
        bus.push(answer("a"))
        bus.push(answer("b"))
        assert sink.take(2) == ["a", "b"]
        bus.close()
        assert (bus.counts["one"].told, bus.counts["one"].dropped) == (2, 0)

    def test_sound_that_failed_is_not_told_again(self, running):
        sink = Told(wants=(Audio,))
        sink.telling = [OSError("no")]
        bus = running(sink)
        bus.push(sound(1))
        bus.push(sound(2))
        assert sink.take(1) == ["2"]

    def test_it_is_told_of_once_however_often_it_fails(self, running, caplog):
        sink = Told()
        sink.opening = [OSError("refused"), OSError("refused"), OSError("still refused")]
        bus = running(sink)
        assert sink.take(1) == ["heard"]
        bus.close()
        assert bus.counts["one"].failures == 3
        assert [r.message for r in caplog.records if r.levelno == logging.ERROR] == ["sink one: refused"]

    def test_waiting_doubles_also_where_opening_works_and_telling_does_not(self, running, monkeypatch):
        waits = []
        monkeypatch.setattr(bus_module, "_RETRY_S", (1.0, 8.0))
        monkeypatch.setattr(bus_module._Runner, "_stopping_within", lambda self, wait_s: waits.append(wait_s))
        sink = Told(wants=(Answer,))
        sink.telling = [OSError("no")] * 6
        bus = running(sink)
        for name in "abcd":
            bus.push(answer(name))
        assert sink.take(1) == ["d"]
        assert waits == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]

    def test_what_is_no_fault_of_the_outside_is_told_with_its_trace(self, running, caplog):
        sink = Told(wants=(Answer,))
        sink.telling = [ZeroDivisionError("a bug")]
        bus = running(sink)
        bus.push(answer("a"))
        assert sink.take(1) == ["a"]
        assert [bool(r.exc_info) for r in caplog.records if r.levelno == logging.ERROR] == [True]

    def test_others_do_not_notice(self, running):
        failing, healthy = Told("failing"), Told("healthy", wants=(Answer,))
        failing.opening = [OSError("no")] * 1000
        bus = running(failing, healthy)
        for name in "abc":
            bus.push(answer(name))
        assert healthy.take(3) == ["a", "b", "c"]
        assert bus.counts["healthy"].failures == 0

    def test_an_older_status_does_not_follow_the_one_that_is_told_on_opening(self, running):
        sink = Told()
        opened = threading.Event()
        sink.open = lambda: opened.wait(DEADLINE_S)
        bus = running(sink)
        bus.push(status(muted=True))
        bus.push(answer("a"))
        opened.set()
        assert sink.take(2) == ["heard", "a"]

    def test_one_that_is_checked_is_opened_again_without_a_message(self, running):
        sink = Told()
        faults = [DataError("lost"), None]
        checks = threading.Semaphore(0)

        def check():
            fault = faults.pop(0) if faults else None
            checks.release()
            if fault:
                raise fault

        sink.check = check
        bus = running(sink)
        assert sink.take(2) == ["heard", "heard"]
        assert checks.acquire(timeout=DEADLINE_S)
        assert bus.counts["one"].failures == 1

    def test_a_close_that_raises_does_not_end_it(self, running, caplog):
        sink = Told(wants=(Answer,))
        sink.telling = [OSError("no")]
        raised = []

        def close():
            if not raised:
                raised.append(True)
                raise RuntimeError("a bug")

        sink.close = close
        bus = running(sink)
        bus.push(answer("a"))
        assert sink.take(1) == ["a"]
        assert "does not close" in caplog.text


class TestEnd:
    def test_what_waits_is_told_first(self, running):
        sink, bus = held(running, room=10)
        for name in "abc":
            bus.push(answer(name))
        closing = threading.Thread(target=bus.close)
        closing.start()
        sink.go.set()
        closing.join(DEADLINE_S)
        assert sink.take(4) == ["first", "a", "b", "c"]
        assert not bus.counts["one"].up

    def test_one_that_hangs_is_closed_from_outside_and_tells_no_more(self, running, monkeypatch, caplog):
        monkeypatch.setattr(bus_module, "_GRACE_S", 0.05)
        monkeypatch.setattr(bus_module, "_LAST_CLOSE_S", DEADLINE_S)
        sink, bus = held(running, room=10)
        let_go = sink.close

        def close():
            let_go()
            sink.go.set()

        sink.close = close
        for name in "abc":
            bus.push(answer(name))
        bus.close()
        assert sink.take(1) == ["first"]
        assert sink.told.empty()
        assert "left behind" in caplog.text
        assert bus.counts["one"].dropped == 3

    def test_all_hang_in_the_time_of_one(self, running, monkeypatch):
        monkeypatch.setattr(bus_module, "_GRACE_S", 0.05)
        sinks = [Told(str(i), wants=(Answer,)) for i in range(4)]
        asked = []
        for sink in sinks:
            sink.go.clear()
        bus = running(*sinks)
        bus.push(answer("a"))
        for sink in sinks:
            assert sink.entered.wait(DEADLINE_S)
        for runner in bus._runners:
            runner.stop = lambda until_s, stop=runner.stop: (asked.append(until_s), stop(until_s))
        monkeypatch.setattr(bus_module, "_LAST_CLOSE_S", 0.01)
        bus.close()
        assert len(asked) == 4
        assert len(set(asked)) == 1

    def test_what_never_started_can_be_closed_and_what_is_closed_again(self):
        bus = Bus([Told()], status)
        bus.close()
        bus.close()
