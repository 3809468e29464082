"""The envelopes of the decay of power, of many curves."""

import numpy as np
import pytest

from edge.errors import DataError
from edge.void import VoidSettings
from train.decay_envelopes import decay_reference, envelope, nearer_is_right

VOID = VoidSettings()
POINTS = VOID.segments + 1


def curves(n: int, power: float, seed: int = 1) -> np.ndarray:
    """Return curves that rise early (a small power) or late, each a little differently."""
    powers = power * np.random.default_rng(seed).uniform(0.9, 1.1, n)
    return np.linspace(0, 1, POINTS) ** powers[:, None]


def talkers(n: int) -> list[str]:
    return [f"t{i % 10}" for i in range(n)]


def test_an_envelope_has_a_tenth_below_and_a_tenth_above():
    made = envelope(np.linspace(0, 1, 101)[:, None] * np.linspace(0, 1, POINTS))
    np.testing.assert_allclose([made.low[-1], made.middle[-1], made.high[-1]], [0.1, 0.5, 0.9])
    assert made.clips == 101


def test_each_class_has_its_own():
    both = np.concatenate((curves(40, 0.5), curves(30, 2.0)))
    live = np.arange(70) < 40
    made = decay_reference(both, live, talkers(70), VOID, source="made up")
    assert (made.live.clips, made.replay.clips) == (40, 30)
    assert (made.live.low[1:-1] > made.replay.high[1:-1]).all()
    assert (made.live_right, made.replay_right) == (1.0, 1.0)


def test_curves_that_do_not_differ_are_not_told_apart():
    both = np.concatenate((curves(500, 1.0, 1), curves(500, 1.0, 2)))
    live = np.arange(1000) < 500
    right = nearer_is_right(both, live, talkers(1000))
    assert sum(right) / 2 == pytest.approx(0.5, abs=0.05)


def test_a_talker_is_not_judged_by_curves_of_his_own():
    # Most live clips are of one talker, who is nearer to the replays than to the other people.
    both = np.concatenate((curves(30, 1.3, 3), curves(10, 0.5), curves(20, 2.0)))
    live = np.arange(60) < 40
    names = ["odd"] * 30 + talkers(10) + talkers(20)
    assert nearer_is_right(both, live, names)[0] == 0.25


def test_silence_is_left_out():
    both = np.concatenate((curves(30, 0.5), curves(30, 2.0), np.zeros((5, POINTS))))
    made = decay_reference(both, np.arange(65) < 30, talkers(65), VOID, source="made up")
    assert (made.live.clips, made.replay.clips) == (30, 30)
    assert made.replay.low[-1] == 1.0


@pytest.mark.parametrize(("live", "told"), [(10, "got 10 live clips"), (50, "got 10 replay clips")])
def test_too_few_clips_are_refused(live, told):
    with pytest.raises(DataError, match=told):
        decay_reference(curves(60, 1.0), np.arange(60) < live, talkers(60), VOID, source="made up")


def test_one_talker_alone_is_refused():
    with pytest.raises(DataError, match="got 1 talkers"):
        nearer_is_right(curves(40, 1.0), np.arange(40) < 20, ["one"] * 40)
