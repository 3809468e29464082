"""How much more a source radiates forward than on average, over frequency.

A microphone in a room hears the direct sound with the on-axis colour and the reverberation with the colour of
the total radiated power; the difference of the two is the directivity index. A talker beams nearly as much as
a loudspeaker does: the ranges overlap on purpose.
"""

import numpy as np
import numpy.typing as npt
import scipy.signal

from train.simulator.filters import minimum_phase_fir
from train.simulator.recipe import DirectivityRanges
from train.simulator.rooms import DIRECT_SAMPLE, RoomResponse

__all__ = [
    "DIRECTIVITY_TAPS",
    "loudspeaker_directivity_db",
    "place_source",
    "talker_directivity_db",
]

DIRECTIVITY_TAPS = 128

_MAX_OFF_AXIS = 0.8  # share of the index by which the direct sound may fall when the source is turned away


def _index_db(
    hz: tuple[float, ...],
    base_db: tuple[float, ...],
    frequency_hz: npt.NDArray[np.float64],
    scale: float,
    offset_db: float,
) -> npt.NDArray[np.float64]:
    index = np.interp(np.log(frequency_hz), np.log(hz), np.array(base_db) * scale)
    # Below the lowest measured band every source is small against the wavelength.
    low = np.clip(frequency_hz / hz[0], 0.0, 1.0)
    return np.maximum(0.0, index + offset_db * np.clip(np.log2(frequency_hz / hz[0]) / 3, 0.0, 1.0)) * low


def loudspeaker_directivity_db(
    rng: np.random.Generator, ranges: DirectivityRanges, frequency_hz: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Draw the directivity index of a loudspeaker that was not measured: some are nearly omnidirectional.

    Parameters
    ----------
    rng : numpy.random.Generator
    ranges : DirectivityRanges
    frequency_hz : float array, shape (k,)

    Returns
    -------
    float array, shape (k,)
        On-axis level above that of the mean over all directions, dB.
    """
    omni = rng.random() < ranges.omni_share
    scale = float(rng.uniform(*(ranges.omni_scale if omni else ranges.loudspeaker_scale)))
    offset_db = float(rng.uniform(*ranges.loudspeaker_offset_db)) * min(1.0, scale)
    return _index_db(ranges.hz, ranges.loudspeaker_db, frequency_hz, scale, offset_db)


def talker_directivity_db(
    rng: np.random.Generator, ranges: DirectivityRanges, frequency_hz: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Draw the directivity index of a talker, ``(k,)`` dB."""
    scale, offset_db = float(rng.uniform(*ranges.talker_scale)), float(rng.uniform(*ranges.talker_offset_db))
    return _index_db(ranges.hz, ranges.talker_db, frequency_hz, scale, offset_db)


def place_source(
    room: RoomResponse,
    frequency_hz: npt.NDArray[np.float64],
    directivity_db: npt.NDArray[np.float64],
    off_axis: float,
) -> npt.NDArray[np.float32]:
    """Give the source of a room response its directivity.

    Parameters
    ----------
    room : RoomResponse
    frequency_hz : float array, shape (k,)
    directivity_db : float array, shape (k,)
        Directivity index of the source, dB.
    off_axis : float
        0 for a source that faces the microphone, 1 for one that is turned away: its direct sound is weaker by
        80 % of the index, nearly the mean over all directions.

    Returns
    -------
    float32 array, shape (m,)
        Direct sound at :data:`DIRECT_SAMPLE`; on axis it is one sample of height 1.
    """
    reverberant = minimum_phase_fir(frequency_hz, -directivity_db, DIRECTIVITY_TAPS)
    late = room.late()
    size = late.size + DIRECTIVITY_TAPS - 1
    response: npt.NDArray[np.float32] = scipy.signal.oaconvolve(late, reverberant)[:size].astype(np.float32)
    if off_axis <= 0.0:
        response[DIRECT_SAMPLE] += 1.0
    else:
        direct = minimum_phase_fir(frequency_hz, -_MAX_OFF_AXIS * min(1.0, off_axis) * directivity_db, DIRECTIVITY_TAPS)
        response[DIRECT_SAMPLE : DIRECT_SAMPLE + DIRECTIVITY_TAPS] += direct
    return response
