"""The device's count of samples beside the daemon's."""

import pytest

from firmware_bridge.link_clock import LinkClock, Placed


@pytest.fixture
def clock():
    one = LinkClock()
    assert one.place(1000, 320, 0.0, anew=True) == Placed(0, 0, 0)
    return one


def test_what_follows_joins(clock):
    assert clock.place(1320, 320, 0.0, anew=False) == Placed(0, 0, 320)
    assert clock.position == 640
    assert [clock.device_index(at) for at in (0, 639, 10_000)] == [1000, 1639, 11_000]


def test_what_is_missing_counts(clock):
    assert clock.place(1420, 320, 0.0, anew=False) == Placed(100, 0, 420)
    assert clock.device_index(420) == 1420


def test_what_comes_again_is_known(clock):
    assert clock.place(1100, 320, 0.0, anew=False) == Placed(0, 220, 320)
    assert clock.place(1000, 320, 0.0, anew=False) == Placed(0, 320, 420)
    assert clock.position == 420


@pytest.mark.parametrize(("index", "now_s"), [(1000 + 320 + 31 * 16_000, 0.0), (1 << 63, 3600.0)])
def test_a_count_that_cannot_be_is_another_one(clock, index, now_s):
    assert clock.place(index, 320, now_s, anew=False) == Placed(0, 0, 320)
    assert (clock.device_index(320), clock.device_index(319)) == (index, 1319)


def test_an_hour_without_sound_is_an_hour(clock):
    assert clock.place(1320 + 3600 * 16_000, 320, 3600.0, anew=False).lost == 3600 * 16_000


def test_a_device_that_starts_anew_may_be_ahead_or_behind(clock):
    assert clock.place(5000, 320, 0.0, anew=True) == Placed(0, 0, 320)
    assert clock.place(0, 320, 0.0, anew=True) == Placed(0, 0, 640)
    assert [clock.device_index(at) for at in (319, 320, 640)] == [1319, 5000, 0]


def test_each_word_is_answered_once_and_none_before_it_was_heard(clock):
    clock.heard(5000, 6000, "a")
    clock.heard(5100, 6100, "b")
    assert clock.answered(4999) is None
    assert clock.answered(6600) == (6000, "a")
    assert clock.answered(6700) == (6100, "b")
    assert clock.answered(6700) is None


def test_a_word_without_an_answer_is_none_of_the_next_one(clock):
    clock.heard(5000, 6000, "muted")
    clock.heard(50_000, 51_000, "b")
    assert clock.answered(51_600) == (51_000, "b")


def test_when_a_sample_came():
    clock = LinkClock()
    assert clock.came_s(5) is None
    for n in range(100):
        clock.came(1000 + 320 * n, 10.0 + 0.02 * n)
    assert clock.came_s(1000) == clock.came_s(0) == 10.0
    for index in (2000, 20_000, 32_000):
        came_s = 10.0 + 0.02 * ((index - 1000) // 320)
        assert came_s - 0.26 < clock.came_s(index) <= came_s
    # After a start of the device the same indices are of another count.
    clock.came(0, 20.0)
    assert clock.came_s(1500) == 20.0
    # One that is far off hides none.
    clock.came(10**12, 21.0)
    clock.came(5000, 21.1)
    assert clock.came_s(6000) == 21.1
