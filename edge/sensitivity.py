"""Sensitivity: how readily words are heard, in steps that a person can choose between while the program runs."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from edge.bundle import Bundle

__all__ = ["SENSITIVITIES", "Sensitivity", "shifted", "tuned"]

Sensitivity = Literal["low", "normal", "high", "highest"]
"""Name of a step; ``normal`` is the bundle as it is."""

SENSITIVITIES: Mapping[Sensitivity, float] = {"low": 0.5, "normal": 0.0, "high": -0.5, "highest": -1.0}
"""How far each step moves the log-odds of every word's cut-off.

Log-odds, because scores crowd together near one: a step means the same to a word with a cut-off of 0.95 as to one with
0.99. What a step buys and costs on dev is in ``results/sensitivity_dev.json`` (``tests/bench/sensitivity.py``).
"""


def shifted(cutoff: float, sensitivity: Sensitivity) -> float:
    """Return a cut-off at another sensitivity.

    Parameters
    ----------
    cutoff : float
        Score above which a word counts as heard. 0 and below always hears, 1 and above never: both stay as they are.
    sensitivity : str
        A key of :data:`SENSITIVITIES`.
    """
    shift = SENSITIVITIES[sensitivity]
    if shift == 0 or not 0 < cutoff < 1:
        return cutoff
    return 1 / (1 + math.exp(-(math.log(cutoff / (1 - cutoff)) + shift)))


def tuned(bundle: Bundle, sensitivity: Sensitivity) -> Bundle:
    """Return a bundle whose words are heard more or less readily; what is live and what is played is not touched."""
    words = tuple(replace(word, cutoff=shifted(word.cutoff, sensitivity)) for word in bundle.words)
    return replace(bundle, words=words)
