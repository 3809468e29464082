"""Differences between two networks on the same clips: int8 and float, ours and another's.

Both are resampled together, talker by talker: what both find hard drops out, and the interval is of the difference.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from train.clip import Clip
from train.metrics import equal_error_rate, paired_interval

__all__ = ["error_differences", "hit_difference", "recall_differences"]

_ROUNDS = 300
AS_THEY_ARE = "as_they_are"
"""The recordings without any condition."""

Mask = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.floating]


def hit_difference(one: Mask, other: Mask, labels: Sequence[str], talkers: Sequence[str]) -> dict[str, Any]:
    """Return how much more one detector hears than another, each word with the same weight.

    Parameters
    ----------
    one, other : (n,) bool
        Which clips each heard.
    labels, talkers : sequence of str
        The word and the talker of each clip.

    Returns
    -------
    dict
        ``difference`` (of the mean recalls, from -1 to 1), ``interval_95`` over talkers; ``one_only`` and
        ``other_only``: clips that only one of them heard; ``clips``.
    """
    word = np.asarray(labels)
    apart = one.astype(np.float64) - other.astype(np.float64)

    def mean(chosen: npt.NDArray[np.intp]) -> float:
        drawn, words = apart[chosen], word[chosen]
        return float(np.mean([drawn[words == label].mean() for label in np.unique(words)]))

    return {
        "difference": mean(np.arange(apart.size)),
        "interval_95": list(paired_interval(mean, [talkers])),
        "one_only": int(np.sum(one & ~other)),
        "other_only": int(np.sum(other & ~one)),
        "clips": int(apart.size),
    }


def recall_differences(
    one: Mapping[str, Any], other: Mapping[str, Any], said: Sequence[Clip]
) -> dict[str, dict[str, Any]]:
    """Return the difference of the mean recalls of two reports of one split, in every condition.

    Parameters
    ----------
    one, other : mapping
        As :func:`train.wake_evaluation.evaluate_wake` returns them.
    said : sequence of Clip
        The recordings of words that both heard.

    Returns
    -------
    dict
        By condition, and for the recordings ``as_they_are``, what :func:`hit_difference` returns.

    Raises
    ------
    DataError
        If one was measured in other conditions than the other: then nothing can be said of their difference.
    """
    parts = [{AS_THEY_ARE: report, **report.get("conditions", {})} for report in (one, other)]
    if apart := sorted(parts[0].keys() ^ parts[1].keys()):
        raise DataError(
            f"conditions: got {', '.join(apart)} of one of two reports, expected the same of both; measure both alike"
        )

    def heard(report: Mapping[str, Any]) -> Mask:
        missed = set(report["missed"])
        return np.array([clip.path not in missed for clip in said], bool)

    words, talkers = [clip.word for clip in said], [clip.talker for clip in said]
    return {name: hit_difference(heard(parts[0][name]), heard(parts[1][name]), words, talkers) for name in parts[0]}


def error_differences(
    one: Scores, other: Scores, live: Mask, clusters: Sequence[Sequence[str]], slices: Mapping[str, Mask]
) -> dict[str, dict[str, Any]]:
    """Return the difference of the equal error rates of two scorings of the same clips, in every slice of both classes.

    Parameters
    ----------
    one, other : (n,) float
        Scores, higher for live.
    live : (n,) bool
    clusters : sequence of sequences of str
        Talkers, and loudspeakers: see :func:`train.metrics.paired_interval`.
    slices : mapping
        ``(n,) bool`` by name; slices of one class are left out.

    Returns
    -------
    dict
        By slice ``difference`` (positive: the first errs more) and ``interval_95``.
    """
    found = {}
    for name, chosen in slices.items():
        mouths = live[chosen]
        if not mouths.any() or mouths.all():
            continue
        first, second = one[chosen], other[chosen]

        def apart(
            drawn: npt.NDArray[np.intp], mouths: Mask = mouths, first: Scores = first, second: Scores = second
        ) -> float:
            is_live = mouths[drawn]
            if not is_live.any() or is_live.all():
                return float("nan")
            rates = [equal_error_rate(s[drawn][is_live], s[drawn][~is_live]) for s in (first, second)]
            return rates[0] - rates[1]

        ways = [[name for name, use in zip(way, chosen, strict=True) if use] for way in clusters]
        found[name] = {
            "difference": apart(np.arange(mouths.size)),
            "interval_95": list(paired_interval(apart, ways, rounds=_ROUNDS)),
        }
    return found
