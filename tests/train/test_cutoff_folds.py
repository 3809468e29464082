"""Cut-offs are judged on talkers and streams that they were not chosen on."""

import numpy as np
import pytest

from train.cutoff_folds import out_of_fold
from train.wake_traces import Trace

WORDS = ("alexa", "jarvis")


def trace(first, second=0.0, seconds=3.0):
    """Return a trace in which each word scores once."""
    return Trace(np.array([[first, second]], np.float32), 0.03, seconds)


def folded(positives, talkers, background, streams, per_hour=0.5):
    return out_of_fold(WORDS, positives, talkers, background, streams, refractory_s=1.0, per_hour=per_hour)


def test_a_stream_is_counted_at_cutoffs_that_were_chosen_without_it():
    """One stream sounds more like the word than the others: chosen with it, no cut-off would let it through."""
    background = [trace(score, seconds=3600.0) for score in (0.6, 0.6, 0.9, 0.6)]
    positives = [[trace(0.8)] * 8, [trace(0.0, 0.95)] * 8]
    talkers = [[f"t{n}" for n in range(8)]] * 2
    found = folded(positives, talkers, background, ["a", "b", "c", "d"], per_hour=0.0)
    assert found["folds"] == 4
    assert (found["false_accepts"]["count"], found["false_accepts"]["hours"]) == (1, 4.0)
    assert found["false_accepts"]["per_hour"] == 0.25
    assert found["false_accepts"]["upper_95_per_hour"] > 0.25
    # Three folds of two talkers have the stream of 0.9 among those that are chosen by, and miss the word at 0.8.
    assert found["recall"] == {"alexa": 0.25, "jarvis": 1.0}
    assert found["mean_recall"]["rate"] == pytest.approx(0.625)
    assert found["mean_recall"]["clips"] == 16


def test_a_stream_at_another_speed_is_held_out_with_it():
    background = [trace(score, seconds=3600.0) for score in (0.9, 0.9, 0.9, 0.6, 0.6, 0.6)]
    positives = [[trace(0.8)] * 4, [trace(0.0, 0.95)] * 4]
    talkers = [[f"t{n}" for n in range(4)]] * 2
    found = folded(positives, talkers, background, ["a"] * 3 + ["b"] * 3, per_hour=0.0)
    assert found["folds"] == 2
    # Had one speed stayed, the cut-off would have risen above the two others.
    assert found["false_accepts"]["count"] == 3


def test_a_talker_does_not_choose_for_itself():
    """A false accept is spent only if it gains recall, and that of the one who is held out does not count."""
    background = [trace(0.7, seconds=3600.0), trace(0.7, seconds=3600.0)]
    positives = [[trace(0.95), trace(0.6)], [trace(0.0, 0.95)] * 2]
    found = folded(positives, [["a", "b"]] * 2, background, ["x", "y"], per_hour=1.0)
    # Without b nothing is gained below 0.7, and b is missed; without a, b has it lowered, and a is heard.
    assert found["recall"]["alexa"] == 0.5
    assert found["false_accepts"]["count"] == 1


def test_few_are_no_folds():
    assert folded([[trace(0.9)], []], [["a"], []], [trace(0.1)] * 2, ["x", "y"]) is None
    assert folded([[trace(0.9)] * 2, []], [["a", "b"], []], [trace(0.1)], ["x"]) is None
    assert folded([[trace(0.9)] * 2, []], [["a", "b"], []], [], []) is None
