"""Figures of durations: percentiles, jitter, histograms, and ratios with their intervals."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["BINS_PER_DECADE", "MOST_REPETITIONS", "Ratio", "bootstrap_ratio", "described", "histogram", "summary"]

MOST_REPETITIONS = 1000
"""More are not made, and not read: what is drawn of them takes memory."""

BINS_PER_DECADE = 20
"""Bins of a histogram for every factor of 10."""

_SEED = 1
_RESAMPLES = 2000


class Ratio(NamedTuple):
    """How many times as long something takes, with the range in which that lies with 95 % confidence."""

    ratio: float
    low: float
    high: float


def summary(durations_ns: npt.ArrayLike) -> dict[str, float | int]:
    """Describe durations.

    Parameters
    ----------
    durations_ns : (n,) array_like
        In the order in which they were measured, ns; at least one.

    Returns
    -------
    dict
        ``n``; ``mean_us``, ``p50_us``, ``p95_us``, ``p99_us``, ``max_us``; and ``jitter_us``, the mean difference
        between a duration and the next one (without its sign), as RFC 3550 means the word.
    """
    us = np.asarray(durations_ns, np.float64) / 1e3
    p50, p95, p99 = np.percentile(us, (50, 95, 99))
    jitter = float(np.abs(np.diff(us)).mean()) if us.size > 1 else 0.0
    figures = {"mean_us": us.mean(), "p50_us": p50, "p95_us": p95, "p99_us": p99, "max_us": us.max()}
    return {"n": int(us.size), **{name: round(float(value), 3) for name, value in figures.items()}, "jitter_us": round(
        jitter, 3
    )}  # fmt: skip


def histogram(durations_ns: npt.ArrayLike) -> dict[str, Any]:
    """Count durations in bins of equal width on a logarithmic scale.

    Parameters
    ----------
    durations_ns : (n,) array_like
        At least one, ns.

    Returns
    -------
    dict
        ``first_bin``, an integer *b*: the first bin begins at ``10 ** (b / BINS_PER_DECADE)`` us; and ``counts``.
    """
    us = np.maximum(np.asarray(durations_ns, np.float64), 1.0) / 1e3
    bins = np.floor(np.log10(us) * BINS_PER_DECADE).astype(np.int64)
    first = int(bins.min())
    return {"first_bin": first, "counts": np.bincount(bins - first).tolist()}


def described(parts_ns: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Describe durations of several repetitions: what :func:`summary` says of all, and what each by itself was.

    Parameters
    ----------
    parts_ns : sequence of sequences of int
        Those of each repetition, ns; at least one each.

    Returns
    -------
    dict
        :func:`summary`, ``p50_us_of_repetitions`` (the median of each), and ``histogram`` (:func:`histogram`).
    """
    every = np.concatenate(parts_ns)
    medians = [round(float(np.median(part)) / 1e3, 3) for part in parts_ns]
    return {**summary(every), "p50_us_of_repetitions": medians, "histogram": histogram(every)}


def bootstrap_ratio(first: Sequence[float], second: Sequence[float]) -> Ratio:
    """Compare two machines: the median of `second` by that of `first`, over the repetitions of either.

    Repetitions are resampled and not single calls, which depend on each other. What differs from one run of the
    benchmark to the next, such as where memory was laid, no resampling can know.

    Parameters
    ----------
    first, second : sequence of float
        A figure of every repetition, above 0; at least one each.
    """
    draw = np.random.default_rng(_SEED)
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    medians_a = np.median(draw.choice(a, (_RESAMPLES, a.size)), axis=1)
    medians_b = np.median(draw.choice(b, (_RESAMPLES, b.size)), axis=1)
    low, high = np.percentile(medians_b / medians_a, (2.5, 97.5))
    return Ratio(float(np.median(b) / np.median(a)), float(low), float(high))
