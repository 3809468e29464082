"""Is this the sound of a microphone? Level, offset and clipping of the first seconds of an input, in plain sentences.

A wrong device, a switch on the microphone's side or a gain that is far off look like a wake word that is never heard.
They can be told from a few seconds, whatever is said in them.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.quality import at_full_scale
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["CHECK_S", "InputCheck", "InputReport", "Problem"]

CHECK_S = 3.0
"""Sound that is looked at, s: what a driver gives while it starts is a small part of it."""
_SETTLING_S = 0.25
"""Sound at the beginning that is left out, s: inputs settle, and many give zeros until they have."""
_FULL_SCALE = 32768.0
_QUIET_DBFS = -80.0
"""Below this level of a room without speech the gain is doubted, dB re full scale: the noise of one step of 16 bits is
at -101 dB, so that soft speech has few bits left."""
_OFFSET = 0.02
"""Mean, as a part of full scale, from which the input has an offset that is told: it is no sound, but it takes room
from it."""
_CLIPPED = 0.001
"""Part of samples at full scale from which the gain is too high, with nobody asked to shout."""


class Problem(NamedTuple):
    """What is wrong with an input."""

    kind: str
    """``mute``, ``loud``, ``soft`` or ``offset``."""
    found: str
    """What was found, as a sentence without its end."""
    remedy: str
    """What to do."""


class InputReport(NamedTuple):
    """What the first seconds of an input look like."""

    seconds: float
    """How much was looked at, s."""
    level_dbfs: float
    """Root mean square without the offset, dB re full scale; -inf if there is nothing but it."""
    peak_dbfs: float
    """Largest sample, dB re full scale; -inf if all are zero."""
    offset: float
    """Mean, as a part of full scale."""
    clipped: float
    """Part of samples at full scale."""

    @classmethod
    def of(cls, samples: npt.NDArray[np.int16]) -> "InputReport":
        """Look at sound, ``(n,) int16``, 16 kHz, from the opening of the input on; n must not be 0."""
        settled = samples[round(_SETTLING_S * SAMPLE_RATE_HZ) :]
        x = (settled if settled.size else samples).astype(np.float64) / _FULL_SCALE
        offset = float(x.mean())
        return cls(
            samples.size / SAMPLE_RATE_HZ,
            _decibels(float(np.sqrt(np.mean((x - offset) ** 2)))),
            _decibels(float(np.abs(x).max())),
            offset,
            float(np.mean(at_full_scale(settled if settled.size else samples))),
        )

    def problems(self) -> list[Problem]:
        """Return what is wrong, worst first; empty if nothing is."""
        if self.level_dbfs == -math.inf:
            return [
                Problem(
                    "mute",
                    "the input gives no sound at all: every sample is the same",
                    "look for a switch on the microphone, for a mute in the mixer (alsamixer, F4), and whether this is "
                    "the microphone that was meant (vivavoce collect --list-devices)",
                )
            ]
        found = []
        if self.clipped > _CLIPPED:
            found.append(
                Problem(
                    "loud",
                    f"the input is too loud: {100 * self.clipped:.1f} % of its samples are at full scale",
                    "lower the gain of the input in the mixer (alsamixer, F4), and switch off its boost",
                )
            )
        if self.level_dbfs < _QUIET_DBFS:
            found.append(
                Problem(
                    "soft",
                    f"the input is very soft: {self.level_dbfs:.0f} dB re full scale",
                    "raise the gain of the input in the mixer (alsamixer, F4); see whether this is the microphone that "
                    "was meant",
                )
            )
        if abs(self.offset) > _OFFSET:
            found.append(
                Problem(
                    "offset",
                    f"the input has an offset of {100 * self.offset:.1f} % of full scale",
                    "look for a microphone that needs another supply (bias), or another channel; what is over it "
                    "clips sooner",
                )
            )
        return found

    def told(self) -> str:
        """Return the figures for people."""
        return (
            f"level {self.level_dbfs:.0f} dB, peak {self.peak_dbfs:.0f} dB re full scale, "
            f"offset {100 * self.offset:.2f} %, clipped {100 * self.clipped:.2f} %"
        )


class InputCheck:
    """Collect the first seconds of an input, and report on them once.

    Parameters
    ----------
    seconds : float, optional
        How much to collect, s.
    """

    def __init__(self, seconds: float = CHECK_S) -> None:
        self._left = round(seconds * SAMPLE_RATE_HZ)
        self._pieces: list[npt.NDArray[np.int16]] = []

    def push(self, samples: npt.NDArray[np.int16]) -> InputReport | None:
        """Take sound, ``(n,) int16``; return the report with the last of it, before and after that None."""
        if self._left <= 0:
            return None
        self._pieces.append(samples[: self._left].copy())
        self._left -= samples.size
        return self.report() if self._left <= 0 else None

    def report(self) -> InputReport | None:
        """Return the report on what there is so far, and forget it; None if there is nothing."""
        pieces, self._pieces = self._pieces, []
        return InputReport.of(np.concatenate(pieces)) if pieces else None


def _decibels(value: float) -> float:
    return 20.0 * math.log10(value) if value > 0 else -math.inf
