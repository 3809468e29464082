"""Is there enough evidence in this audio? Levels, noise, clipping and bandwidth, as numbers and as flags.

The flags are facts about the audio; what follows from them is the gate's business. :func:`assess` looks at
the second or two in which a word was spoken, :class:`QualityMeter` at a whole stream, in constant memory.

Whether there is anything above 4 kHz is judged by the loudest frame of that band against the loudest frame
of 1-3.5 kHz, because what a channel lets through shows in the loudest fricative, not in the mean. Frames with
samples at full scale are left out: clipping makes harmonics that no channel has passed.

"Measured" below means on 1,000 recordings made at 16 kHz (half wake words, half other speech, of the train
split), as they are and after resampling to 8 kHz and back; or on all 2,254, cut as a detection looks back on
them, at peaks of -24 to -1 dBFS in a noise floor of -84 to -66 dBFS ("in a room"), with white noise 20 dB below
the speech ("in noise"), or 20 to 35 dB lower than in the room ("low"). Of these were flagged: in a room silent and
clipped 0, noisy 0.04 %, band_limited 0.1 %, too_short 0.6 %; in noise noisy 0.04 %, band_limited 0, too_short
2.3 %; low band_limited 1.9 %. Of the wake words too_short flags none in a room and 0.1 % in noise: the others are
words such as "up". From 8 kHz all were found in a room and in noise, and low all but the 0.3 % that are silent.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.endpoint import FRAME_SAMPLES, frame_levels_db, speech_span
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["FLAGS", "Quality", "QualityMeter", "assess", "at_full_scale", "flags_of_rate", "merged"]

FLAGS = {
    "silent": "no sound: check that the microphone is on and connected",
    "too_short": "less speech than a word has",
    "clipped": "samples at full scale: lower the gain or speak from farther away",
    "noisy": "nothing stands out from the noise",
    "band_limited": "nothing above 4 kHz, where playback shows best: record at 16 kHz or more",
    "quiet": "a very low level: raise the gain or come closer",
}
"""Every flag: what it says, and what to do."""

_SILENT_DBFS = -70.0
"""The quietest room and microphone give more in their loudest 50 ms; less is a closed or missing input."""
_QUIET_DBFS = -55.0
"""Speech at this level is 45 dB above the rounding noise of 16 bits, and its fricatives 10 to 20: little."""
_FLOOR_DBFS = -100.0
"""Below the rounding noise of 16 bits (-101 dBFS) differences of levels mean nothing."""
_SHORTEST_SPEECH_S = 0.2
"""The wake words last 0.35 s and more, but noise hides their soft ends (measured in noise: 0.4 % below 0.25 s,
0.1 % below 0.2 s); less is a click or a part of a word."""
_LOWEST_SNR_DB = 5.0
"""Stationary noise alone spans 2 to 3 dB; with 5 dB from pauses to speech, noise colours every band."""
_FULL_SCALE = 32_112
"""0.98 of full scale: resampling and codecs move a clipped top by a few per cent."""
_CLIPPED_FRACTION = 0.01
"""Loud but sound speech touches full scale in single samples; a hundredth of all is audible distortion."""
_LOW_BAND_HZ = (1_000.0, 3_500.0)
_HIGH_BAND_HZ = (4_750.0, 7_500.0)
"""From above the transition of common resamplers from 8 kHz (of ffmpeg and scipy it reaches to 4.7 kHz) to
below the one that a recording at 16 kHz ends in."""
_BAND_DROP_DB = 52.0
"""Measured: 12 dB are lost from the low to the high band (median), 42 by 1 in 100, more than 52 by none of 500
wake words and 4 of 500 other clips (single words over telephone-like microphones); after 8 kHz it is 57 to
81 dB. Found: all, and 99.6 % after scipy's short filter; interpolation without a filter would be missed."""
_BAND_ABSENT_DBFS = -97.0
"""The rounding noise of 16 bits, taken over the high band, is at -104 dBFS in its loudest frame: a band so
low is empty, even where speech is so quiet that the drop is less. Measured: -103 at most from 8 kHz (-99 where the
resampler dithers), -75 at 1 in 200; low -100 at 1 in 200, where the fricatives have sunk into the rounding noise:
the evidence is missing there, too."""
_FFT = 512
_BAND_HZ = 250.0
"""Resolution of the bandwidth."""

_SEGMENT = SAMPLE_RATE_HZ // 2
"""Samples that the meter looks at together: fewer calls, and whole frames of 10, 20 and 50 ms."""
_HISTOGRAM_DB = np.arange(_FLOOR_DBFS, 1.0)

_Samples = npt.NDArray[np.int16]
_Floats = npt.NDArray[np.float64]

_WINDOW = np.hanning(_FFT)
# Scaled so that the powers of all bins sum to the mean square of a frame, full scale being 1.
_SCALE = 2.0 / (_FFT * float(np.sum(_WINDOW**2)) * 32768.0**2)
_BIN_HZ = np.fft.rfftfreq(_FFT, 1.0 / SAMPLE_RATE_HZ)
_BINS_PER_BAND = round(_BAND_HZ * _FFT / SAMPLE_RATE_HZ)


@dataclass(frozen=True, slots=True)
class Quality:
    """What a piece of audio is like."""

    snr_db: float
    """95th less 10th percentile of the levels of 20 ms frames, to 1 dB. An estimate: reverberation counts as
    noise, and without a pause the quietest tenth of the speech does."""
    level_dbfs: float
    """Level of the loudest 50 ms, dB re full scale (a full-scale square wave has 0)."""
    clipped_fraction: float
    """Share of the samples of the speech that are at full scale, 0 to 1."""
    speech_s: float
    """Length of the most energetic stretch of speech, s."""
    bandwidth_hz: float
    """Upper edge of the highest band of 250 Hz that holds meaningful energy, Hz; 0 without sound."""
    high_band_db: float
    """Level of 4.75-7.5 kHz less that of 1-3.5 kHz, each in its loudest frame, dB."""
    flags: tuple[str, ...]
    """Keys of :data:`FLAGS`, in their order."""

    def to_dict(self) -> dict[str, Any]:
        """Return the quality as plain data, rounded for people."""
        return {
            name: list(value) if isinstance(value, tuple) else round(value, 3) for name, value in asdict(self).items()
        }


def assess(samples: npt.NDArray[np.int16]) -> Quality:
    """Assess a second or two of audio that holds a word, and some of what came before it.

    Parameters
    ----------
    samples : (n,) int16
        16 kHz.

    Returns
    -------
    Quality
        Of audio too short to say anything (less than 10 ms): silent or not, and too short.
    """
    span = speech_span(samples)
    gauge = _Gauge()
    gauge.add(samples, hop=_FFT // 2)
    speech = samples[span.start : span.stop]
    clipped = float(np.mean(at_full_scale(speech))) if speech.size else 0.0
    return gauge.quality(snr_db=gauge.snr_db, clipped=clipped, speech_s=speech.size / SAMPLE_RATE_HZ)


class QualityMeter:
    """Watch a whole stream, in constant memory.

    The flags say what holds for the stream as a whole: ``silent`` if there was never a sound, ``too_short``
    if all its speech together is shorter than a word, ``noisy`` if nothing ever stood out from the noise,
    ``clipped`` if its loud parts are, ``band_limited`` if there was never anything above 4 kHz, ``quiet`` if
    it never was louder.
    """

    def __init__(self) -> None:
        self._pending = np.zeros(_SEGMENT, np.int16)
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._waiting = 0
        self._gauge = _Gauge()

    def push(self, samples: npt.NDArray[np.int16]) -> None:
        """Take samples ``(n,) int16``, any number."""
        at = 0
        while at < samples.size:
            n = min(_SEGMENT - self._waiting, samples.size - at)
            self._pending[self._waiting : self._waiting + n] = samples[at : at + n]
            self._waiting += n
            at += n
            if self._waiting == _SEGMENT:
                self._gauge.add(self._pending, hop=_FFT)
                self._waiting = 0

    @property
    def flags(self) -> tuple[str, ...]:
        """Keys of :data:`FLAGS` that hold for the stream so far."""
        gauge = self._gauge.copy()
        gauge.add(self._pending[: self._waiting], hop=_FFT)
        # In a long stream speech is rare: the loudest moment against the noise floor, not a percentile.
        snr_db = gauge.level_dbfs - gauge.floor_dbfs
        return gauge.quality(snr_db=snr_db, clipped=gauge.clipped, speech_s=gauge.active_s).flags


def at_full_scale(samples: _Samples) -> npt.NDArray[np.bool_]:
    """Return which samples are at full scale, or near enough to have been: ``(n,) bool`` for ``(n,) int16``."""
    mask: npt.NDArray[np.bool_] = (samples >= _FULL_SCALE) | (samples <= -_FULL_SCALE)
    return mask


def _bins(low_hz: float, high_hz: float) -> slice:
    """Return the bins of a transform from one frequency to before another."""
    return slice(*np.searchsorted(_BIN_HZ, (low_hz, high_hz)))


def _db(power: float) -> float:
    return 10.0 * float(np.log10(max(power, 1e-15)))


class _Gauge:
    """Sums and maxima from which all numbers follow; of constant size."""

    def __init__(self) -> None:
        self.n = 0
        self.peak_power = 0.0
        self.histogram = np.zeros(_HISTOGRAM_DB.size, np.int64)
        self.loud_samples = 0
        self.loud_clipped = 0
        # Powers of each band in its loudest frame: of the frames without, and of those with clipped samples.
        self.spectra = np.zeros((2, _FFT // 2 // _BINS_PER_BAND))
        self.low_high = np.zeros((2, 2))

    def copy(self) -> "_Gauge":
        """Return a gauge that can go on by itself."""
        other = _Gauge()
        for name, value in vars(self).items():
            setattr(other, name, value.copy() if isinstance(value, np.ndarray) else value)
        return other

    def add(self, samples: _Samples, *, hop: int) -> None:
        """Take samples; frames do not reach across two calls."""
        self.n += samples.size
        self._add_levels(samples)
        mask = at_full_scale(samples)
        if mask.any():
            self.loud_clipped += int(mask.sum())
        # Only stretches that come near full scale can clip; pauses must not dilute the share.
        whole = samples.size - samples.size % FRAME_SAMPLES
        frames = samples[:whole].reshape(-1, FRAME_SAMPLES)
        near = np.maximum(frames.max(axis=1, initial=0), -(frames.min(axis=1, initial=0) + 1)) >= _FULL_SCALE // 2
        self.loud_samples += int(near.sum()) * FRAME_SAMPLES
        if samples.size >= _FFT:
            self._add_spectra(samples, mask, hop)

    def _add_levels(self, samples: _Samples) -> None:
        power: _Floats = 10.0 ** (frame_levels_db(samples).astype(np.float64) / 10.0)
        if not power.size:
            return
        width = min(5, power.size)
        loudest = float(np.convolve(power, np.full(width, 1.0 / width), mode="valid").max())
        self.peak_power = max(self.peak_power, loudest)
        pairs = power[: power.size - power.size % 2].reshape(-1, 2).mean(axis=1)
        levels = np.clip(10.0 * np.log10(np.maximum(pairs, 1e-12)), _FLOOR_DBFS, 0.0)
        np.add.at(self.histogram, np.rint(levels - _FLOOR_DBFS).astype(np.intp), 1)

    def _add_spectra(self, samples: _Samples, mask: npt.NDArray[np.bool_], hop: int) -> None:
        view = np.lib.stride_tricks.sliding_window_view
        power: _Floats = np.abs(np.fft.rfft(view(samples, _FFT)[::hop] * _WINDOW, axis=1)) ** 2 * _SCALE
        clipped = view(mask, _FFT)[::hop].any(axis=1)
        bands = power[:, : _FFT // 2].reshape(len(power), -1, _BINS_PER_BAND).sum(axis=2)
        ranges = [power[:, _bins(*band)].sum(axis=1) for band in (_LOW_BAND_HZ, _HIGH_BAND_HZ)]
        for kind, chosen in enumerate((~clipped, clipped)):
            if chosen.any():
                np.maximum(self.spectra[kind], bands[chosen].max(axis=0), out=self.spectra[kind])
                for i, values in enumerate(ranges):
                    self.low_high[kind, i] = max(self.low_high[kind, i], float(values[chosen].max()))

    def _percentile(self, percent: float) -> float:
        """Return a percentile of the levels of 20 ms frames, dB, to 1 dB."""
        total = int(self.histogram.sum())
        if not total:
            return _FLOOR_DBFS
        at = int(np.searchsorted(np.cumsum(self.histogram), percent / 100.0 * total))
        return float(_HISTOGRAM_DB[min(at, _HISTOGRAM_DB.size - 1)])

    @property
    def level_dbfs(self) -> float:
        return max(_FLOOR_DBFS, _db(self.peak_power))

    @property
    def floor_dbfs(self) -> float:
        return self._percentile(10)

    @property
    def snr_db(self) -> float:
        return self._percentile(95) - self.floor_dbfs

    @property
    def clipped(self) -> float:
        return self.loud_clipped / self.loud_samples if self.loud_samples else 0.0

    @property
    def active_s(self) -> float:
        """Time above the limit between floor and loudest moment that :func:`speech_span` draws, too."""
        level = self.level_dbfs
        limit = max(level - 30.0, self.floor_dbfs + 0.35 * (level - self.floor_dbfs))
        return float(self.histogram[limit <= _HISTOGRAM_DB].sum()) * 2 * FRAME_SAMPLES / SAMPLE_RATE_HZ

    def quality(self, *, snr_db: float, clipped: float, speech_s: float) -> Quality:
        """Return the numbers, and the flags that follow from them."""
        kind = 0 if self.low_high[0].any() else 1
        low, high = (_db(value) for value in self.low_high[kind])
        spectrum = self.spectra[kind]
        densest = spectrum[round(_LOW_BAND_HZ[0] / _BAND_HZ) : round(_LOW_BAND_HZ[1] / _BAND_HZ)].max()
        # The same two limits as for the flag, for a band of 250 Hz.
        share = _BAND_HZ / (_HIGH_BAND_HZ[1] - _HIGH_BAND_HZ[0])
        least = max(densest * 10 ** (-_BAND_DROP_DB / 10), share * 10 ** (_BAND_ABSENT_DBFS / 10))
        held = np.flatnonzero(spectrum > least)
        level = self.level_dbfs
        silent = level < _SILENT_DBFS
        heard = not silent and self.low_high.any()
        found = {
            "silent": silent,
            "too_short": (self.n / SAMPLE_RATE_HZ if silent else speech_s) < _SHORTEST_SPEECH_S,
            "clipped": clipped > _CLIPPED_FRACTION,
            "noisy": bool(heard and speech_s >= _SHORTEST_SPEECH_S and snr_db < _LOWEST_SNR_DB),
            "band_limited": bool(heard and (high - low < -_BAND_DROP_DB or high < _BAND_ABSENT_DBFS)),
            "quiet": not silent and level < _QUIET_DBFS,
        }
        return Quality(
            snr_db=snr_db,
            level_dbfs=level,
            clipped_fraction=clipped,
            speech_s=speech_s,
            bandwidth_hz=float((held[-1] + 1) * _BAND_HZ) if heard and held.size else 0.0,
            high_band_db=high - low if heard else 0.0,
            flags=tuple(flag for flag in FLAGS if found[flag]),
        )


def flags_of_rate(native_rate_hz: int) -> tuple[str, ...]:
    """Return the flags of a source by the rate at which it was recorded: below 16 kHz it is band-limited.

    A recording at 11 or 12 kHz holds sound just above 4 kHz, and passes for one of 16 kHz by its spectrum; what
    lies above half its rate is missing all the same.
    """
    return ("band_limited",) if native_rate_hz < SAMPLE_RATE_HZ else ()


def merged(*flags: tuple[str, ...]) -> tuple[str, ...]:
    """Join tuples of flags: each flag once, in the order of :data:`FLAGS`."""
    found = {flag for some in flags for flag in some}
    return tuple(flag for flag in FLAGS if flag in found)
