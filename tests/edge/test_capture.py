"""A source in a thread of its own: order, losses, failures, and closing."""

import logging
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from edge import capture
from edge.capture import Block, Capture, Ended, Gap, Idle, Item, Lost, Nothing, Opened
from edge.errors import AudioError
from edge.health import Health
from edge.live import SoundLost, WordHeard

LONG_S = 20.0
"""A deadline that no test reaches unless something is wrong."""


class Scripted:
    """A source whose openings are written down: each is a list of blocks, faults to raise, and callables."""

    name = "scripted"
    native_rate_hz = 48_000

    def __init__(self, *openings: list[object], live: bool = True, endless: bool = True) -> None:
        self.openings = list(openings)
        self.live, self.endless = live, endless
        self.overflows = 0
        self.closed = 0
        self._given: list[Iterator[np.ndarray]] = []

    def blocks(self) -> Iterator[np.ndarray]:
        self._given.append(self._blocks())  # kept, so that it is not closed by being forgotten
        return self._given[-1]

    def _blocks(self) -> Iterator[np.ndarray]:
        opening = self.openings.pop(0) if self.openings else [AudioError("nothing is there")]
        try:
            for one in opening:
                if isinstance(one, Exception):
                    raise one
                if callable(one):
                    one()
                else:
                    yield one
        finally:
            self.closed += 1


class Waits:
    """Waits for no time, and remembers for how long it should have; the last one is for the end."""

    def __init__(self, times: int) -> None:
        self.asked: list[float] = []
        self._times = times

    def __call__(self, closing: threading.Event, seconds: float) -> bool:
        self.asked.append(seconds)
        return closing.wait(LONG_S) if len(self.asked) >= self._times else closing.is_set()


@pytest.fixture
def begin() -> Iterator[Callable[..., Capture]]:
    running: list[Capture] = []

    def make(source: Scripted, **options: object) -> Capture:
        options.setdefault("health", Health())
        running.append(Capture(source, **options))
        return running[-1]

    yield make
    for one in running:
        one.close()


def items(capture: Capture, n: int) -> list[Item]:
    found = [capture.take(LONG_S) for _ in range(n)]
    assert not any(isinstance(one, Nothing) for one in found), found
    return found


def ones(n: int, value: int = 1) -> np.ndarray:
    return np.full(n, value, np.int16)


def test_blocks_come_in_order_after_the_name_and_are_not_copied(begin):
    first, second = ones(320, 1), ones(100, 2)
    took = begin(Scripted([first, second], live=False, endless=False))
    opened, one, two, ended = items(took, 4)
    assert opened == Opened("scripted", 48_000)
    assert one.samples is first
    assert two.samples is second
    assert ended == Ended()


def test_nothing_is_opened_before_the_first_take(begin):
    source = Scripted([ones(3)])
    begin(source)
    assert len(source.openings) == 1


def test_a_consumer_that_waits_in_vain_is_told_so(begin):
    hold = threading.Event()
    took = begin(Scripted([hold.wait]))
    assert took.take(0.01) == Nothing()
    hold.set()


class TestFailures:
    def test_time_doubles_up_to_the_longest(self, begin):
        waits = Waits(9)
        health = Health()
        took = begin(Scripted(), wait=waits, health=health)
        lost = items(took, 9)
        assert [one.next_in_s for one in lost] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
        assert [one.attempt for one in lost] == list(range(1, 10))
        assert lost[0].reason == "nothing is there"
        assert waits.asked == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
        assert health.reopens == 8

    def test_steady_sound_begins_with_the_first_time_again(self, begin, monkeypatch):
        monkeypatch.setattr(capture, "_STEADY_S", 0.0)
        gone = AudioError("gone")
        took = begin(Scripted([gone], [gone], [gone], [ones(3), gone]), wait=Waits(5))
        found = items(took, 7)
        assert [type(one) for one in found] == [Lost, Lost, Lost, Opened, Block, Lost, Lost]
        assert [(one.attempt, one.next_in_s) for one in found if isinstance(one, Lost)] == [
            (1, 0.5), (2, 1.0), (3, 2.0), (1, 0.5), (2, 1.0),
        ]  # fmt: skip

    def test_sound_that_fails_at_once_goes_on_doubling(self, begin):
        # A device that gives a block and fails, again and again, is not opened twice a second for ever.
        gone = AudioError("gone")
        took = begin(Scripted(*([ones(3), gone] for _ in range(4))), wait=Waits(4))
        lost = [one for one in items(took, 12) if isinstance(one, Lost)]
        assert [(one.attempt, one.next_in_s) for one in lost] == [(1, 0.5), (1, 1.0), (1, 2.0), (1, 4.0)]

    def test_an_end_without_a_fault_is_opened_soon_again(self, begin):
        took = begin(Scripted(*([ones(3)] for _ in range(4))), wait=Waits(4))
        lost = [one for one in items(took, 12) if isinstance(one, Lost)]
        assert [(one.reason, one.next_in_s) for one in lost] == [("scripted: ended", 0.5)] * 4

    def test_whatever_a_source_raises_is_survived_and_its_trace_told_once(self, begin, caplog):
        faults = [[ZeroDivisionError("of all things")] for _ in range(3)]
        took = begin(Scripted(*faults, [ones(3)]), wait=Waits(4))
        found = items(took, 5)
        assert [type(one) for one in found] == [Lost, Lost, Lost, Opened, Block]
        assert found[0].reason == "scripted: ZeroDivisionError: of all things"
        assert [record.levelname for record in caplog.records] == ["ERROR"]

    def test_what_has_an_end_is_read_again_when_it_fails(self, begin):
        source = Scripted([ones(3), AudioError("torn")], [ones(3)], live=False, endless=False)
        assert [type(one) for one in items(begin(source, wait=Waits(2)), 6)] == [
            Opened, Block, Lost, Opened, Block, Ended,
        ]  # fmt: skip

    def test_every_opening_is_closed(self, begin):
        source = Scripted([ones(3), AudioError("gone")], [ValueError("x")], [ones(3)])
        took = begin(source, wait=Waits(3))
        items(took, 6)
        took.close()
        assert source.closed == 3


class TestSlowConsumer:
    def test_live_sound_gives_way_from_its_oldest_and_a_gap_stands_for_it(self, begin, monkeypatch):
        monkeypatch.setattr(capture, "_HELD_SAMPLES", 1000)
        done = threading.Event()
        health = Health()
        took = begin(Scripted([*(ones(100, i) for i in range(25)), done.set, done.wait]), health=health)
        took.take(0.0)  # begins; it may be that Opened is there already
        assert done.wait(LONG_S)
        heard: list[int] = []
        gaps: list[Gap] = []
        while not isinstance(item := took.take(0.05), Nothing):
            if isinstance(item, Gap):
                assert not heard
                gaps.append(item)
            elif isinstance(item, Block):
                heard.append(int(item.samples[0]))
        # What is kept is the newest, the gap is one, and it is as long as what is not there.
        assert heard == list(range(15, 25))
        assert [gap.lost_samples for gap in gaps] == [1500]
        assert gaps[0].reason
        assert health.dropped_samples == 1500

    def test_a_word_whose_sound_gave_way_is_gone_too(self, begin, monkeypatch):
        monkeypatch.setattr(capture, "_HELD_SAMPLES", 300)
        done = threading.Event()
        word = WordHeard("a", 1.0)
        opening = [ones(100, 1), word, ones(100, 2), word, *(ones(100, i) for i in (3, 4)), WordHeard("b", 1.0)]
        took = begin(Scripted([*opening, ones(100, 5), done.set, done.wait]))
        took.take(0.0)
        assert done.wait(LONG_S)
        found: list[Item] = []
        while not isinstance(item := took.take(0.05), Nothing):
            found.append(item)
        assert [item.word for item in found if isinstance(item, WordHeard)] == ["b"]
        assert [item.lost_samples for item in found if isinstance(item, Gap)] == [200]

    def test_sound_that_the_source_lost_is_a_gap(self, begin):
        took = begin(Scripted([ones(3), SoundLost(7, "cut"), ones(4)], live=False, endless=False))
        assert [type(item) for item in items(took, 5)] == [Opened, Block, Gap, Block, Ended]

    def test_places_hold_when_a_loss_lies_between(self, begin, monkeypatch):
        monkeypatch.setattr(capture, "_HELD_SAMPLES", 300)
        done = threading.Event()
        source = Scripted(
            [ones(100, 1), ones(100, 2), AudioError("gone")],
            [*(ones(100, i) for i in range(3, 7)), done.set, done.wait],
        )
        took = begin(source, wait=Waits(2))
        took.take(0.0)
        assert done.wait(LONG_S)
        found: list[Item] = []
        while not isinstance(item := took.take(0.05), Nothing):
            found.append(item)
            if isinstance(item, Lost) and item.reason == "scripted: ended":
                break
        kinds = [type(one) for one in found]
        assert kinds.index(Gap) < kinds.index(Lost) < len(kinds) - 1 - kinds[::-1].index(Opened)
        assert sum(one.lost_samples for one in found if isinstance(one, Gap)) == 300
        assert [int(one.samples[0]) for one in found if isinstance(one, Block)] == [4, 5, 6]

    def test_a_file_waits(self, begin, monkeypatch):
        monkeypatch.setattr(capture, "_WAITING_SAMPLES", 300)
        given = []
        script: list[object] = []
        for i in range(50):
            script += [ones(100, i), lambda i=i: given.append(i)]
        health = Health()
        took = begin(Scripted(script, live=False, endless=False), health=health)
        (opened,) = items(took, 1)
        assert isinstance(opened, Opened)
        deadline = time.monotonic() + LONG_S
        while health.queue_s < 300 / 16_000 and time.monotonic() < deadline:
            time.sleep(0.001)
        assert len(given) <= 3
        found = items(took, 51)
        assert [int(one.samples[0]) for one in found[:-1]] == list(range(50))
        assert health.dropped_samples == 0
        assert health.queue_s == 0.0


def test_an_empty_block_says_that_the_source_waits_and_is_told_once(begin):
    done = threading.Event()
    took = begin(Scripted([ones(0), ones(0), ones(0), done.set, ones(3)], endless=False))
    took.take(0.0)
    assert done.wait(LONG_S)
    found = [one for one in items(took, 3) if not isinstance(one, Idle)]
    assert isinstance(found[0], Opened)
    assert isinstance(found[1], Block) or len(found) == 2


def test_only_idle_comes_while_there_is_no_sound(begin):
    go_on = threading.Event()
    took = begin(Scripted([ones(0), go_on.wait, ones(3)]))
    assert items(took, 1) == [Idle()]
    go_on.set()
    assert [type(one) for one in items(took, 2)] == [Opened, Block]


def test_overflows_are_counted_over_openings(begin):
    source = Scripted(live=True)

    def overflow() -> None:
        source.overflows += 2

    source.openings = [[ones(3), overflow, AudioError("gone")], [overflow, ones(3), AudioError("gone")]]
    health = Health()
    took = begin(source, wait=Waits(2), health=health)
    items(took, 6)
    assert health.overflows == 4


class TestClosing:
    def test_a_source_that_hangs_is_left_behind(self, begin, caplog, monkeypatch):
        monkeypatch.setattr(capture, "_CLOSE_S", 0.1)
        caplog.set_level(logging.INFO)
        hold = threading.Event()
        took = begin(Scripted([hold.wait, ones(3)]))
        took.take(0.01)
        took.close()
        assert "left behind" in caplog.text
        hold.set()

    def test_it_does_not_wait_for_the_next_attempt(self, begin):
        took = begin(Scripted())
        items(took, 1)
        took.close()
        assert not took._thread.is_alive()

    def test_a_file_that_waits_for_its_consumer_is_closed(self, begin, monkeypatch):
        monkeypatch.setattr(capture, "_WAITING_SAMPLES", 10)
        source = Scripted([ones(100) for _ in range(5)], live=False, endless=False)
        took = begin(source)
        items(took, 2)
        took.close()
        assert not took._thread.is_alive()
        assert source.closed == 1

    def test_one_that_never_began_is_closed_and_so_is_one_twice(self, begin):
        took = begin(Scripted())
        took.close()
        took.close()
