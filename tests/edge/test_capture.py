"""The capture: order, gaps, opening again, and an end in time, with a source that the test holds in its hands."""

import queue
import threading
import time

import numpy as np
import pytest

from edge import capture as module
from edge.capture import Block, Capture, Ended, Gap, Lost, Nothing, Opened
from edge.errors import AudioError
from edge.health import Health

PATIENCE_S = 20.0
END = object()


class Tape:
    """A source that yields what the test puts in; exceptions are raised, END ends it."""

    name = "tape"
    native_rate_hz = 48_000

    def __init__(self, *, live, endless=True):
        self.live, self.endless = live, endless
        self.overflows = 0
        self.waiting = queue.Queue()
        self.opened = 0
        self.closed = 0
        self.yielded = 0

    def blocks(self):
        self.opened += 1
        try:
            while (item := self.waiting.get()) is not END:
                if isinstance(item, Exception):
                    raise item
                self.yielded += 1
                yield item
        finally:
            self.closed += 1

    def put(self, *items):
        for item in items:
            self.waiting.put(item)


def block(first, size=512):
    return np.arange(first, first + size).astype(np.int16)


class Waits:
    """In place of waiting: what was asked for is kept, and the time passes at once."""

    def __init__(self):
        self.asked = []

    def __call__(self, event, timeout_s):
        self.asked.append(timeout_s)
        return event.is_set()


@pytest.fixture
def started():
    made = []

    def start(*, live=True, endless=True, **options):
        tape = Tape(live=live, endless=endless)
        capture = Capture(tape, health=Health(), **options)
        made.append((tape, capture))
        return tape, capture

    yield start
    for tape, capture in made:
        tape.put(END, END, END)
        capture.close()


def take(capture):
    item = capture.take(PATIENCE_S)
    assert not isinstance(item, Nothing), "nothing came"
    return item


def until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_blocks_come_in_order_after_what_opened_and_are_not_copied(started):
    tape, capture = started()
    assert tape.opened == 0
    first, second = block(0), block(512)
    tape.put(first, second)
    assert take(capture) == Opened("tape", 48_000)
    assert take(capture).samples is first
    assert take(capture).samples is second
    assert capture.take(0.01) == Nothing()


def test_an_end_is_the_last_that_comes(started):
    tape, capture = started(live=False, endless=False)
    tape.put(block(0), END)
    assert [type(take(capture)) for _ in range(3)] == [Opened, Block, Ended]
    assert capture.take(0.05) == Nothing()
    assert (tape.opened, tape.closed) == (1, 1)


def test_what_a_slow_consumer_loses_is_the_oldest_and_stands_as_one_gap(started, monkeypatch):
    monkeypatch.setattr(module, "_HELD_SAMPLES", 4 * 512)
    tape, capture = started(live=True)
    health = capture._health
    tape.put(block(0))
    assert isinstance(take(capture), Opened)
    tape.put(*(block(512 * i) for i in range(1, 10)))
    until(lambda: tape.waiting.empty() and health.dropped_samples >= 6 * 512)
    gap = take(capture)
    assert isinstance(gap, Gap)
    assert gap.lost_samples == 6 * 512 == health.dropped_samples
    np.testing.assert_array_equal(
        np.concatenate([take(capture).samples for _ in range(4)]), np.arange(6 * 512, 10 * 512)
    )
    assert health.queue_s == 0
    # And what comes then joins.
    tape.put(block(0))
    assert isinstance(take(capture), Block)


def test_lost_sound_and_a_lost_source_keep_their_order(started, monkeypatch):
    monkeypatch.setattr(module, "_HELD_SAMPLES", 2 * 512)
    tape, capture = started(live=True, wait=Waits())
    tape.put(block(0))
    take(capture)
    tape.put(block(0), block(0), AudioError("gone"), block(0), block(0))
    until(lambda: tape.waiting.empty() and capture._health.dropped_samples == 3 * 512)
    items = [take(capture) for _ in range(5)]
    assert [type(item) for item in items] == [Gap, Lost, Opened, Block, Block]
    assert items[0].lost_samples == 3 * 512


def test_a_source_that_can_wait_waits_and_loses_nothing(started, monkeypatch):
    monkeypatch.setattr(module, "_WAITING_SAMPLES", 3 * 512)
    tape, capture = started(live=False, endless=False)
    tape.put(*(block(512 * i) for i in range(20)), END)
    take(capture)
    until(lambda: tape.yielded >= 4)
    time.sleep(0.05)
    assert tape.yielded <= 5
    heard = []
    while isinstance(item := take(capture), Block):
        heard.append(item.samples)
    assert isinstance(item, Ended)
    np.testing.assert_array_equal(np.concatenate(heard), np.arange(20 * 512))
    assert capture._health.dropped_samples == 0


def test_a_source_that_fails_is_tried_again_ever_less_often(started):
    waits = Waits()
    tape, capture = started(wait=waits)
    tape.put(*(AudioError(f"fault {i}") for i in range(9)), block(0))
    lost = [take(capture) for _ in range(9)]
    assert [(item.reason, item.attempt) for item in lost] == [(f"fault {i}", i + 1) for i in range(9)]
    assert [item.next_in_s for item in lost] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30] == waits.asked
    assert isinstance(take(capture), Opened)
    assert capture._health.reopens == 9
    assert tape.closed == 9


@pytest.mark.parametrize(("steady_s", "next_in_s"), [(0.0, 0.5), (1e9, 2.0)])
def test_what_was_heard_for_a_while_is_tried_again_soon_and_what_flaps_is_not(
    started, monkeypatch, steady_s, next_in_s
):
    monkeypatch.setattr(module, "_STEADY_S", steady_s)
    tape, capture = started(wait=Waits())
    tape.put(AudioError("a"), AudioError("b"), block(0), AudioError("c"))
    items = [take(capture) for _ in range(5)]
    assert [type(item) for item in items] == [Lost, Lost, Opened, Block, Lost]
    assert (items[-1].attempt, items[-1].next_in_s) == (1, next_in_s)


def test_the_end_of_an_endless_source_is_a_fault(started):
    tape, capture = started(wait=Waits())
    tape.put(block(0), END, block(1))
    items = [take(capture) for _ in range(5)]
    assert [type(item) for item in items] == [Opened, Block, Lost, Opened, Block]
    assert items[2].reason == "tape: ended"


def test_whatever_a_driver_raises_is_outlived_and_told_with_where_it_was(started, caplog):
    tape, capture = started(wait=Waits())
    tape.put(ZeroDivisionError("of all things"), block(0))
    assert take(capture).reason == "tape: ZeroDivisionError: of all things"
    assert isinstance(take(capture), Opened)
    assert caplog.records[0].exc_info


def test_overflows_of_all_openings_are_counted(started):
    tape, capture = started(wait=Waits())
    for _ in range(2):
        tape.overflows += 2
        tape.put(block(0))
        take(capture), take(capture)
        tape.overflows += 1
        tape.put(block(0), AudioError("gone"))
        take(capture), take(capture)
    assert capture._health.overflows == 6


def test_closing_ends_a_wait_between_two_attempts(started):
    tape, capture = started()
    tape.put(*(AudioError("gone") for _ in range(3)))
    take(capture), take(capture)
    began = time.monotonic()
    capture.close()
    assert not capture._thread.is_alive()
    assert time.monotonic() - began < module._CLOSE_S


def test_closing_closes_the_source(started):
    tape, capture = started(live=False)
    tape.put(*(block(0) for _ in range(100)))
    take(capture)
    capture.close()
    assert tape.closed == 1
    assert not capture._thread.is_alive()


def test_a_source_that_hangs_is_left_behind(started):
    tape, capture = started()
    tape.put(block(0))
    take(capture)
    closing = threading.Thread(target=capture.close)
    closing.start()
    closing.join(PATIENCE_S)
    assert not closing.is_alive()
    assert capture._thread.is_alive()


def test_one_that_was_never_asked_needs_no_closing():
    Capture(Tape(live=True), health=Health()).close()
