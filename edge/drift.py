"""Whether what a device hears has changed: distributions against a reference, and a sequential test.

Every figure is looked at by its *rank*: the share of the reference that is lower, equal ones counted half. As long as
nothing changes the ranks have the mean 1/2, whatever the figure is; in general their mean is the probability that a
figure of today is above one of the reference. Ranks are between 0 and 1, which is all that the test needs to know.

* :func:`psi` is the population stability index over the last answers, for people. It is about
  ``(1/n + 1/m) chi2(bins - 1)`` where nothing changed (Yurdakul and Naranjo, 2020), far from 0 for small windows, so
  that the customary limits of 0.1 and 0.25 mean nothing there: :func:`psi_limit` is a quantile of that distribution.
  Looked at again and again it will be above by chance; it raises no alarm.
* :class:`Detector` raises alarms. It is an e-detector of the Shiryaev-Roberts kind (Shin, Ramdas and Rinaldo, 2024,
  arXiv:2203.03532) over bets on a bounded mean (Waudby-Smith and Ramdas, 2024, arXiv:2010.09686).

Why not CUSUM: its limits hold for distributions that are known before and after the change, and come from simulating
them; a home's are not known. The e-detector needs no more than a bound on the conditional mean, and may be looked at
after every answer. It also takes a tolerance, so that a change too small to matter is none.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

__all__ = ["MOST_POINTS", "PSI_LEVEL", "Detector", "Reference", "chi2_quantile", "psi", "psi_limit"]

MOST_POINTS = 200
"""Points that stand for a distribution: more would say nothing that answers of months can tell apart."""
PSI_LEVEL = 0.01
"""Share of windows without any change whose index is above the limit."""
_BINS = 10
_FRACTIONS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Stakes, of the largest by which nothing can be lost entirely: small ones find small changes, large ones large ones
early."""
_ERROR_SCORE = NormalDist().inv_cdf(0.99)
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reference:
    """A distribution, by points of equal weight."""

    points: tuple[float, ...]
    """Sorted; at most :data:`MOST_POINTS`, at least 2."""
    answers: int
    """How many answers it was made of."""

    @classmethod
    def of(cls, values: Sequence[float] | _Floats) -> "Reference":
        """Make the reference of some figures, two at least."""
        ordered = np.sort(np.asarray(values, np.float64))
        if ordered.size < 2 or not np.isfinite(ordered).all():
            raise ValueError(f"got {ordered.size} figures, expected two finite ones at least")
        points = ordered
        if ordered.size > MOST_POINTS:
            # Points that were there, and no means of two: many figures come again and again.
            points = ordered[((np.arange(MOST_POINTS) + 0.5) * ordered.size / MOST_POINTS).astype(int)]
        return cls(tuple(points.tolist()), int(ordered.size))

    def ranks(self, values: Sequence[float] | _Floats) -> _Floats:
        """Return the rank of each figure, 0 to 1."""
        points = np.asarray(self.points)
        found = np.asarray(values, np.float64)
        below = np.searchsorted(points, found, "left") + np.searchsorted(points, found, "right")
        return np.asarray(below / (2.0 * points.size))

    @property
    def error(self) -> float:
        """How far the mean rank may be from 1/2 because the reference is made of so few answers, in 1 of 100 cases."""
        return _ERROR_SCORE / math.sqrt(12.0 * self.answers)

    def edges(self) -> _Floats:
        """Return the edges between bins, deciles; fewer where one figure has more than a tenth."""
        points = np.asarray(self.points)
        inner = points[(np.arange(1, _BINS) * points.size / _BINS).astype(int)]
        # What equals the lowest point would make a bin that is empty by construction.
        return np.unique(inner[inner > points[0]])

    def shares(self) -> _Floats:
        """Return the share of the reference in each bin."""
        return _counts(np.asarray(self.points), self.edges()) / len(self.points)


def _counts(values: _Floats, edges: _Floats) -> _Floats:
    """Count figures from each edge up to the next."""
    return np.bincount(np.searchsorted(edges, values, "right"), minlength=edges.size + 1).astype(np.float64)


def psi(reference: Reference, values: Sequence[float] | _Floats) -> float:
    """Return the population stability index of figures: ``sum (q - p) ln(q / p)`` over bins of the reference.

    Parameters
    ----------
    reference : Reference
    values : (n,) float
        At least one. Half an answer is added to each bin, so that an empty one is not infinitely far.
    """
    expected = reference.shares()
    counts = _counts(np.asarray(values, np.float64), reference.edges())
    found = (counts + 0.5) / (counts.sum() + 0.5 * counts.size)
    expected = (expected * reference.answers + 0.5) / (reference.answers + 0.5 * expected.size)
    return float(np.sum((found - expected) * np.log(found / expected)))


def psi_limit(reference: Reference, n: int, level: float = PSI_LEVEL) -> float:
    """Return what the index of `n` answers exceeds with probability `level` where nothing changed."""
    bins = reference.edges().size + 1
    return (1.0 / n + 1.0 / reference.answers) * chi2_quantile(1.0 - level, bins - 1) if bins > 1 else math.inf


def chi2_quantile(probability: float, degrees: int) -> float:
    """Return a quantile of the chi-square distribution, to 2 % from the median to 99 % (Wilson and Hilferty, 1931)."""
    # With one degree it is the square of a normal variate, which is exact.
    if degrees == 1:
        return NormalDist().inv_cdf((1.0 + probability) / 2.0) ** 2
    spread = 2.0 / (9.0 * degrees)
    return float(degrees * (1.0 - spread + NormalDist().inv_cdf(probability) * math.sqrt(spread)) ** 3)


class Detector:
    """Raise an alarm when the mean rank has left its tolerance; false ones come as seldom as was said.

    For each stake ``s`` and either side there is a capital that bets on the mean being beyond the tolerance, and it is
    given the time that passed since the last answer, in days: ``M <- (M + days) (1 + s (rank - limit))``. Where the
    conditional mean is within the tolerance the factor has at most the mean 1, so that ``M - sum(days)`` is a
    supermartingale and, by optional stopping, the mean time until the average of all capitals reaches a threshold of
    ``days`` is at least that many days. That holds however many answers a day brings.

    Parameters
    ----------
    tolerance : float
        How far from 1/2 the mean rank may be, below 0.4.
    days : float
        Mean time between two false alarms that is kept to at least, days.
    capitals : sequence of float, optional
        As :attr:`capitals` was.
    """

    SIZE = 2 * len(_FRACTIONS)
    """Number of capitals."""

    def __init__(self, tolerance: float, days: float, capitals: Sequence[float] | None = None) -> None:
        self.days = days
        # The sides are each other's mirror image: the mean of what is won above, and of what is missing below.
        limit = 0.5 + tolerance
        self._limit = limit
        self._stakes = np.array(_FRACTIONS) / limit
        self._capitals = np.zeros(self.SIZE) if capitals is None else np.array(capitals, np.float64)

    @property
    def capitals(self) -> list[float]:
        """What the bets are worth, days."""
        return [float(capital) for capital in self._capitals]

    @property
    def evidence(self) -> float:
        """Average of the capitals over the threshold: 1 is an alarm."""
        return float(self._capitals.mean()) / self.days

    @property
    def rising(self) -> bool:
        """Whether more speaks for greater figures than for smaller ones."""
        upper = self._capitals[: len(_FRACTIONS)]
        return bool(upper.sum() >= self._capitals[len(_FRACTIONS) :].sum())

    def push(self, rank: float, days: float) -> bool:
        """Take the rank of an answer, and tell whether that is an alarm.

        Parameters
        ----------
        rank : float
            0 to 1.
        days : float
            Time since the last answer; less than that only makes alarms more seldom.
        """
        won = np.concatenate((self._stakes * (rank - self._limit), self._stakes * (1.0 - rank - self._limit)))
        self._capitals = (self._capitals + max(days, 0.0)) * (1.0 + won)
        return self.evidence >= 1.0

    def restart(self) -> None:
        """Forget everything."""
        self._capitals = np.zeros(self.SIZE)
