"""What the way to choose cut-offs gives on talkers and streams that it did not see: cross-fitting over dev.

The recall and the false accepts that a choice is made by flatter it. Here some talkers and some long-form streams at a
time are held out, cut-offs are chosen on the others, and what they do on those is counted. The network is that which is
given: it was trained on other talkers anyway, and is not trained again.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from train.calibration import ChooseCutoffs, choose_word_cutoffs
from train.metrics import cluster_interval, poisson_upper, rate_interval
from train.wake_traces import Trace, count_detections

__all__ = ["out_of_fold"]

_MOST_FOLDS = 4


def out_of_fold(
    words: Sequence[str],
    positives: Sequence[Sequence[Trace]],
    talkers: Sequence[Sequence[str]],
    background: Sequence[Trace],
    streams: Sequence[str],
    *,
    refractory_s: float,
    per_hour: float,
    choose: ChooseCutoffs = choose_word_cutoffs,
) -> dict[str, Any] | None:
    """Return recall and false accepts at cut-offs that were chosen without the talkers and streams they are counted on.

    Parameters
    ----------
    words : sequence of str
        Ids, in the order of the scores.
    positives : sequence of sequences of Trace
        For each word, traces of its recordings.
    talkers : sequence of sequences of str
        Who speaks in each.
    background : sequence of Trace
        Recordings that hold none of the words.
    streams : sequence of str
        Which recording each is of: one at other speeds is held out with it.
    refractory_s : float
        Refractory time of the device, s.
    per_hour : float
        False accepts an hour that each choice may spend on its part of the background.
    choose : callable, optional
        Chooses, as :func:`train.calibration.choose_word_cutoffs` does.

    Returns
    -------
    dict or None
        ``folds``; ``recall`` by word and ``mean_recall`` (``rate``, ``interval_95`` over talkers, ``clips``);
        ``false_accepts``: ``count``, ``hours``, ``per_hour``, ``stated_per_hour``, ``upper_95_per_hour`` (Poisson;
        the same stream at another speed counts as another one). None where there are not two talkers and two streams.
    """
    people = sorted({one for some in talkers for one in some})
    heard = sorted(set(streams))
    folds = min(_MOST_FOLDS, len(people), len(heard))
    if folds < 2:
        return None
    rng = np.random.default_rng(0)
    fold_of = {name: at % folds for some in (people, heard) for at, name in enumerate(rng.permutation(some).tolist())}
    hits = [np.zeros(len(some), bool) for some in positives]
    false = 0
    for fold in range(folds):
        fitted = [trace for trace, name in zip(background, streams, strict=True) if fold_of[name] != fold]
        held_out = [trace for trace, name in zip(background, streams, strict=True) if fold_of[name] == fold]
        chosen = choose(
            [
                [trace for trace, one in zip(some, who, strict=True) if fold_of[one] != fold]
                for some, who in zip(positives, talkers, strict=True)
            ],
            fitted,
            refractory_s=refractory_s,
            false_accepts=int(per_hour * sum(trace.seconds for trace in fitted) / 3600),
        )
        for word, choice in enumerate(chosen):
            false += count_detections(held_out, word, choice.cutoff, refractory_s)
            for at, (trace, one) in enumerate(zip(positives[word], talkers[word], strict=True)):
                if fold_of[one] == fold:
                    hits[word][at] = trace.scores[:, word].max(initial=0.0) > choice.cutoff
    hours = sum(trace.seconds for trace in background) / 3600
    return {
        "folds": folds,
        "recall": {word: float(some.mean()) for word, some in zip(words, hits, strict=True) if some.size},
        "mean_recall": _mean_recall(hits, talkers),
        "false_accepts": {
            "count": false,
            "hours": round(hours, 3),
            "per_hour": false / hours,
            "stated_per_hour": per_hour,
            "upper_95_per_hour": poisson_upper(false, hours),
        },
    }


def _mean_recall(hits: Sequence[npt.NDArray[np.bool_]], talkers: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return the mean of the recalls of the words, each with the same weight."""
    label = np.repeat(np.arange(len(hits)), [some.size for some in hits])
    every = np.concatenate(hits)

    def mean(chosen: npt.NDArray[np.intp]) -> float:
        drawn, words = every[chosen], label[chosen]
        return float(np.mean([drawn[words == word].mean() for word in np.unique(words)]))

    low, high = (
        cluster_interval(mean, [[one for some in talkers for one in some]])
        if every.any() and not every.all()
        else rate_interval(int(every.sum()), every.size)
    )
    return {"rate": mean(np.arange(every.size)), "interval_95": [low, high], "clips": int(every.size)}
