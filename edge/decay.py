"""How the power of an utterance decays over frequency, beside how it does for people and for loudspeakers.

A mouth has most of its power below 1 kHz, so that the share of the power below a frequency rises early; a small
loudspeaker has no bass, and the share rises later and straighter. This is the picture on which Void rests [1]_: the
cumulative, normalised power of the segments of :mod:`edge.void`. Here it is drawn before two envelopes, which say
between what values the curves of people and of replays lie (:mod:`edge.decay_reference`).

**It is an illustration, and decides nothing**: the network does. The envelopes overlap over most of the range, and a
good loudspeaker lies in both. How often the nearer one is the right one stands in the reference, and is far below what
the network reaches.

References
----------
.. [1] M. E. Ahmed et al., "Void: A fast and light voice liveness detection system", USENIX Security 2020: section 3.2
   for the picture, section 5.3 for the cumulative power (of which LDF is made).
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.void import VoidSettings, segment_powers

__all__ = ["DecayReference", "Envelope", "Placement", "decay_curve", "edges_hz", "place_curve"]

_HALF = 0.5
_SHOWS_NOTHING = 0.01
"""Where no envelope has left 0, or both have reached 1, by this much, every curve lies in both."""


@dataclass(frozen=True, slots=True, eq=False)
class Envelope:
    """Between what values the curves of one class lie, at every edge of a segment."""

    low: npt.NDArray[np.float64]
    """``(segments + 1,)``, below which a tenth of the curves lies, 0 to 1."""
    middle: npt.NDArray[np.float64]
    """``(segments + 1,)``, the median."""
    high: npt.NDArray[np.float64]
    """``(segments + 1,)``, above which a tenth lies."""
    clips: int
    """How many curves these are of."""


@dataclass(frozen=True, slots=True, eq=False)
class DecayReference:
    """The envelopes of people and of loudspeakers, and what they are worth."""

    settings: VoidSettings
    """How the curves were made."""
    live: Envelope
    """Of people."""
    replay: Envelope
    """Of loudspeakers, which were simulated."""
    live_right: float
    """Share of people's curves that lie nearer to people's median, 0 to 1; the medians are of other talkers."""
    replay_right: float
    """Share of loudspeakers' curves that lie nearer to loudspeakers' median, counted in the same way."""
    source: str
    """What the curves are of, for people."""

    @property
    def frequencies_hz(self) -> npt.NDArray[np.float64]:
        """Where the values of a curve stand, ``(segments + 1,)``, Hz."""
        return edges_hz(self.settings)


class Placement(NamedTuple):
    """Where a curve lies."""

    live_share: float
    """Share of the curve within the envelope of people, 0 to 1."""
    replay_share: float
    """Share of it within the envelope of loudspeakers; the two overlap, and both may be 1."""
    nearer: Literal["live", "replay"]
    """Whose median the curve is nearer to, in the mean over frequencies. No decision: see :class:`DecayReference`."""
    half_hz: float
    """Frequency below which half of the power lies, Hz."""
    live_half_hz: float
    """The same of the median of people."""
    replay_half_hz: float
    """The same of the median of loudspeakers."""


def edges_hz(settings: VoidSettings) -> npt.NDArray[np.float64]:
    """Return the edges of the segments, ``(segments + 1,) float64``, from 0 Hz on."""
    edges: npt.NDArray[np.float64] = settings.segment_hz * np.arange(settings.segments + 1, dtype=np.float64)
    return edges


def decay_curve(samples: npt.NDArray[np.int16], settings: VoidSettings) -> npt.NDArray[np.float64]:
    """Compute which share of the power lies below each frequency.

    Parameters
    ----------
    samples : (n,) int16
        The utterance, 16 kHz; what :func:`edge.liveness.judged_window` returns, to see of it what the network judges.
    settings : VoidSettings
        Those of the reference that it is compared with.

    Returns
    -------
    (settings.segments + 1,) float64
        From 0 at 0 Hz, never falling, to 1 at the last edge (7967 Hz by default). All of it is 0 for digital silence.

    Raises
    ------
    FrontendError
        If the samples are not one-dimensional int16.
    """
    curve: npt.NDArray[np.float64] = np.zeros(settings.segments + 1)
    np.cumsum(segment_powers(samples, settings), out=curve[1:])
    return curve / curve[-1] if curve[-1] > 0.0 else curve


def place_curve(curve: npt.NDArray[np.float64], reference: DecayReference) -> Placement | None:
    """Say where a curve lies.

    Of the shares, frequencies at which it could not lie anywhere else are left out: 0 Hz, and high ones where both
    envelopes are as good as 1.

    Parameters
    ----------
    curve : (segments + 1,) float64
        Of :func:`decay_curve`.
    reference : DecayReference

    Returns
    -------
    Placement or None
        None for digital silence, which lies nowhere.

    Raises
    ------
    ValueError
        If the curve has other frequencies than the reference.
    """
    live, replay = reference.live, reference.replay
    if curve.shape != live.middle.shape:
        raise ValueError(f"got a curve of shape {curve.shape}, expected {live.middle.shape} as the reference has")
    if curve[-1] <= 0.0:
        return None
    begun = np.maximum(live.high, replay.high) > _SHOWS_NOTHING
    telling = begun & (np.minimum(live.low, replay.low) < 1.0 - _SHOWS_NOTHING)
    far_live, far_replay = (float(np.abs(curve - one.middle).mean()) for one in (live, replay))
    frequencies = reference.frequencies_hz
    return Placement(
        _share_within(curve, live, telling),
        _share_within(curve, replay, telling),
        "live" if far_live < far_replay else "replay",
        half_hz=float(np.interp(_HALF, curve, frequencies)),
        live_half_hz=float(np.interp(_HALF, live.middle, frequencies)),
        replay_half_hz=float(np.interp(_HALF, replay.middle, frequencies)),
    )


def _share_within(curve: npt.NDArray[np.float64], envelope: Envelope, telling: npt.NDArray[np.bool_]) -> float:
    within = (envelope.low <= curve) & (curve <= envelope.high)
    return float(within[telling].mean())
