"""The baselines by name, each with one interface: fit on clips, then score clips.

A score is higher for live; its scale is the baseline's own, and :mod:`train.calibration` makes ratios of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.cues import CueSettings
from edge.endpoint import LOOK_BACK_SAMPLES, loudest_window
from train.baselines import f70_hz

__all__ = ["BASELINES", "Baseline", "Examples", "fit_baseline", "judged_audio"]

Audio = Sequence[npt.NDArray[np.int16]]
BASELINES = ("majority", "f70", "void", "lfcc-gmm")


@dataclass(frozen=True, slots=True)
class Examples:
    """What a baseline is fitted on.

    Attributes
    ----------
    audio : sequence of (n,) int16
        What is judged of each clip, 16 kHz.
    live : (clips,) bool
    talkers : (clips,) str
        Clips of one talker are kept together when clips are divided.
    """

    audio: Audio
    live: npt.NDArray[np.bool_]
    talkers: npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A fitted baseline.

    Attributes
    ----------
    score : callable
        Takes the audio of clips, returns ``(clips,) float64``.
    record : dict
        What was chosen or fixed, as plain data.
    """

    score: Callable[[Audio], npt.NDArray[np.float64]]
    record: dict[str, Any]


def judged_audio(clips: dict[str, np.ndarray], cues: CueSettings) -> list[npt.NDArray[np.int16]]:
    """Return what the liveness network would judge of looked-back audio: its loudest window.

    Every baseline gets this and no more, so that what it is compared on is what it makes of the same evidence. Void was
    published for whole utterances; a wake word lasts about as long as this window.
    """
    out = []
    for samples, size in zip(clips["audio"], clips["audio_size"], strict=True):
        heard = samples[LOOK_BACK_SAMPLES - size :]
        span = loudest_window(heard, cues.window_samples)
        out.append(heard[span.start : span.stop])
    return out


def fit_baseline(name: str, examples: Examples, *, seed: int, components: int = 64) -> Baseline:
    """Fit a baseline.

    Parameters
    ----------
    name : str
        One of :data:`BASELINES`.
    examples : Examples
        Of the train split.
    seed : int
    components : int
        Gaussians a class of ``lfcc-gmm``.

    Raises
    ------
    ValueError
        If there is no such baseline.
    DataError
        If a class is empty, or there are too few talkers or frames.
    """
    if name == "majority":
        return _majority(examples)
    if name == "f70":
        cues = CueSettings()
        return Baseline(
            lambda audio: np.array([-f70_hz(samples, cues) for samples in audio]), {"fitted": "nothing", "unit": "-Hz"}
        )
    if name == "void":
        from train.void_svm import fit_void_svm

        classifier, record = fit_void_svm(examples.audio, examples.live, examples.talkers, seed=seed)
        return Baseline(classifier, record)
    if name == "lfcc-gmm":
        from train.lfcc_gmm import fit_lfcc_gmm

        classifier, record = fit_lfcc_gmm(examples.audio, examples.live, components=components, seed=seed)
        return Baseline(classifier, record)
    raise ValueError(f"no baseline {name!r}; known are {', '.join(BASELINES)}")


def _majority(examples: Examples) -> Baseline:
    """Answer what was more frequent in training, whatever is heard: chance, made visible."""
    live = int(examples.live.sum())
    score = float(np.sign(2 * live - examples.live.size))
    return Baseline(
        lambda audio: np.full(len(audio), score),
        {"live": live, "replay": int(examples.live.size - live), "score": score},
    )
