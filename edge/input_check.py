"""What the first seconds of a microphone tell about it: mutes, offsets and gains that somebody has to mend.

A word is judged with :mod:`edge.quality`; this looks at the input itself, before anybody speaks, and says in words what
a person at the device can do about it.
"""

import logging
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.events import SAMPLE_RATE_HZ

__all__ = ["Complaint", "InputCheck", "InputLevels", "complaints", "log_levels"]

_log = logging.getLogger(__name__)

_LOOK_S = 3.0
"""Sound that is looked at, s."""
_SETTLING_S = 0.25
"""Sound that is left out before, s: inputs click and swing when they are opened, and drivers begin with zeros."""
_FLOOR_DBFS = -120.0
_FULL_SCALE = 32_112
"""0.98 of full scale, as in :mod:`edge.quality`."""
_OFFSET = 0.003
"""-50 dBFS: above, levels of quiet speech are those of the offset, and nothing stands out from it any more."""
_CLIPPED_FRACTION = 0.001
"""Nobody speaks all the time; a thousandth of seconds that held a word or two is a gain that is far too high."""
_LOW_DBFS = -85.0
"""Less than two steps of 16 bits: quiet rooms and microphones of any make give more, at a gain that suits speech."""


class Complaint(NamedTuple):
    """What is wrong with an input."""

    text: str
    """What was found."""
    remedy: str
    """What to do."""


@dataclass(frozen=True, slots=True)
class InputLevels:
    """Levels of the first seconds."""

    seconds: float
    """How much was looked at, s."""
    level_dbfs: float
    """Level without the offset, dB re full scale."""
    peak_dbfs: float
    """Largest sample, dB re full scale."""
    offset: float
    """Mean of all samples (DC offset), of full scale, -1 to 1."""
    clipped_fraction: float
    """Share of samples at full scale, 0 to 1."""
    constant: bool
    """Whether every sample has the same value."""

    @classmethod
    def of(cls, samples: npt.NDArray[np.int16]) -> "InputLevels":
        """Measure samples ``(n,) int16``, 16 kHz; n is at least 1."""
        x = samples.astype(np.float64) / 32768.0
        mean = float(x.mean())
        size = np.abs(samples.astype(np.int32))
        return cls(
            seconds=samples.size / SAMPLE_RATE_HZ,
            level_dbfs=_decibels(float(np.sqrt(np.mean((x - mean) ** 2)))),
            peak_dbfs=_decibels(float(size.max()) / 32768.0),
            offset=mean,
            clipped_fraction=float(np.mean(size >= _FULL_SCALE)),
            constant=bool(samples.min() == samples.max()),
        )

    def told(self) -> str:
        """Return the levels in a line."""
        return f"level {self.level_dbfs:.0f} dBFS, peak {self.peak_dbfs:.0f} dBFS, offset {100 * self.offset:.2f} %"


def complaints(levels: InputLevels) -> tuple[Complaint, ...]:
    """Return what is wrong with an input, worst first; nothing if all is well."""
    if levels.constant:
        return (
            Complaint(
                f"gives the same value all the time ({round(32768 * levels.offset)}): it is muted, or the wrong input",
                "look for a switch at the microphone, unmute it (alsamixer, pavucontrol), or name another as "
                "source.device",
            ),
        )
    found = []
    if levels.clipped_fraction > _CLIPPED_FRACTION:
        found.append(
            Complaint(
                f"{100 * levels.clipped_fraction:.1f} % of the samples are at full scale: what is distorted cannot be "
                "judged",
                "lower its gain (alsamixer, pavucontrol)",
            )
        )
    elif abs(levels.offset) > _OFFSET:  # what is clipped has a mean, too
        found.append(
            Complaint(
                f"its samples are off zero by {100 * levels.offset:+.1f} % of full scale (DC offset): quiet speech "
                "drowns in it",
                "try another input or rate (source.rate_hz); some cards need a high-pass filter in alsamixer",
            )
        )
    if levels.level_dbfs < _LOW_DBFS:
        found.append(
            Complaint(
                f"a level of {levels.level_dbfs:.0f} dBFS is lower than that of any room: speech will hardly be heard",
                "raise its gain (alsamixer, pavucontrol), or look for a switch at the microphone",
            )
        )
    return tuple(found)


class InputCheck:
    """Look at the first seconds of a source, after the click of opening it.

    Parameters
    ----------
    look_s : float, optional
        Sound that is looked at, s.
    """

    def __init__(self, look_s: float = _LOOK_S) -> None:
        self._pieces: list[npt.NDArray[np.int16]] = []
        self._left = round((_SETTLING_S + look_s) * SAMPLE_RATE_HZ)

    def push(self, samples: npt.NDArray[np.int16]) -> InputLevels | None:
        """Take what was heard, ``(n,) int16``; return the levels once, when enough was heard."""
        if self._left <= 0:
            return None
        self._pieces.append(samples)
        self._left -= samples.size
        if self._left > 0:
            return None
        levels = InputLevels.of(np.concatenate(self._pieces)[round(_SETTLING_S * SAMPLE_RATE_HZ) :])
        self._pieces.clear()
        return levels


def log_levels(name: str, levels: InputLevels) -> None:
    """Tell in the log what is wrong with a source, or its levels if nothing is.

    Parameters
    ----------
    name : str
        What listens.
    levels : InputLevels
    """
    found = complaints(levels)
    for complaint in found:
        _log.warning("%s: %s: %s", name, complaint.text, complaint.remedy)
    if not found:
        _log.info("%s: %s", name, levels.told())


def _decibels(amplitude: float) -> float:
    return max(_FLOOR_DBFS, 20.0 * math.log10(amplitude)) if amplitude > 0 else _FLOOR_DBFS
