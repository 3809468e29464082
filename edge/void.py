"""The 97 features of Void: four views of where the power of an utterance lies.

Void [1]_ sums the short-time power spectra of an utterance, cuts the sum into segments of equal width, and describes it
by four groups of numbers:

* **LFP**, the power in each of the lowest segments;
* **LDF**, how straight the cumulative power is: a mouth has most of its power below 1 kHz, so that the curve bends
  early; a small loudspeaker has no bass and spreads what is left, so that the curve is closer to a line;
* **HPF**, number and place of the strong peaks, and a smooth curve through the segments;
* **LPCC**, the cepstrum of a linear predictor.

The network of this program does not use them. They are a baseline that it has to beat, and a form in which people know
the evidence. The paper works in bins at 44.1 kHz and leaves some things open. What we take, and why:

* *Everything is in Hz.* A window of 1024 samples is 23.2 ms, a hop of 256 is 5.8 ms, and W = 10 bins of a transform of
  4096 points are 107.7 Hz; the 48 lowest segments end at 5.17 kHz. At 16 kHz the window has 372 samples, the hop 93.
  107.7 Hz is no whole number of bins there, so a bin on the border of two segments is divided between them by its
  width. 14 bins of 2048 points would be 109.4 Hz, and the 48th segment off by three quarters of its width.
* *The transform* needs twice the points of the window and no more, here 1024: then the power spectrum is sampled
  without loss, and a longer transform would only interpolate it. The window is Hann's, as everywhere in this program,
  where the paper has Hamming's.
* *Normalised* means: as a share of the power in all segments, 0 to 1. The level of the recording does not matter, and
  a share says what the paper argues with: how much of the power is low.
* *LDF* spans all whole segments below 8 kHz, 74 of them; at 16 kHz there is nothing above. The curve begins with 0 at
  0 Hz, so that it is never constant. Frequency is told as a share of the whole span, 0 to 1, so that q has no unit.
* *A peak* may be the first or the last of the low segments, too: the spectrum of a low voice may fall from the first
  one on, and would else have none.
* *HPF has 35 numbers*, the paper says; but number, mean and standard deviation of the peaks, and the 7 coefficients of
  a polynomial of order 6, are 10. **Our reading**: the three, and the polynomial's value at 32 places, evenly from the
  centre of the first low segment to that of the last. The values hold what the coefficients hold, in numbers of one
  size. Public re-implementations arrive at 32 values, too, and take those at the first 32 segments.
* *LPCC* are of the same summed spectrum, hence of the whole utterance, as the other groups are. Its inverse transform
  is the autocorrelation that the predictor needs.

References
----------
.. [1] M. E. Ahmed et al., "Void: A fast and light voice liveness detection system", USENIX Security 2020, section 5.3.
"""

import functools
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from edge.errors import FrontendError
from edge.lpcc import autocorrelation, levinson_durbin, predictor_cepstrum
from edge.sample_time import SAMPLE_RATE_HZ
from edge.samples import INT16, wrong_samples
from edge.settings import check_types, settings_from_dict
from edge.spectrum import power_spectra

__all__ = ["VoidSettings", "segment_powers", "void_features"]

_LINEARITY_FEATURES = 2
_PEAK_FEATURES = 3
_CHUNK_FRAMES = 128
"""Spectra that are held at a time, so that a long recording needs no more memory than a short one."""


@dataclass(frozen=True, slots=True)
class VoidSettings:
    """What the features of Void are, in physical units. The defaults are the paper's, translated from 44.1 kHz."""

    window_ms: float = 23.22
    """Length of the Hann window, ms."""
    step_ms: float = 5.805
    """Distance of two spectra, ms."""
    segment_hz: float = 107.666
    """Width of a segment, Hz."""
    low_segments: int = 48
    """How many segments from 0 Hz make LFP and HPF."""
    peak_share: float = 0.6
    """Peaks count from this share of the largest one on; the paper's omega."""
    fit_order: int = 6
    """Order of the polynomial through the low segments."""
    fit_points: int = 32
    """How many values of that polynomial are features."""
    predictor_order: int = 12
    """Order of the linear predictor, and number of its cepstral coefficients."""
    predictor_floor_db: float = -90.0
    """White noise that the predictor sees beside the signal, dB re its power: the rounding of 16 bits. Without it, a
    pure tone could be predicted in many ways."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be realised."""
        check_types(self, "Void")
        half = SAMPLE_RATE_HZ / 2
        checks = (
            (4.0 <= self.window_ms <= 64.0, "window_ms", "4 to 64"),
            (1000 / SAMPLE_RATE_HZ <= self.step_ms <= self.window_ms, "step_ms", "a sample to window_ms"),
            (1000 / self.window_ms <= self.segment_hz <= half / 4, "segment_hz", "1000 / window_ms to 2000"),
            (1 <= self.low_segments <= half / self.segment_hz, "low_segments", "1 to as many as lie below 8 kHz"),
            (0 <= self.peak_share <= 1, "peak_share", "0 to 1"),
            (0 <= self.fit_order < min(self.low_segments, 21), "fit_order", "0 to below low_segments, at most 20"),
            (2 <= self.fit_points <= 1000, "fit_points", "2 to 1000"),
            (1 <= self.predictor_order <= 8 * self.window_ms, "predictor_order", "1 to half a window's samples"),
            (-120.0 <= self.predictor_floor_db <= 0.0, "predictor_floor_db", "-120 to 0"),
        )
        for holds, name, expected in checks:
            if not holds:
                raise FrontendError(
                    f"Void setting {name}: got {getattr(self, name)!r}, expected {expected}; correct it in the call"
                )

    @property
    def window_samples(self) -> int:
        """Length of the window, samples."""
        return round(self.window_ms * SAMPLE_RATE_HZ / 1000)

    @property
    def step_samples(self) -> int:
        """Distance of two spectra, samples."""
        return round(self.step_ms * SAMPLE_RATE_HZ / 1000)

    @property
    def fft_samples(self) -> int:
        """Points of the transform: the power of two from which on the power spectrum is sampled without loss."""
        return 1 << (2 * self.window_samples - 2).bit_length()

    @property
    def segments(self) -> int:
        """Whole segments below half the sample rate."""
        return int(SAMPLE_RATE_HZ / 2 / self.segment_hz)

    @property
    def groups(self) -> dict[str, slice]:
        """Where each group stands among the features: ``lfp``, ``ldf``, ``hpf``, ``lpcc``."""
        sizes = {
            "lfp": self.low_segments,
            "ldf": _LINEARITY_FEATURES,
            "hpf": _PEAK_FEATURES + self.fit_points,
            "lpcc": self.predictor_order,
        }
        out, at = {}, 0
        for name, size in sizes.items():
            out[name] = slice(at, at + size)
            at += size
        return out

    @property
    def shape(self) -> tuple[int]:
        """Shape of the features."""
        return (self.groups["lpcc"].stop,)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain data, for a manifest."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read settings from plain data; an unknown name is a :class:`~edge.errors.FrontendError`."""
        return settings_from_dict(cls, data, "Void")


class _Tables(NamedTuple):
    """What depends on the settings alone."""

    window: npt.NDArray[np.float32]
    """``(window_samples,)``."""
    shares: npt.NDArray[np.float64]
    """``(segments, bins)``, which share of a bin lies in a segment."""
    fit: npt.NDArray[np.float64]
    """``(fit_points, low_segments)``, from the low segments to the values of the polynomial."""


def segment_powers(samples: npt.NDArray[np.int16], settings: VoidSettings) -> npt.NDArray[np.float64]:
    """Compute the power in every segment from 0 to 8 kHz, mean over time, linear, not normalised.

    Parameters
    ----------
    samples : (n,) int16
        The audio, 16 kHz. Shorter audio than a window is extended by silence at the end.
    settings : VoidSettings

    Returns
    -------
    (settings.segments,) float64
        What the paper calls the segments of S_pow; full scale is 1.

    Raises
    ------
    FrontendError
        If the samples are not one-dimensional int16.
    """
    power: npt.NDArray[np.float64] = _tables(settings).shares @ _mean_power(samples, settings)
    return power


def void_features(samples: npt.NDArray[np.int16], settings: VoidSettings) -> npt.NDArray[np.float32]:
    """Compute the features of an utterance.

    Parameters
    ----------
    samples : (n,) int16
        The whole utterance, 16 kHz; see :func:`segment_powers` for very short ones.
    settings : VoidSettings

    Returns
    -------
    (97,) float32
        ``settings.shape``; ``settings.groups`` says where each group stands.

        * ``lfp``: share of the power in each of the low segments, 0 to 1;
        * ``ldf``: correlation of the cumulative power with frequency (rho, up to 1); coefficient of the square in the
          parabola that fits it best (q). With all power at the share *a* of the span they are
          ``sqrt(3 a (1 - a))`` and ``-30 a (1 - a) (1 - 2 a)``; with even power 1 and 0. So rho rises from a bass to
          an even spectrum, but q first falls, down to power at 1.7 kHz, and then rises;
        * ``hpf``: number of peaks; mean and standard deviation of their centre frequencies, kHz; the polynomial's
          values, in the unit of ``lfp``;
        * ``lpcc``: cepstrum of the linear predictor, from the first coefficient; the zeroth would be the level.

        All of them are 0 for digital silence.

    Raises
    ------
    FrontendError
        If the samples are not one-dimensional int16.
    """
    spectrum = _mean_power(samples, settings)
    tables = _tables(settings)
    segments = tables.shares @ spectrum
    total = float(segments.sum())
    if total <= 0.0:
        return np.zeros(settings.shape, np.float32)
    shares = segments / total
    low = shares[: settings.low_segments]
    groups = (low, _linearity(shares), _peaks(low, settings), tables.fit @ low, _cepstrum(spectrum, settings))
    return np.concatenate(groups).astype(np.float32)


def _mean_power(samples: npt.NDArray[np.int16], settings: VoidSettings) -> npt.NDArray[np.float64]:
    """Return the mean of the short-time power spectra, ``(fft_samples // 2 + 1,)``."""
    if not isinstance(samples, np.ndarray) or samples.dtype != INT16 or samples.ndim != 1:
        raise wrong_samples("Void features", samples)
    size, step = settings.window_samples, settings.step_samples
    # A constant offset of the converter is no sound, and the window would spread it into the lowest segment.
    offset = np.float32(samples.mean(dtype=np.float64)) if samples.size else np.float32(0)
    n_frames = max(1, (samples.size - size) // step + 1)
    total = np.zeros(settings.fft_samples // 2 + 1)
    for first in range(0, n_frames, _CHUNK_FRAMES):
        count = min(_CHUNK_FRAMES, n_frames - first)
        part = samples[first * step : (first + count - 1) * step + size]
        x = np.zeros((count - 1) * step + size, np.float32)
        x[: part.size] = (part.astype(np.float32) - offset) / np.float32(32768)
        power = power_spectra(x, _tables(settings).window, step=step, fft_size=settings.fft_samples)
        total += power.sum(axis=0, dtype=np.float64)
    return total / n_frames


@functools.lru_cache(maxsize=8)
def _tables(settings: VoidSettings) -> _Tables:
    window = np.hanning(settings.window_samples + 1)[:-1].astype(np.float32)
    bins = settings.fft_samples // 2 + 1
    width = SAMPLE_RATE_HZ / settings.fft_samples
    # Bin b stands for (b - 1/2) to (b + 1/2) widths.
    lower, upper = (np.arange(bins) - 0.5) * width, (np.arange(bins) + 0.5) * width
    edges = np.arange(settings.segments + 1) * settings.segment_hz
    overlap = np.minimum(upper, edges[1:, None]) - np.maximum(lower, edges[:-1, None])
    shares = np.clip(overlap, 0.0, None) / width
    shares[:, 0] = 0.0  # this close to 0 Hz there is drift of the converter, and no sound
    return _Tables(window, shares, _fit_matrix(settings))


def _fit_matrix(settings: VoidSettings) -> npt.NDArray[np.float64]:
    """Return the matrix that fits a polynomial to the low segments (least squares) and evaluates it."""
    # Legendre polynomials on -1 to 1: powers of the segment's number are nearly dependent on each other.
    given = np.polynomial.legendre.legvander(np.linspace(-1, 1, settings.low_segments), settings.fit_order)
    wanted = np.polynomial.legendre.legvander(np.linspace(-1, 1, settings.fit_points), settings.fit_order)
    matrix: npt.NDArray[np.float64] = wanted @ np.linalg.pinv(given)
    return matrix


def _linearity(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return LDF, (rho, q), of the shares of all segments."""
    cumulative = np.concatenate(([0.0], np.cumsum(shares)))
    place = np.linspace(0.0, 1.0, cumulative.size)
    rho = np.corrcoef(place, cumulative)[0, 1]
    return np.array([rho, np.polyfit(place, cumulative, 2)[0]])


def _peaks(low: npt.NDArray[np.float64], settings: VoidSettings) -> npt.NDArray[np.float64]:
    """Return number, mean place and spread of the peaks; all 0 if the low segments are empty."""
    framed = np.concatenate(([0.0], low, [0.0]))
    # Of equal neighbours the first is the peak.
    at = np.flatnonzero((low > framed[:-2]) & (low >= framed[2:]))
    if not at.size:
        return np.zeros(_PEAK_FEATURES)
    at = at[low[at] >= settings.peak_share * low[at].max()]
    centres_khz = (at + 0.5) * settings.segment_hz / 1000
    return np.array([at.size, centres_khz.mean(), centres_khz.std()])


def _cepstrum(spectrum: npt.NDArray[np.float64], settings: VoidSettings) -> npt.NDArray[np.float64]:
    """Return LPCC of the whole band."""
    series = autocorrelation(spectrum, settings.predictor_order + 1)
    series[0] *= 1.0 + 10.0 ** (settings.predictor_floor_db / 10)
    predictor, _ = levinson_durbin(series)
    return predictor_cepstrum(predictor, settings.predictor_order)
