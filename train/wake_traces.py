"""Scores of words over time, computed by the device's own stages.

A trace is what a cut-off is chosen on: unlike a list of detections it does not depend on one. Where a verifier decides,
its score stands at the moment of each candidate, and 0 everywhere else.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr

from edge.bundle import Bundle
from edge.noise_floor import between_noise
from edge.sample_time import SAMPLE_RATE_HZ
from edge.stages import HEARS_NOTHING, NEVER, candidate_hearing, hearing, verifying
from train.corpus import Clip, read_clip
from train.simulator.levels import to_int16

__all__ = [
    "BACKGROUND_SPEEDS",
    "Trace",
    "at_background_speeds",
    "count_detections",
    "in_noise_floor",
    "trace",
    "wake_trace",
]

BACKGROUND_SPEEDS = (0.88, 1.0, 1.13)
"""Speeds at which the long-form streams of dev are heard when cut-offs are chosen: as if by three voices each."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Scores of every word over a recording."""

    scores: npt.NDArray[np.float32]
    """``(runs, words)``."""
    step_s: float
    """Time between two rows, s."""
    seconds: float
    """Length of the recording, s."""


def at_background_speeds(clip: Clip) -> Iterator[npt.NDArray[np.int16]]:
    """Return a recording, 16 kHz, at each of :data:`BACKGROUND_SPEEDS` in turn."""
    for speed in BACKGROUND_SPEEDS:
        yield to_int16(soxr.resample(read_clip(clip), SAMPLE_RATE_HZ, round(SAMPLE_RATE_HZ * speed)))


def in_noise_floor(clip: Clip) -> npt.NDArray[np.int16]:
    """Put a clip between stretches of noise at its own noise floor (never digital zeros).

    The floor is the level of the quietest moments of the clip (5th percentile of 10 ms frames), between -80 and
    -50 dB re full scale; the noise is a fixed function of the clip's path.
    """
    return to_int16(between_noise(read_clip(clip), list(clip.path.encode())))


def trace(bundle: Bundle, samples: npt.NDArray[np.int16], *, runtime: str | None = None) -> Trace:
    """Run all that hears words over samples, and record the scores that are compared with the cut-offs of words."""
    verifier = verifying(bundle, [HEARS_NOTHING] * len(bundle.words), runtime)
    if verifier is None:
        return wake_trace(bundle, samples, runtime=runtime)
    frontend, stage = candidate_hearing(bundle, verifier, runtime)
    step, looks = bundle.wake.stride_frames * frontend.settings.step_samples, []
    for at in range(0, samples.size, frontend.settings.step_samples):
        hop = samples[at : at + frontend.settings.step_samples]
        for hit in stage.push(frontend.push(hop)):
            verifier.offer(hit.word, frontend.settings.heard_samples(hit.frame))
        looks += verifier.push(hop)
    scores = np.zeros((samples.size // step + 1, len(bundle.words)), np.float32)
    for look in looks + verifier.finish():
        scores[look.at // step, look.word] = look.score
    return Trace(scores, step / SAMPLE_RATE_HZ, samples.size / SAMPLE_RATE_HZ)


def wake_trace(bundle: Bundle, samples: npt.NDArray[np.int16], *, runtime: str | None = None) -> Trace:
    """Run frontend and wake stage over samples, and record the scores after every run of the network."""
    frontend, stage = hearing(bundle, [NEVER] * len(bundle.words), runtime)
    rows = []
    for at in range(0, samples.size, SAMPLE_RATE_HZ):
        for row in frontend.push(samples[at : at + SAMPLE_RATE_HZ]):
            before = stage.runs
            stage.push(row[None])
            if stage.runs != before:
                rows.append(stage.scores.astype(np.float32))
    step_s = bundle.wake.stride_frames * frontend.settings.step_ms / 1000
    scores = np.stack(rows) if rows else np.zeros((0, len(bundle.words)), np.float32)
    return Trace(scores, step_s, samples.size / SAMPLE_RATE_HZ)


def count_detections(traces: Iterable[Trace], word: int, cutoff: float, refractory_s: float) -> int:
    """Count how often the score of a word rises above a cut-off, with the refractory time of the device."""
    total = 0
    for one in traces:
        above = np.flatnonzero(one.scores[:, word] > cutoff)
        last = -np.inf
        for at in above:
            if (at - last) * one.step_s > refractory_s:
                total += 1
                last = at
    return total
