"""Sensitivity: how readily words are heard, in steps that a person can choose between while the program runs."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from edge.bundle import Bundle

__all__ = ["FARTHEST_SHIFT", "SENSITIVITIES", "Sensitivity", "log_odds", "moved_by", "shifted", "tuned"]

Sensitivity = Literal["low", "normal", "high", "highest"]
"""Name of a step; ``normal`` is the bundle as it is."""

SENSITIVITIES: Mapping[Sensitivity, float] = {"low": 0.5, "normal": 0.0, "high": -0.5, "highest": -1.0}
"""How far each step moves the log-odds of every word's cut-off.

Log-odds, because scores crowd together near one: a step means the same to a word with a cut-off of 0.95 as to one with
0.99. What a step buys and costs on dev is in ``results/sensitivity_dev.json`` (``tests/bench/sensitivity.py``).
"""


FARTHEST_SHIFT = min(SENSITIVITIES.values())
"""Nothing lowers the log-odds of a cut-off farther: what lies beyond was never measured."""


def log_odds(probability: float) -> float:
    """Return the natural logarithm of the odds of a probability, 0 to 1; infinite at the ends."""
    if probability <= 0.0:
        return -math.inf
    return math.log(probability / (1.0 - probability)) if probability < 1.0 else math.inf


def moved_by(cutoff: float, shift: float) -> float:
    """Return a cut-off whose log-odds are moved; 0 and below always hears, 1 and above never: both stay as they are."""
    if shift == 0 or not 0 < cutoff < 1:
        return cutoff
    return 1 / (1 + math.exp(-(log_odds(cutoff) + shift)))


def shifted(cutoff: float, sensitivity: Sensitivity, moved: float = 0.0) -> float:
    """Return a cut-off at another sensitivity.

    Where a calibration moved it before, the two add up, but no farther down than the farthest step: there the price
    was measured. A cut-off that a calibration put even lower stays where it is.

    Parameters
    ----------
    cutoff : float
        Score above which a word counts as heard. 0 and below always hears, 1 and above never: both stay as they are.
    sensitivity : str
        A key of :data:`SENSITIVITIES`.
    moved : float
        How far its log-odds were moved already.
    """
    shift = SENSITIVITIES[sensitivity]
    if shift < 0:
        shift = min(0.0, max(shift, FARTHEST_SHIFT - moved))
    return moved_by(cutoff, shift)


def tuned(bundle: Bundle, sensitivity: Sensitivity) -> Bundle:
    """Return a bundle whose words are heard more or less readily; what is live and what is played is not touched."""
    words = tuple(replace(word, cutoff=shifted(word.cutoff, sensitivity, word.moved)) for word in bundle.words)
    return replace(bundle, words=words)
