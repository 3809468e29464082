"""Playing: a recording at the level at which a loudspeaker is driven, limited, and with its harmonics."""

import numpy as np
import numpy.typing as npt

from train.simulator.levels import decibels_to_gain
from train.simulator.loudspeakers import LoudspeakerSpec
from train.simulator.nonlinearity import apply_limiter, apply_nonlinearity

__all__ = ["play"]

_PEAK_QUANTILE = 0.999


def play(samples: npt.NDArray[np.float32], spec: LoudspeakerSpec) -> npt.NDArray[np.float32]:
    """Return what drives the linear part of a loudspeaker, its response (:func:`train.simulator.loudspeakers.realise`).

    Parameters
    ----------
    samples : float32 array, shape (n,)
        A recording at any level, not all of it zero.
    spec : LoudspeakerSpec
        Its ``drive_db`` says how far the peaks of the recording lie above the level at which its harmonics are
        specified.

    Returns
    -------
    float32 array, shape (n,)
    """
    # Peak: what one sample in a thousand exceeds, so that one click does not set the level.
    peak = float(np.quantile(np.abs(samples[samples != 0.0]), _PEAK_QUANTILE))
    x = samples / np.float32(max(peak, 1e-9))
    if spec.limiter is not None:
        x = apply_limiter(x, spec.limiter)
    return apply_nonlinearity(x * np.float32(decibels_to_gain(spec.nonlinearity.drive_db)), spec.nonlinearity)
