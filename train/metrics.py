"""Error rates, equal error rates and DET points of scores, and intervals.

Names follow ISO/IEC 30107-3: BPCER is the share of live users who are refused, APCER the share of replays
that are accepted. Scores are higher for live, and a score at the cut-off is accepted. Clips of one talker are not
independent, so intervals come from resampling talkers, not clips.

What probabilities are worth is in :mod:`train.likelihood_ratios`, what errors cost in :mod:`train.detection_cost`.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.stats

from edge.errors import DataError

__all__ = [
    "checked_scores",
    "cluster_interval",
    "det_points",
    "equal_error_rate",
    "error_rates",
    "paired_interval",
    "poisson_upper",
    "rate_interval",
    "rocch_equal_error_rate",
]

Scores = npt.NDArray[np.floating]
Floats = npt.NDArray[np.float64]

_SAME = 1e-12
"""Differences of rates that are no farther apart than this are one."""


def checked_scores(live: Scores, replay: Scores, *, infinite: bool = False) -> tuple[Floats, Floats]:
    """Return both classes as float64, if figures can be made of them.

    Parameters
    ----------
    live, replay : (n,) float
        Scores, higher for live.
    infinite : bool
        Allow infinite values: a likelihood ratio may be sure.

    Raises
    ------
    DataError
        If a class is empty, is not one-dimensional, or holds what is not a number.
    """
    one, other = np.asarray(live, np.float64), np.asarray(replay, np.float64)
    if not one.size or not other.size:
        raise DataError(f"got {one.size} live and {other.size} replay scores, expected some of both; give more clips")
    for name, scores in (("live", one), ("replay", other)):
        if scores.ndim != 1:
            raise DataError(f"{name} scores: got an array of shape {scores.shape}, expected (n,); flatten it")
        bad = int(np.count_nonzero(np.isnan(scores) if infinite else ~np.isfinite(scores)))
        if bad:
            raise DataError(
                f"{name} scores: {bad} of {scores.size} are not {'numbers' if infinite else 'finite numbers'}; "
                "correct what made them"
            )
    return one, other


def error_rates(live: Scores, replay: Scores, cutoff: float) -> tuple[float, float]:
    """Return BPCER and APCER when scores from ``cutoff`` on are accepted.

    Raises
    ------
    DataError
        If a class is empty or holds what is not a number.
    """
    one, other = checked_scores(live, replay, infinite=True)
    return float(np.mean(one < cutoff)), float(np.mean(other >= cutoff))


def det_points(live: Scores, replay: Scores) -> tuple[Floats, Floats, Floats]:
    """Return the two error rates at every cut-off that makes a difference: the steps of the DET curve.

    Parameters
    ----------
    live, replay : (n,) float
        Finite scores, higher for live.

    Returns
    -------
    cutoffs : (k,) float64
        Every score that occurs, ascending, and infinity, at which nobody is accepted.
    bpcer, apcer : (k,) float64
        Rates from 0 to 1 when scores from the cut-off on are accepted; the first rises from 0 to 1, the second falls
        from 1 to 0.

    Raises
    ------
    DataError
        If a class is empty or a score is not finite.
    """
    one, other = checked_scores(live, replay)
    cutoffs = np.unique(np.concatenate((one, other, [np.inf])))
    bpcer = np.searchsorted(np.sort(one), cutoffs, side="left") / one.size
    apcer = 1.0 - np.searchsorted(np.sort(other), cutoffs, side="left") / other.size
    return cutoffs, bpcer, apcer


def equal_error_rate(live: Scores, replay: Scores) -> float:
    """Return the error rate at which as many live users are refused as replays are accepted: the plain crossing.

    The two empirical rates are step functions and may not meet; the mean of both where they come closest is
    returned. This is what ASVspoof's evaluation computes, and what ``eer`` is in every result file;
    :func:`rocch_equal_error_rate` is the other definition.

    Parameters
    ----------
    live, replay : (n,) float
        Scores, higher for live.

    Raises
    ------
    DataError
        If a class is empty or a score is not finite.
    """
    _, bpcer, apcer = det_points(live, replay)
    at = int(np.argmin(np.abs(bpcer - apcer)))
    return float((bpcer[at] + apcer[at]) / 2)


def rocch_equal_error_rate(live: Scores, replay: Scores) -> float:
    """Return the equal error rate on the convex hull of the ROC.

    The hull holds what a choice between two cut-offs by chance reaches, so that the rates meet exactly, and the figure
    never exceeds 50 % [1]_.

    Parameters
    ----------
    live, replay : (n,) float
        Scores, higher for live.

    Raises
    ------
    DataError
        If a class is empty or a score is not finite.

    References
    ----------
    .. [1] N. Brümmer and E. de Villiers, "The BOSARIS Toolkit: theory, algorithms and code for surviving the new DCF",
       arXiv:1304.2865, 2013.
    """
    _, bpcer, apcer = det_points(live, replay)
    hull: list[tuple[float, float]] = []
    # From (0, 1) to (1, 0); a corner stays as long as the turn at it is to the left (Andrew's monotone chain).
    for x, y in zip(bpcer.tolist(), apcer.tolist(), strict=True):
        while len(hull) >= 2:
            (ax, ay), (bx, by) = hull[-2:]
            if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                break
            hull.pop()
        hull.append((x, y))
    for (ax, ay), (bx, by) in pairwise(hull):
        if bx >= by:  # the first edge that reaches the diagonal
            share = (ay - ax) / ((ay - ax) + (bx - by))
            return float(ax + share * (bx - ax))
    raise AssertionError("the hull ends at (1, 0), beyond the diagonal")


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


def paired_interval(
    difference: Callable[[npt.NDArray[np.intp]], float],
    clusters: Sequence[Sequence[str]],
    *,
    rounds: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Bootstrap an interval of the difference of two rates on the same observations, as :func:`cluster_interval` does.

    Where all resamples have the same difference, most often none, resampling would claim certainty. What is known
    then is that no cluster of those seen departs from the others; the interval has what as many more allow.

    Parameters
    ----------
    difference : callable
        Takes indices of observations (with repetition) and returns the difference, from -1 to 1.
    clusters, rounds, seed, level
        As of :func:`cluster_interval`.

    Notes
    -----
    None of `k` clusters departs: the share of those that do is at most ``1 - tail ** (1 / k)``, exactly (Clopper and
    Pearson, Biometrika 1934; about ``3.7 / k`` for 95 % on both sides), and theirs may be any difference. A cluster
    counts as its share of the clusters, and `k` is of the way that has the fewest.
    """
    low, high = cluster_interval(difference, clusters, rounds=rounds, seed=seed, level=level)
    if not high - low < _SAME:
        return low, high
    apart = 1 - ((1 - level) / 2) ** (1 / min(len(set(way)) for way in clusters))
    return (1 - apart) * low - apart, (1 - apart) * high + apart


def rate_interval(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson interval of a proportion; it treats observations as independent."""
    if n == 0:
        return float("nan"), float("nan")
    interval = scipy.stats.binomtest(hits, n).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def poisson_upper(count: int, hours: float, level: float = 0.95) -> float:
    """Return the exact upper bound of a rate per hour after ``count`` events."""
    return float(scipy.stats.chi2.ppf(level, 2 * (count + 1)) / 2 / hours)
