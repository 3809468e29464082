"""Cut-offs and calibration, fitted on the dev split with the device's own stages."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.optimize

from train.wake_traces import Trace, count_detections

__all__ = ["WordCutoff", "choose_word_cutoffs", "fit_platt", "quantile_cutoff"]

_LOWEST_CUTOFF = 0.5
_HIGHEST_CUTOFF = 0.998
_MARGIN = 0.002


@dataclass(frozen=True, slots=True)
class WordCutoff:
    """The cut-off of one word, and what it did on the recordings that it was chosen on."""

    cutoff: float
    recall: float
    clips: int
    false_accepts: int


def _options(
    word: int, positives: Sequence[Trace], background: Sequence[Trace], refractory_s: float, most: int
) -> list[WordCutoff]:
    """Return the lowest cut-off for each number of false accepts from 0 to ``most``."""
    best = np.array([trace.scores[:, word].max(initial=0.0) for trace in positives])
    grid = np.unique(
        np.clip(
            np.concatenate(
                [
                    [_LOWEST_CUTOFF],
                    *(trace.scores[trace.scores[:, word] > _LOWEST_CUTOFF, word] for trace in background),
                ]
            )
            + _MARGIN,
            _LOWEST_CUTOFF,
            _HIGHEST_CUTOFF,
        )
    )
    options: list[WordCutoff] = []
    for allowed in range(most + 1):
        # False accepts fall as the cut-off rises, but for the refractory time: bisection finds the edge.
        low, high = 0, grid.size - 1
        while low < high:
            middle = (low + high) // 2
            if count_detections(background, word, float(grid[middle]), refractory_s) <= allowed:
                high = middle
            else:
                low = middle + 1
        cutoff = float(grid[low])
        recall = float(np.mean(best > cutoff)) if best.size else 0.0
        options.append(WordCutoff(cutoff, recall, best.size, count_detections(background, word, cutoff, refractory_s)))
    return options


def choose_word_cutoffs(
    positives: Sequence[Sequence[Trace]],
    background: Sequence[Trace],
    *,
    refractory_s: float,
    false_accepts: int,
) -> list[WordCutoff]:
    """Spend a budget of false accepts where it buys the most recall.

    Parameters
    ----------
    positives : sequence of sequences of Trace
        For each word, traces of its recordings.
    background : sequence of Trace
        Recordings that hold none of the words.
    refractory_s : float
        Refractory time of the device, s.
    false_accepts : int
        How many there may be over all words and the whole background.
    """
    options = [_options(w, clips, background, refractory_s, false_accepts) for w, clips in enumerate(positives)]
    spent = [0] * len(options)
    for _ in range(false_accepts):
        gains = [
            (o[s + 1].recall - o[s].recall if s + 1 < len(o) else 0.0) for o, s in zip(options, spent, strict=True)
        ]
        best = int(np.argmax(gains))
        if gains[best] <= 0:
            break
        spent[best] += 1
    return [o[s] for o, s in zip(options, spent, strict=True)]


def fit_platt(live: npt.NDArray[np.floating], replay: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Fit probability = sigmoid(slope * logit + offset), both classes equally likely a priori.

    Parameters
    ----------
    live, replay : (n,) float
        Outputs of the network.

    Returns
    -------
    slope, offset : float

    References
    ----------
    J. Platt, "Probabilistic outputs for support vector machines", 1999; with class weights for equal priors.
    """

    def loss(parameters: npt.NDArray[np.float64]) -> float:
        slope, offset = parameters
        return float(
            np.mean(np.logaddexp(0, -(slope * live + offset))) + np.mean(np.logaddexp(0, slope * replay + offset))
        )

    found = scipy.optimize.minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead")
    return float(found.x[0]), float(found.x[1])


def quantile_cutoff(live: npt.NDArray[np.floating], refused: float) -> float:
    """Return the cut-off below which this share of the live scores lies."""
    return float(np.quantile(live, refused))
