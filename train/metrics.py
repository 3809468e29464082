"""Figures of merit, each with an interval.

Names follow ISO/IEC 30107-3: BPCER is the share of live users who are refused, APCER the share of replays
that are accepted. Clips of one talker are not independent, so intervals come from resampling talkers, not
clips.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import scipy.stats

__all__ = ["cluster_interval", "equal_error_rate", "error_rates", "poisson_upper", "rate_interval"]

Scores = npt.NDArray[np.floating]


def error_rates(live: Scores, replay: Scores, cutoff: float) -> tuple[float, float]:
    """Return BPCER and APCER when scores from ``cutoff`` on are accepted."""
    return float(np.mean(live < cutoff)), float(np.mean(replay >= cutoff))


def equal_error_rate(live: Scores, replay: Scores) -> float:
    """Return the error rate at which as many live users are refused as replays are accepted.

    The two empirical rates are step functions and may not meet; the mean of both where they come closest is
    returned.

    Parameters
    ----------
    live, replay : (n,) float
        Scores, higher for live.

    Raises
    ------
    ValueError
        If a class is empty.
    """
    if not live.size or not replay.size:
        raise ValueError(f"got {live.size} live and {replay.size} replay scores, expected some of both")
    cutoffs = np.unique(np.concatenate((live, replay, [np.inf])))
    refused = np.searchsorted(np.sort(live), cutoffs, side="left") / live.size
    accepted = 1.0 - np.searchsorted(np.sort(replay), cutoffs, side="left") / replay.size
    at = int(np.argmin(np.abs(refused - accepted)))
    return float((refused[at] + accepted[at]) / 2)


def cluster_interval(
    statistic: Callable[[npt.NDArray[np.intp]], float],
    clusters: Sequence[Sequence[str]],
    *,
    rounds: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Bootstrap an interval by resampling clusters, independently in each way of clustering.

    Parameters
    ----------
    statistic : callable
        Takes indices of observations (with repetition) and returns the figure.
    clusters : sequence of sequences of str
        For each way of clustering (talker; loudspeaker) the cluster of every observation.
    rounds, seed, level
        Resamples, seed, and the level of the percentile interval.

    Notes
    -----
    With two ways of clustering an observation is drawn as often as the product of its clusters'
    multiplicities (Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007).
    """
    rng = np.random.default_rng(seed)
    coded = [np.unique(np.asarray(way), return_inverse=True) for way in clusters]
    values = []
    for _ in range(rounds):
        weight = np.ones(len(clusters[0]), np.int64)
        for names, index in coded:
            times = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
            weight *= times[index]
        chosen = np.repeat(np.arange(weight.size), weight)
        if chosen.size:
            value = statistic(chosen)
            if np.isfinite(value):
                values.append(value)
    if not values:
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    low, high = np.quantile(values, (tail, 1 - tail))
    return float(low), float(high)


def rate_interval(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson interval of a proportion; it treats observations as independent."""
    if n == 0:
        return float("nan"), float("nan")
    interval = scipy.stats.binomtest(hits, n).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def poisson_upper(count: int, hours: float, level: float = 0.95) -> float:
    """Return the exact upper bound of a rate per hour after ``count`` events."""
    return float(scipy.stats.chi2.ppf(level, 2 * (count + 1)) / 2 / hours)
