"""Fitting a calibration to the takes and replays of a home, as far as so few of them can be trusted.

The network's output becomes a log-likelihood ratio by the bundle's own straight line; a home has a straight line of its
own over that: ``slope * ratio + offset``, by logistic regression (Platt scaling), with Gaussian priors about the
bundle's line (slope 1, offset 0) whose spreads were measured over simulated homes (:mod:`edge.calibration_prior`). With
no takes the answer is the bundle's; ten move it a little; hundreds would move it to where they lie. Both classes weigh
the same, as much as the smaller one has takes.

What the gate would have done with the takes is counted before and after, after by calibrations that did not see the
take (leaving some out, in turn), and shrunk toward the share of the simulated homes by a Beta distribution: the same
before and after, so that a change is told only where one was counted.

References
----------
J. Platt, "Probabilistic outputs for support vector machines", 1999; D. MacKay, "The evidence framework applied to
classification networks", Neural Computation 4, 1992.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.bundle_parts import LivenessPart
from edge.calibration import Expectation
from edge.calibration_prior import Prior, Share
from edge.errors import DataError
from edge.sensitivity import log_odds

__all__ = [
    "LEAST_SLOPE",
    "LEAST_TAKES",
    "UNCHANGED",
    "Floats",
    "Line",
    "beta_interval",
    "check_takes",
    "expectations",
    "fit_line",
    "ratios",
    "share_expected",
]

LEAST_TAKES = 5
"""Fewer of either class prove nothing."""
LEAST_SLOPE = 0.3
"""Of the line over the bundle's: whatever is heard, more like a person stays more like a person."""

_LEAST_AREA = 0.75
"""Share of the pairs of take and replay that are in order, below which the two are not told apart here."""
_FARTHEST_SPREADS = 2.5
"""Takes that lie so many standard deviations below those of simulated homes are no person's, or nobody's to mend."""
_MOST_FOLDS = 20
_LEVEL = 0.9
_STEPS = 60
_CLOSE = 1e-9

Floats = npt.NDArray[np.float64]


class Line(NamedTuple):
    """A straight line over the bundle's log-likelihood ratio."""

    slope: float
    offset: float

    def of(self, ratios: Floats) -> Floats:
        """Return the home's log-likelihood ratios."""
        return self.slope * ratios + self.offset

    def over(self, part: LivenessPart) -> tuple[float, float]:
        """Return slope and offset of the line over the network's output."""
        return self.slope * part.slope, self.slope * part.offset + self.offset


UNCHANGED = Line(1.0, 0.0)
"""The bundle's own."""


def ratios(part: LivenessPart, scores: npt.ArrayLike) -> Floats:
    """Return the bundle's log-likelihood ratios of outputs of its network, natural logarithm, positive for live."""
    return part.slope * np.asarray(scores, np.float64) + part.offset


def check_takes(live: Floats, replay: Floats, prior: Prior) -> None:
    """Refuse takes that no calibration can rest on.

    Parameters
    ----------
    live, replay : (n,) float64
        The bundle's log-likelihood ratios.
    prior : Prior

    Raises
    ------
    DataError
        If they are too few, replays look as live as the takes, or the takes do not look like a person's.
    """
    for name, values in (("takes of people", live), ("replays", replay)):
        if values.size < LEAST_TAKES:
            raise DataError(
                f"calibration: got {values.size} {name} that can be judged, expected at least {LEAST_TAKES}, better "
                "ten; nothing was written: record more"
            )
    area = _area(live, replay)
    if area < _LEAST_AREA:
        raise DataError(
            f"calibration: got replays that sound as live as the takes (in {area:.0%} of the pairs the take sounds "
            f"more live), expected {_LEAST_AREA:.0%}; this room cannot be calibrated, and nothing was written: check "
            "that people spoke the takes and loudspeakers played the replays, move the device nearer to the people, or "
            "use another microphone"
        )
    spread = math.hypot(prior.live.between, prior.live.within / math.sqrt(live.size))
    if float(live.mean()) < prior.live.mean - _FARTHEST_SPREADS * spread:
        raise DataError(
            "calibration: got takes of people that sound like loudspeakers (mean log-likelihood ratio "
            f"{live.mean():.1f}, of people {prior.live.mean:.1f} give or take {spread:.1f}), expected people; this "
            "room cannot be calibrated, and nothing was written: check that nobody played the takes, or use another "
            "microphone"
        )


def _area(live: Floats, replay: Floats) -> float:
    """Return the area under the receiver operating characteristic; equal ones count half."""
    above = (live[:, None] > replay[None, :]).mean()
    return float(above + 0.5 * (live[:, None] == replay[None, :]).mean())


def fit_line(live: Floats, replay: Floats, prior: Prior) -> Line:
    """Return the most probable line.

    Parameters
    ----------
    live, replay : (n,) float64
        The bundle's log-likelihood ratios, at least one of each.
    prior : Prior
    """
    least = min(live.size, replay.size)
    x = np.concatenate((live, replay))
    design = np.stack((x, np.ones(x.size)), axis=1)
    sign = np.concatenate((np.ones(live.size), -np.ones(replay.size)))
    weight = np.concatenate((np.full(live.size, least / live.size), np.full(replay.size, least / replay.size)))
    middle = np.array(UNCHANGED)
    precision = np.diag([prior.slope_spread**-2, prior.offset_spread**-2])

    def loss(at: Floats) -> float:
        away = at - middle
        return float(weight @ np.logaddexp(0.0, -sign * (design @ at)) + 0.5 * away @ precision @ away)

    at = middle.copy()
    for _ in range(_STEPS):
        # Newton's method; the loss is convex, and halved steps keep it falling.
        wrong = 0.5 * (1.0 - np.tanh(0.5 * sign * (design @ at)))
        slope = precision @ (at - middle) - design.T @ (weight * sign * wrong)
        curvature = precision + (design * (weight * wrong * (1.0 - wrong))[:, None]).T @ design
        step = np.linalg.solve(curvature, slope)
        size, held = 1.0, loss(at)
        while loss(at - size * step) > held and size > _CLOSE:
            size /= 2.0
        at = at - size * step
        if np.abs(size * step).max() < _CLOSE:
            break
    return Line(max(LEAST_SLOPE, float(at[0])), float(at[1]))


def expectations(live: Floats, replay: Floats, prior: Prior, accept_cutoff: float) -> tuple[Expectation, Expectation]:
    """Return which share of live words is expected to be refused, and which share of replays to pass.

    Of such people and such loudspeakers as were heard. Both before, by the bundle, and after.

    Parameters
    ----------
    live, replay : (n,) float64
        The bundle's log-likelihood ratios.
    prior : Prior
    accept_cutoff : float
        Of the gate, a probability.
    """
    cut = log_odds(accept_cutoff)
    held_out = _held_out(live, replay, prior)
    return tuple(  # type: ignore[return-value]
        Expectation(
            share_expected(int(np.sum((values >= cut) == passes)), values.size, share),
            share_expected(int(np.sum((after >= cut) == passes)), values.size, share),
        )
        for values, after, share, passes in (
            (live, held_out[0], prior.refused_live, False),
            (replay, held_out[1], prior.passed_replays, True),
        )
    )


def _held_out(live: Floats, replay: Floats, prior: Prior) -> tuple[Floats, Floats]:
    """Return the log-likelihood ratio of each take by a line that was fitted without it."""
    folds = max(2, min(_MOST_FOLDS, live.size, replay.size))
    found = live.copy(), replay.copy()
    for fold in range(folds):
        out = [np.arange(values.size) % folds == fold for values in (live, replay)]
        line = fit_line(live[~out[0]], replay[~out[1]], prior)
        for values, after, left in zip((live, replay), found, out, strict=True):
            after[left] = line.of(values[left])
    return found


def share_expected(hits: int, n: int, prior: Share) -> tuple[float, float, float]:
    """Return a share with its 90 % limits, after so many hits, from its distribution over homes."""
    return beta_interval(prior.a + hits, prior.b + n - hits)


def beta_interval(a: float, b: float, level: float = _LEVEL) -> tuple[float, float, float]:
    """Return lower limit, mean and upper limit of a Beta distribution; the limits leave out as much on either side.

    Parameters
    ----------
    a, b : float
        Positive.
    level : float
        Of the interval, 0 to 1.
    """
    # On the scale of log odds, where the density has no poles, however small a and b are.
    middle, reach = math.log(a / b), 40.0 * math.sqrt(1.0 / a + 1.0 / b) + 5.0
    z = np.linspace(middle - reach, middle + reach, 40_001)
    log_density = -a * np.logaddexp(0.0, -z) - b * np.logaddexp(0.0, z)
    mass = np.cumsum(np.exp(log_density - log_density.max()))
    low, high = np.interp([(1.0 - level) / 2.0, (1.0 + level) / 2.0], mass / mass[-1], z)
    mean = a / (a + b)

    def share(odds: float) -> float:
        return 0.5 * (1.0 + math.tanh(0.5 * odds))

    # Of a very skewed distribution the mean may lie outside.
    return min(share(low), mean), mean, max(share(high), mean)
