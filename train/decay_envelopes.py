"""Between what values the power decay of people and of simulated replays lies, and how well that tells them apart."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.decay import DecayReference, Envelope
from edge.errors import DataError
from edge.void import VoidSettings

__all__ = ["decay_reference", "envelope", "nearer_is_right"]

_QUANTILES = (0.1, 0.5, 0.9)
_LEAST_CURVES = 20
"""Of a class: a tenth of fewer is no tenth."""
_FOLDS = 5


def envelope(curves: npt.NDArray[np.float64]) -> Envelope:
    """Return the envelope of curves, ``(clips, points) float64``."""
    return Envelope(*np.quantile(curves, _QUANTILES, axis=0), len(curves))


def nearer_is_right(
    curves: npt.NDArray[np.float64], live: npt.NDArray[np.bool_], talkers: Sequence[str]
) -> tuple[float, float]:
    """Count how often a curve is nearer to the median of its own class, that of talkers who are left out of it.

    Parameters
    ----------
    curves : (clips, points) float64
    live : (clips,) bool
    talkers : sequence of str
        One a clip.

    Returns
    -------
    tuple of float
        The share of live curves, and of replays.

    Raises
    ------
    DataError
        If the talkers cannot be divided so that both classes remain.
    """
    names = sorted(set(talkers))
    fold_of = {name: number % _FOLDS for number, name in enumerate(names)}
    folds = np.array([fold_of[talker] for talker in talkers])
    right = np.zeros(len(curves), bool)
    for fold in range(min(_FOLDS, len(names))):
        held = folds == fold
        if not (live & ~held).any() or not (~live & ~held).any():
            raise DataError(f"got {len(names)} talkers, expected some of both classes without any fifth of them")
        middles = [np.median(curves[known & ~held], axis=0) for known in (live, ~live)]
        far_live, far_replay = (np.abs(curves[held] - middle).mean(axis=1) for middle in middles)
        right[held] = (far_live < far_replay) == live[held]
    return float(right[live].mean()), float(right[~live].mean())


def decay_reference(
    curves: npt.NDArray[np.float64],
    live: npt.NDArray[np.bool_],
    talkers: Sequence[str],
    settings: VoidSettings,
    *,
    source: str,
) -> DecayReference:
    """Make a reference of the curves of many clips.

    Parameters
    ----------
    curves : (clips, settings.segments + 1) float64
        Of :func:`edge.decay.decay_curve`; digital silence is left out.
    live : (clips,) bool
    talkers : sequence of str
        One a clip.
    settings : VoidSettings
        How the curves were made.
    source : str
        What they are of, for people; one line.

    Raises
    ------
    DataError
        If there are too few curves of a class.
    """
    sounding = curves[:, -1] > 0
    curves, live = curves[sounding], live[sounding]
    talkers = [talker for talker, kept in zip(talkers, sounding, strict=True) if kept]
    for name, known in (("live", live), ("replay", ~live)):
        if known.sum() < _LEAST_CURVES:
            raise DataError(
                f"got {known.sum()} {name} clips with sound, expected {_LEAST_CURVES} at least; render more"
            )
    return DecayReference(
        settings,
        envelope(curves[live]),
        envelope(curves[~live]),
        *nearer_is_right(curves, live, talkers),
        source,
    )
