"""Shares with their 95 % intervals, as the benchmarks of the guard and of the memory give them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from train.metrics import cluster_interval, rate_interval

__all__ = ["share"]


def share(hits: npt.NDArray[np.bool_], ways: Sequence[Sequence[str]] = ()) -> dict[str, Any]:
    """Return how often something happened.

    Parameters
    ----------
    hits : (n,) bool
    ways : sequence of sequences of str
        For each way of clustering (talker; loudspeaker) the cluster of every observation: they are resampled.

    Returns
    -------
    dict
        ``of``, ``hits``, ``share``, ``interval_95``: by resampling clusters, and not narrower than Wilson's, which
        alone is left where all observations agree.
    """
    count, n = int(hits.sum()), int(hits.size)
    low, high = rate_interval(count, n)
    if ways and 0 < count < n:
        between = cluster_interval(lambda chosen: float(hits[chosen].mean()), ways)
        low, high = min(low, between[0]), max(high, between[1])
    return {
        "of": n,
        "hits": count,
        "share": round(count / n, 4) if n else None,
        "interval_95": [round(low, 4), round(high, 4)] if n else None,
    }
