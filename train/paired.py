"""How far systems are from one of them on the same examples; without TensorFlow."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from train.metrics import paired_interval

__all__ = ["paired_differences"]


def paired_differences(
    scores: Mapping[str, npt.NDArray[np.floating]],
    base: str,
    error: Callable[[npt.NDArray[Any], npt.NDArray[np.intp]], float],
    clusters: Sequence[Sequence[str]],
    *,
    rounds: int = 500,
) -> dict[str, dict[str, Any]]:
    """Tell how far the error of each system is from that of the base, with an interval.

    Parameters
    ----------
    scores : mapping
        By system, what it says of the examples, ``(examples, ...)``.
    base : str
        The system that the others are compared with.
    error : callable
        Takes such scores and the indices of examples; a rate from 0 to 1, NaN where there is none.
    clusters : sequence of sequences of str
        As :func:`train.metrics.paired_interval` takes them: both systems are judged on the same resamples.
    rounds : int
        Resamples.

    Returns
    -------
    dict
        By system, without the base, ``points`` (percentage points; negative is better than the base) and
        ``interval_95``.
    """
    everything = np.arange(len(clusters[0]))
    found: dict[str, dict[str, Any]] = {}
    for name, said in scores.items():
        if name == base:
            continue

        def difference(chosen: npt.NDArray[np.intp], one: npt.NDArray[Any] = said) -> float:
            present = np.unique(chosen).size > 1
            return error(one, chosen) - error(scores[base], chosen) if present else float("nan")

        low, high = paired_interval(difference, clusters, rounds=rounds)
        found[name] = {"points": 100 * difference(everything), "interval_95": [100 * low, 100 * high]}
    return found
