"""Clips in which something gives the class away, on purpose: a probe that does not find it is blind.

Each leak is what a careless collection does to one class: levels that were normalised, a pause that was gated, a replay
that was recorded by telephone. It changes one thing that its probe looks at, in one class.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.signal

from edge.sample_time import SAMPLE_RATE_HZ
from train.probes import WholeClip
from train.simulator.levels import decibels_to_gain, speech_rms, to_int16

__all__ = ["LEAKS", "Leak", "leaked"]

_STEP_DB = 12.0
_PEAK_DBFS = -3.0
_ACTIVE_DBFS = -26.0
_TELEPHONE_HZ = 4000.0
_DULL_HZ = 1500.0
_NOISIER_DB = 10.0
_LONGER_S = 1.0
_ONE_LENGTH_S = 2.0
_TELEPHONE = scipy.signal.butter(10, _TELEPHONE_HZ * 0.93, fs=SAMPLE_RATE_HZ, output="sos")
_DULL = scipy.signal.butter(4, _DULL_HZ, fs=SAMPLE_RATE_HZ, output="sos")


@dataclass(frozen=True, slots=True)
class Leak:
    """One way to give the class away.

    Attributes
    ----------
    probe : str
        Whose business it is.
    what : str
        What is done, for people.
    label : str
        The class that it is done to: ``live`` or ``replay``.
    apply : callable
        Takes a clip, returns the leaked one.
    """

    probe: str
    what: str
    label: str
    apply: Callable[[WholeClip], WholeClip]


def leaked(leak: Leak, clips: Sequence[WholeClip], live: npt.NDArray[np.bool_]) -> list[WholeClip]:
    """Return a leaked copy of clips; those of the other class are the same objects."""
    return [
        leak.apply(clip) if bool(one) == (leak.label == "live") else clip for clip, one in zip(clips, live, strict=True)
    ]


def _with(clip: WholeClip, samples: npt.NDArray[np.floating]) -> WholeClip:
    return replace(clip, samples=to_int16(samples))


def _scaled(clip: WholeClip) -> npt.NDArray[np.float64]:
    return clip.samples / 32768.0


def _step_before(clip: WholeClip) -> WholeClip:
    samples = _scaled(clip)
    # In the middle of what the probe takes for silence, so it ends before the word.
    samples[: clip.start // 2] *= decibels_to_gain(-_STEP_DB)
    return _with(clip, samples)


def _dull_before(clip: WholeClip) -> WholeClip:
    samples = _scaled(clip)
    samples[: clip.start] = scipy.signal.sosfilt(_DULL, samples[: clip.start])
    return _with(clip, samples)


def _faded_end(clip: WholeClip) -> WholeClip:
    samples = _scaled(clip)
    samples[-SAMPLE_RATE_HZ // 4 :] *= decibels_to_gain(-2.5 * _STEP_DB)
    return _with(clip, samples)


def _normalised(clip: WholeClip) -> WholeClip:
    samples = _scaled(clip)
    return _with(clip, samples * decibels_to_gain(_PEAK_DBFS) / max(float(np.abs(samples).max()), 1e-9))


def _levelled(clip: WholeClip) -> WholeClip:
    level = speech_rms(_scaled(clip)[clip.start : clip.stop])
    return _with(clip, _scaled(clip) * decibels_to_gain(_ACTIVE_DBFS) / max(level, 1e-9))


def _padded(clip: WholeClip, n: int) -> npt.NDArray[np.float64]:
    """Repeat the end of a clip backwards and forwards until it is long enough: as silent as before, and no new step."""
    end = _scaled(clip)[-SAMPLE_RATE_HZ // 4 :]
    return np.concatenate((_scaled(clip), np.pad(end, (0, n), mode="symmetric")[end.size :]))


def _longer(clip: WholeClip) -> WholeClip:
    return _with(clip, _padded(clip, round(_LONGER_S * SAMPLE_RATE_HZ)))


def _of_one_length(clip: WholeClip) -> WholeClip:
    n = round(_ONE_LENGTH_S * SAMPLE_RATE_HZ)
    cut = _padded(clip, max(0, n - clip.samples.size))[:n]
    return replace(_with(clip, cut), start=min(clip.start, n - SAMPLE_RATE_HZ // 10), stop=min(clip.stop, n))


def _gated(clip: WholeClip) -> WholeClip:
    samples = clip.samples.copy()
    samples[: clip.start // 2] = 0
    return replace(clip, samples=samples)


def _by_telephone(clip: WholeClip) -> WholeClip:
    return _with(clip, scipy.signal.sosfiltfilt(_TELEPHONE, _scaled(clip)))


def _noisier(clip: WholeClip) -> WholeClip:
    samples = _scaled(clip)
    # Alike for the same clip, and another noise for every clip.
    noise = np.random.default_rng(zlib.crc32(clip.samples.tobytes())).standard_normal(samples.size)
    floor = max(float(np.sqrt(np.mean(samples[: clip.start // 2] ** 2))), 1.0 / 32768.0)
    return _with(clip, samples + noise * floor * np.sqrt(decibels_to_gain(_NOISIER_DB) ** 2 - 1.0))


def _other_corpus(clip: WholeClip) -> WholeClip:
    return replace(clip, corpus=f"{clip.corpus} (replayed)")


LEAKS = (
    Leak("silence", f"the first half of the pause before the word is {_STEP_DB:g} dB lower", "replay", _step_before),
    Leak("silence", f"the pause before the word holds nothing above {_DULL_HZ:g} Hz", "replay", _dull_before),
    Leak("silence", f"the last quarter of a second is {2.5 * _STEP_DB:g} dB lower", "live", _faded_end),
    Leak("level", f"turned to an active level of {_ACTIVE_DBFS:g} dBFS", "live", _levelled),
    Leak("peak", f"normalised to a peak of {_PEAK_DBFS:g} dBFS", "live", _normalised),
    Leak("duration", f"{_LONGER_S:g} s longer", "replay", _longer),
    Leak("duration", f"all of one length, {_ONE_LENGTH_S:g} s", "live", _of_one_length),
    Leak("zeros", "the pause before the word begins with digital zeros", "live", _gated),
    Leak("bandwidth", f"nothing above {_TELEPHONE_HZ:g} Hz", "replay", _by_telephone),
    *(
        Leak(f"silence and level, {stratum}", f"what sounds idle is {_NOISIER_DB:g} dB louder", "live", _noisier)
        for stratum in ("first room", "no first room")
    ),
    Leak("corpus", "each class comes from corpora of its own", "replay", _other_corpus),
)
"""Every probe has at least one, on which its equal error rate must be small (``[protocol]`` of ``task.toml``)."""
