"""Cut-offs and calibration, fitted on the dev split with the device's own stages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import scipy.optimize

from edge.sensitivity import log_odds, moved_by
from train.metrics import checked_scores
from train.wake_traces import Trace, count_detections

__all__ = [
    "Calibration",
    "ChooseCutoffs",
    "WordCutoff",
    "choose_common_cutoff",
    "choose_word_cutoffs",
    "fit_calibration",
    "fit_platt",
    "quantile_cutoff",
]

_LOWEST_CUTOFF = 0.5
_HIGHEST_CUTOFF = 0.998
_MARGIN = 0.002
_NO_GAIN = 1e-9
_LOG_ODDS_STEP = 0.05


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
    # The best way to spend each budget on the words so far: a false accept that gains nothing by itself may be the way
    # to the next one that does. Of two ways that hear as much the cheaper one counts.
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for of_word in options:
        wider: dict[int, tuple[float, tuple[int, ...]]] = {}
        for spent, (recall, chosen) in best.items():
            for more, option in enumerate(of_word):
                total, reached = spent + more, recall + option.recall
                if total <= false_accepts and (total not in wider or reached > wider[total][0] + _NO_GAIN):
                    wider[total] = reached, (*chosen, more)
        best = wider
    cheapest = max(sorted(best), key=lambda spent: (round(best[spent][0] / _NO_GAIN), -spent))
    return [of_word[more] for of_word, more in zip(options, best[cheapest][1], strict=True)]


class ChooseCutoffs(Protocol):
    """A way to choose the cut-offs of words: :func:`choose_word_cutoffs`, or another one."""

    def __call__(
        self,
        positives: Sequence[Sequence[Trace]],
        background: Sequence[Trace],
        *,
        refractory_s: float,
        false_accepts: int,
    ) -> list[WordCutoff]:
        """See :func:`choose_word_cutoffs`."""


def choose_common_cutoff(
    positives: Sequence[Sequence[Trace]],
    background: Sequence[Trace],
    *,
    refractory_s: float,
    false_accepts: int,
    margin: float = 0.0,
) -> list[WordCutoff]:
    """Choose one cut-off for all words: the lowest that spends no more than a budget of false accepts.

    For scores that mean the same whichever word they are of. A few hours of background say little of each word by
    itself, and more of all together.

    Parameters
    ----------
    positives, background, refractory_s, false_accepts
        See :func:`choose_word_cutoffs`.
    margin : float
        How far the log-odds are then moved up.
    """

    def counts(cutoff: float) -> list[int]:
        return [count_detections(background, word, cutoff, refractory_s) for word in range(len(positives))]

    odds = 0.0
    while sum(counts(moved_by(_LOWEST_CUTOFF, odds))) > false_accepts and odds < log_odds(_HIGHEST_CUTOFF):
        odds += _LOG_ODDS_STEP
    cutoff = moved_by(_LOWEST_CUTOFF, odds + margin)
    chosen = []
    for clips, false in zip(positives, counts(cutoff), strict=True):
        hits = [trace.scores[:, len(chosen)].max(initial=0.0) > cutoff for trace in clips]
        chosen.append(WordCutoff(cutoff, float(np.mean(hits)) if hits else 0.0, len(hits), false))
    return chosen


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


@dataclass(frozen=True, slots=True)
class Calibration:
    """Makes log-likelihood ratios of scores, whatever their scale."""

    slope: float
    offset: float

    def ratios(self, scores: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return log-likelihood ratios, natural logarithm, positive for live, ``(n,)``."""
        return self.slope * np.asarray(scores, np.float64) + self.offset


def fit_calibration(live: npt.NDArray[np.floating], replay: npt.NDArray[np.floating]) -> Calibration:
    """Fit the log-likelihood ratio as a straight line of the score: :func:`fit_platt`, for scores of any scale.

    With both classes equally likely a priori, Platt's log-odds are log-likelihood ratios. His search begins at a slope
    of 1, which suits logits; hertz or log-likelihoods are brought to unit spread first.

    Parameters
    ----------
    live, replay : (n,) float
        Finite scores, higher for live.

    Raises
    ------
    DataError
        If a class is empty or a score is not finite.
    """
    one, other = checked_scores(live, replay)
    pooled = np.concatenate((one, other))
    middle, spread = float(pooled.mean()), float(pooled.std())
    if spread <= 1e-12 * max(1.0, abs(middle)):
        # Scores that are all the same say nothing.
        return Calibration(0.0, 0.0)
    slope, offset = fit_platt((one - middle) / spread, (other - middle) / spread)
    return Calibration(slope / spread, offset - slope * middle / spread)


def quantile_cutoff(live: npt.NDArray[np.floating], refused: float) -> float:
    """Return the cut-off below which this share of the live scores lies."""
    return float(np.quantile(live, refused))
