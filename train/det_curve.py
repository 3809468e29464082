"""Detection error trade-off: both error rates at every cut-off, on axes on which normal scores give straight lines.

The curve of A. Martin et al., "The DET curve in assessment of detection task performance", Eurospeech 1997, as NIST
draws it: false acceptance to the right, false rejection up, both as normal deviates (probit). Scores are higher for
live, as in :mod:`train.metrics`, which finds the rates.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.special

from train.metrics import Floats, Scores, det_points, equal_error_rate

__all__ = ["TICKS", "DetCurve", "det_curve", "probit"]

TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99)
"""Rates that are marked on an axis, as far as it reaches."""


@dataclass(frozen=True, slots=True, eq=False)
class DetCurve:
    """The corners of one curve.

    Attributes
    ----------
    bpcer, apcer : (k,) float64
        Rates from 0 to 1: the first ascends, the second descends; the ends are (0, 1) and (1, 0). Between two corners
        only one of them changes, or both where live and replayed clips share a score.
    eer : float
        Where the two are equal, :func:`train.metrics.equal_error_rate`.
    live, replay : int
        Scores of each class.
    """

    bpcer: Floats
    apcer: Floats
    eer: float
    live: int
    replay: int


def probit(rates: npt.ArrayLike) -> Floats:
    """Return the normal deviates of rates: -inf for 0, 0 for 1/2, inf for 1.

    Parameters
    ----------
    rates : (...) float
        From 0 to 1.

    Returns
    -------
    (...) float64
    """
    deviates: Floats = scipy.special.ndtri(np.asarray(rates, np.float64))
    return deviates


def det_curve(live: Scores, replay: Scores) -> DetCurve:
    """Return the curve of the scores of both classes.

    Parameters
    ----------
    live, replay : (n,) float
        Finite scores, higher for live; the classes need not be of one size.

    Raises
    ------
    DataError
        If a class is empty or a score is not finite.
    """
    _, bpcer, apcer = det_points(live, replay)
    # A point between two others on one straight step adds nothing to the line.
    flat = np.zeros(bpcer.size, bool)
    for rate in (bpcer, apcer):
        same = np.diff(rate) == 0
        flat[1:-1] |= same[:-1] & same[1:]
    return DetCurve(bpcer[~flat], apcer[~flat], equal_error_rate(live, replay), np.size(live), np.size(replay))
