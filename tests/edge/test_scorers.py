"""Whole sources scored by one stage: what is looked at, and that one source leaves nothing to the next."""

import numpy as np
import pytest

from edge.bundle import open_bundle
from edge.endpoint import LOOK_BACK_SAMPLES, loudest_stretch, loudest_window
from edge.errors import AudioError
from edge.scorers import LivenessScorer, WakeScorer

RATE = 16_000
WINDOW = RATE


class Blocks:
    """A source of the blocks of an array, which may break in the end."""

    name = "blocks"
    native_rate_hz = RATE

    def __init__(self, samples, block=512, *, breaks=False):
        self._samples, self._block, self._breaks = samples, block, breaks

    def blocks(self):
        for at in range(0, self._samples.size, self._block):
            yield self._samples[at : at + self._block]
        if self._breaks:
            raise AudioError("blocks: cut short")


def bursts(*moments, seconds=8.0, seed=0):
    """Return a quiet room in which noise of 0.5 s sounds, each ``(start_s, level)``."""
    rng = np.random.default_rng(seed)
    out = rng.normal(0, 10, round(seconds * RATE))
    for start_s, level in moments:
        at = round(start_s * RATE)
        piece = out[at : at + RATE // 2]
        piece += rng.normal(0, level, piece.size)
    return np.rint(out).clip(-32_768, 32_767).astype(np.int16)


@pytest.fixture(scope="module")
def bundle():
    return open_bundle()


@pytest.mark.parametrize("block", [1, 160, 777, 16_000, 10**6])
@pytest.mark.parametrize("seconds", [0.3, 1.2, 2.05, 2.3, 5.0])
def test_the_stretch_does_not_depend_on_the_blocks(block, seconds):
    samples = bursts((0.1, 500), (1.4, 900), (3.7, 2_000), seconds=seconds)
    expected, n = loudest_stretch([samples], WINDOW)
    got, m = loudest_stretch(Blocks(samples, block).blocks(), WINDOW)
    assert n == m == samples.size
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("at_s", np.arange(0.0, 7.5, 0.31))
def test_the_stretch_holds_the_loudest_window_and_what_came_before(at_s):
    samples = bursts((at_s, 3_000), (7.0 - at_s if abs(7.0 - 2 * at_s) > 2 else 0.0, 300))
    stretch, _ = loudest_stretch(Blocks(samples).blocks(), WINDOW)
    loudest = loudest_window(samples, WINDOW)
    energy = np.sum(samples[loudest.start : loudest.stop].astype(np.float64) ** 2)
    span = loudest_window(stretch, WINDOW)
    found = np.sum(stretch[span.start : span.stop].astype(np.float64) ** 2)
    assert found == pytest.approx(energy, rel=1e-3)
    # As much as a detection looks back on, unless the sound begins or ends there.
    starts = np.flatnonzero(np.all(np.lib.stride_tricks.sliding_window_view(samples, 400) == stretch[:400], axis=1))
    (start,) = starts
    assert stretch.size == min(LOOK_BACK_SAMPLES, start + stretch.size)
    np.testing.assert_array_equal(samples[start : start + stretch.size], stretch)


def test_an_offset_does_not_hide_the_loudest_moment():
    samples = bursts((5.0, 300))
    shifted = samples + np.int16(8_000)
    expected, _ = loudest_stretch([samples], WINDOW)
    got, _ = loudest_stretch([shifted], WINDOW)
    np.testing.assert_array_equal(got - np.int16(8_000), expected)


def test_without_a_sample_liveness_is_unsure(bundle):
    found = LivenessScorer(bundle).score(Blocks(np.zeros(0, np.int16)))
    assert found["seconds"] == 0
    assert found["decision"] == "unsure"
    assert found["reasons"] == ["silent", "too_short"]


def test_a_fault_of_the_source_is_passed_on(bundle):
    source = Blocks(bursts((1.0, 900)), breaks=True)
    for scorer in (LivenessScorer(bundle), WakeScorer(bundle)):
        with pytest.raises(AudioError, match="cut short"):
            scorer.score(source)


def test_nothing_is_left_of_the_source_before(bundle):
    loud, soft = (Blocks(bursts((2.0, level), seed=level)) for level in (9_000, 400))
    for kind in (LivenessScorer, WakeScorer):
        scorer = kind(bundle)
        fresh = scorer.score(soft)
        scorer.score(loud)
        assert scorer.score(soft) == fresh
        with pytest.raises(AudioError):
            scorer.score(Blocks(bursts((2.0, 9_000)), breaks=True))
        assert scorer.score(soft) == fresh
