"""Several frontends and stages as one: whose word it was, and when."""

import numpy as np
import pytest

from edge.frontend import Frontend
from edge.frontend_tables import FrontendSettings
from edge.hearing import Ear, Hearing, Listener
from edge.wake import WakeDetection


class Stage:
    """Hears its words in turn, one every few frames."""

    def __init__(self, words, every):
        self.max_scores = np.arange(words) / 10 + 0.1
        self._words, self._every = words, every
        self.frames = self.resets = 0

    def push(self, features):
        found = []
        for _ in range(len(features)):
            self.frames += 1
            if self.frames % self._every == 0:
                word = self.frames // self._every % self._words
                found.append(WakeDetection(word, 0.9, self.frames - 1))
        return found

    def reset(self):
        self.frames = 0
        self.resets += 1


def hearing():
    stages = Stage(2, 10), Stage(1, 15), Stage(1, 11)
    slow, fast = (Frontend(FrontendSettings(step_ms=step)) for step in (20, 10))
    ears = [
        Ear(slow, (Listener(stages[0], ("a", "b")),)),
        Ear(fast, (Listener(stages[1], ("c",)), Listener(stages[2], ("d",)))),
    ]
    return Hearing(ears), stages


def test_words_are_found_in_order_of_time():
    both, _ = hearing()
    found = both.push(np.zeros(16_000, np.int16))
    moments = [heard.decided for heard in found]
    assert moments == sorted(moments)
    assert both.words == ("a", "b", "c", "d")
    for word, frames, step in (("a", [19, 39], 320), ("b", [9, 29], 320), ("c", [14, 29, 44, 59, 74, 89], 160)):
        assert [heard.decided for heard in found if heard.word == word] == [480 + step * frame for frame in frames]
    assert {heard.word for heard in found} == set("abcd")


def test_scores_are_named():
    assert hearing()[0].max_scores == {"a": 0.1, "b": 0.2, "c": 0.1, "d": 0.1}


@pytest.mark.parametrize("steps", [(10,), (10, 20), (10, 15), (7, 10)])
def test_a_hop_holds_one_moment(steps):
    one = Hearing([Ear(Frontend(FrontendSettings(step_ms=step)), ()) for step in steps])
    settings = [FrontendSettings(step_ms=step) for step in steps]
    moments = sorted({each.heard_samples(frame) for each in settings for frame in range(200)})
    assert one.hop_samples == np.diff(moments).min()
    assert one.delay_samples == 480 + 16 * max(steps)


def test_reset_reaches_everything():
    both, stages = hearing()
    sound = np.random.default_rng(0).normal(0, 900, 5_000).astype(np.int16)
    first = both.push(sound)
    assert first
    both.reset()
    assert [stage.resets for stage in stages] == [1, 1, 1]
    assert both.push(sound) == first
