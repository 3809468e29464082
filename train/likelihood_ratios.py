"""What log-likelihood ratios are worth: Cllr, and Cllr after the best calibration that there could be.

A log-likelihood ratio (natural logarithm, positive for live) says how much more likely the evidence is from a mouth
than from a loudspeaker. Cllr is the information, in bits, that is lost by trusting it: 0 for one that is sure and
right, 1 for one that always says nothing (0), and more for one that misleads [1]_. Minimum Cllr is what is left when
the scores are mapped by the best monotone function, found on these very scores by the pool-adjacent-violators algorithm
[2]_; the difference is the loss by calibration, the rest the loss by discrimination.

References
----------
.. [1] N. Brümmer and J. du Preez, "Application-independent evaluation of speaker detection", Computer Speech &
   Language 20, 2006.
.. [2] N. Brümmer and E. de Villiers, "The BOSARIS Toolkit", arXiv:1304.2865, 2013.
"""

import numpy as np
import numpy.typing as npt
import scipy.optimize

from train.metrics import Floats, Scores, checked_scores

__all__ = ["cllr", "min_cllr", "pav_ratios"]


def cllr(live: Scores, replay: Scores) -> float:
    """Return the cost of log-likelihood ratios, bits.

    Half the mean of ``log2(1 + exp(-ratio))`` over live clips, and half the mean of ``log2(1 + exp(ratio))`` over
    replays.

    Parameters
    ----------
    live, replay : (n,) float
        Log-likelihood ratios, natural logarithm; infinite ones are allowed.

    Raises
    ------
    DataError
        If a class is empty or holds what is not a number.
    """
    one, other = checked_scores(live, replay, infinite=True)
    return float((np.mean(np.logaddexp(0.0, -one)) + np.mean(np.logaddexp(0.0, other))) / (2.0 * np.log(2.0)))


def pav_ratios(live: Scores, replay: Scores) -> tuple[Floats, Floats]:
    """Return the log-likelihood ratios that the best monotone function makes of scores.

    Equal scores get equal ratios. They are infinite where only one class is found.

    Parameters
    ----------
    live, replay : (n,) float
        Scores of any scale, higher for live; infinite ones are allowed.

    Returns
    -------
    live, replay : (n,) float64
        Natural logarithm.

    Raises
    ------
    DataError
        If a class is empty or holds what is not a number.
    """
    one, other = checked_scores(live, replay, infinite=True)
    values, index, count = np.unique(np.concatenate((one, other)), return_inverse=True, return_counts=True)
    of_live = np.bincount(index[: one.size], minlength=values.size)
    share: npt.NDArray[np.float64] = scipy.optimize.isotonic_regression(of_live / count, weights=count).x
    with np.errstate(divide="ignore"):
        odds = np.log(share) - np.log1p(-share)
    ratios = (odds - np.log(one.size / other.size))[index]
    return ratios[: one.size], ratios[one.size :]


def min_cllr(live: Scores, replay: Scores) -> float:
    """Return Cllr after the best monotone calibration, bits, 0 to 1.

    Parameters and errors are those of :func:`pav_ratios`.
    """
    return cllr(*pav_ratios(live, replay))
