"""Settings of the feature frontend, and the integer tables that its kernels read.

The frontend is the fixed-point audio frontend of TensorFlow Lite for Microcontrollers, so that one set of
features serves a workstation, a Raspberry Pi and a microcontroller. Every table is computed here from
the settings, once, with the rounding of the reference (single-precision arithmetic where the reference
uses it); nothing else in the project holds a band edge, a weight or a gain.

Tables are the same on every machine: of the functions that a C library or NumPy rounds as it likes, ``log1p`` is
:mod:`edge.single_log`, and all others are taken in double precision, of which the last bits are rounded away.

References
----------
.. [1] TensorFlow Lite, ``tensorflow/lite/experimental/microfrontend/lib`` (behaviour only).
.. [2] Y. Wang et al., "Trainable Frontend For Robust and Far-Field Keyword Spotting", ICASSP 2017: PCEN,
   of which the gain control here is a fixed-point form.
"""

import math
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from edge.errors import FrontendError
from edge.sample_time import SAMPLE_RATE_HZ
from edge.settings import check_types, settings_from_dict
from edge.single_log import log1p

__all__ = ["FFT_SIZE", "FrontendSettings", "FrontendTables", "build_tables"]

FFT_SIZE = 512
"""Points of the real transform. The fixed-point scaling of every later stage follows from it."""

WINDOW_BITS = 12
FILTERBANK_BITS = 12
NOISE_BITS = 14
PCAN_SNR_BITS = 12
CORRECTION_BITS = int(math.log2(FFT_SIZE)) - FILTERBANK_BITS // 2
"""The transform halves its output at every stage and the filter bank's weights have 12 bits: what remains of
both after the square root is this."""
PCAN_OUTPUT_BITS = 6
LOG_COEFFICIENT = 45426
"""ln(2), 16 fraction bits."""
OVER_4, OVER_2 = 8191, 16383
"""A quarter and a half of the largest int16: what the reference divides by in its transform."""
FEATURE_TOP = 666
"""The feature that is quantised to the highest step of the networks: 26 in units of 10/256, rounded."""
_GAIN_LUT_INTERVALS = 32
_LOG_SEGMENTS = 128
_MAX_CHANNELS = 128


@dataclass(frozen=True, slots=True)
class FrontendSettings:
    """What a feature is. The settings are data: they travel in the bundle, beside the models.

    The defaults are those of microWakeWord and ESPHome, and hence of every model made for them.
    """

    window_ms: int = 30
    """Length of the analysis window, ms."""
    step_ms: int = 10
    """Distance of two frames, ms."""
    channels: int = 40
    """Channels of the mel filter bank."""
    lower_band_hz: float = 125.0
    """Lower edge of the lowest channel, Hz."""
    upper_band_hz: float = 7500.0
    """Upper edge of the highest channel, Hz."""
    smoothing_bits: int = 10
    """Fraction bits of the noise estimate."""
    even_smoothing: float = 0.025
    """Share of the newest frame in the noise estimate, even channels."""
    odd_smoothing: float = 0.06
    """Share of the newest frame in the noise estimate, odd channels."""
    min_signal_remaining: float = 0.05
    """Floor of the noise subtraction, as a share of the signal."""
    pcan: bool = True
    """Whether the per-channel gain control is applied."""
    pcan_strength: float = 0.95
    """Exponent of the gain control."""
    pcan_offset: float = 80.0
    """Offset of the gain control, in units of the noise estimate."""
    pcan_gain_bits: int = 21
    """Fraction bits of the gain."""
    log_shift: int = 6
    """The logarithm is multiplied by two to this power."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be realised."""
        check_types(self, "frontend")
        nyquist = SAMPLE_RATE_HZ / 2
        window = self.window_ms * SAMPLE_RATE_HZ // 1000
        checks = (
            (FFT_SIZE // 2 < window <= FFT_SIZE, "window_ms", f"17 to {FFT_SIZE * 1000 // SAMPLE_RATE_HZ}"),
            (1 <= self.step_ms <= self.window_ms, "step_ms", f"1 to window_ms ({self.window_ms})"),
            (1 <= self.channels <= _MAX_CHANNELS, "channels", f"1 to {_MAX_CHANNELS}"),
            (0 <= self.lower_band_hz < self.upper_band_hz, "lower_band_hz", "0 to below upper_band_hz"),
            (self.upper_band_hz < nyquist, "upper_band_hz", f"below half the sample rate ({nyquist:g} Hz)"),
            (CORRECTION_BITS <= self.smoothing_bits <= 16, "smoothing_bits", f"{CORRECTION_BITS} to 16"),
            (0 < self.even_smoothing < 1, "even_smoothing", "between 0 and 1"),
            (0 < self.odd_smoothing < 1, "odd_smoothing", "between 0 and 1"),
            (0 <= self.min_signal_remaining < 1, "min_signal_remaining", "0 to below 1"),
            (0 < self.pcan_strength <= 2, "pcan_strength", "above 0, at most 2"),
            (self.pcan_offset > 0, "pcan_offset", "above 0"),
            (15 <= self.pcan_gain_bits <= 30, "pcan_gain_bits", "15 to 30"),
            (0 <= self.log_shift <= 10, "log_shift", "0 to 10"),
        )
        for holds, name, expected in checks:
            if not holds:
                raise FrontendError(
                    f"frontend setting {name}: got {getattr(self, name)!r}, expected {expected}; "
                    "correct it in the bundle's manifest or in the call"
                )
        steepest = int(np.abs(_gain_curve(self)).max())
        limit = int(np.iinfo(np.int16).max)
        if steepest > limit:
            raise FrontendError(
                f"frontend settings pcan_offset, pcan_strength: got {self.pcan_offset!r}, {self.pcan_strength!r}, "
                f"with which the gain falls by {steepest} in an octave, expected at most {limit}; "
                "choose a larger offset or a smaller strength"
            )

    @property
    def window_samples(self) -> int:
        """Length of the window, samples."""
        return self.window_ms * SAMPLE_RATE_HZ // 1000

    @property
    def step_samples(self) -> int:
        """Distance of two frames, samples."""
        return self.step_ms * SAMPLE_RATE_HZ // 1000

    def heard_samples(self, frame: int) -> int:
        """Return how many samples had been heard when a frame was complete: the end of its window."""
        return frame * self.step_samples + self.window_samples

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain data, for a manifest."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read settings from plain data.

        Raises
        ------
        FrontendError
            If a name is unknown or a value cannot be realised.
        """
        return settings_from_dict(cls, data, "frontend")


_PARTS = {
    "window": FFT_SIZE,
    "twiddles": 504,
    "real_twiddles": FFT_SIZE // 2,
    "weights": FFT_SIZE // 2 + 1,
    "unweights": FFT_SIZE // 2 + 1,
    "edges": _MAX_CHANNELS + 2,
    "gain": 4 * _GAIN_LUT_INTERVALS,
    "log": _LOG_SEGMENTS + 2,
}
"""The parts of the table block, and how many int16 each has room for. One block is one argument of a call and one
base address: the compiler then knows that a table does not overlap another."""

_STARTS = dict(zip(_PARTS, accumulate(_PARTS.values(), initial=0), strict=False))
WINDOW_AT = _STARTS["window"]
TWIDDLES_AT = _STARTS["twiddles"]
REAL_TWIDDLES_AT = _STARTS["real_twiddles"]
WEIGHTS_AT = _STARTS["weights"]
UNWEIGHTS_AT = _STARTS["unweights"]
EDGES_AT = _STARTS["edges"]
GAIN_AT = _STARTS["gain"]
LOG_AT = _STARTS["log"]
TABLE_SIZE = sum(_PARTS.values())

WORK_SIZE = 3 * FFT_SIZE
"""int16 that the kernels need for the transform."""
ENERGIES_SIZE = FFT_SIZE // 2 + FFT_SIZE // 4 + 1
"""int32 that the kernels need for the energies of the bins."""


@dataclass(frozen=True, slots=True)
class FrontendTables:
    """What the kernels read; see :func:`build_tables` for how each table arises."""

    block: npt.NDArray[np.int16]
    """``(TABLE_SIZE,)``, all tables, one behind the other.

    * ``window``: Hann window, 12 fraction bits; room for 512.
    * ``twiddles``: of the stages that join 4, 16 and 64 points each the real parts of w^k, w^2k, w^3k, then the
      imaginary parts.
    * ``real_twiddles``: real parts, then imaginary parts of what turns the 256-point complex transform into the
      512-point real one.
    * ``weights``: weight of each bin in the channel whose rising slope holds it, 12 fraction bits.
    * ``unweights``: weight of each bin in the next lower channel.
    * ``edges``: bins at which one rising slope ends and the next begins; room for 130.
    * ``gain``: piecewise quadratic gain curve of the gain control, three numbers an octave.
    * ``log``: correction of the linear interpolation of log2, 16 fraction bits.
    """
    scalars: npt.NDArray[np.int64]
    """``(10,)``: step and window, samples; channels; smoothing bits; even and odd smoothing and floor (14 bits); PCAN;
    SNR shift; log shift."""

    def part(self, name: str) -> npt.NDArray[np.int16]:
        """Return a view of one table, with all the room that it has."""
        return self.block[_STARTS[name] : _STARTS[name] + _PARTS[name]]


def _window(size: int) -> npt.NDArray[np.int16]:
    arg = np.float32(np.float32(np.pi) * np.float32(2.0) / np.float32(size))
    phase = arg * (np.arange(size, dtype=np.float32) + np.float32(0.5))
    hann = np.float32(0.5) - np.float32(0.5) * np.cos(phase.astype(np.float64)).astype(np.float32)
    weights: npt.NDArray[np.float32] = np.floor(hann * np.float32(1 << WINDOW_BITS) + np.float32(0.5))
    return weights.astype(np.int16)


def _unit_circle(phase: npt.NDArray[np.float64]) -> npt.NDArray[np.int16]:
    """Return ``(2, n)`` cosine and sine, 15 fraction bits, rounded half up as the reference rounds."""
    return np.floor(0.5 + 32767 * np.stack([np.cos(phase), np.sin(phase)])).astype(np.int16)


def _twiddles() -> npt.NDArray[np.int16]:
    n = FFT_SIZE // 2
    circle = _unit_circle(-2 * np.pi * np.arange(n) / n)
    stages = []
    for m in (4, 16, 64):
        stride = n // (4 * m)
        powers = [(q * np.arange(m) * stride) % n for q in (1, 2, 3)]
        stages.append(circle[:, np.concatenate(powers)].reshape(-1))
    return np.concatenate(stages)


def _mel(hz: npt.ArrayLike) -> npt.NDArray[np.float32]:
    return np.float32(1127.0) * log1p(np.asarray(hz, np.float32) / np.float32(700.0))


def _filterbank(
    settings: FrontendSettings,
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """Place triangles on the mel axis: a bin adds to one channel's rising and to another's falling slope."""
    n_bins = FFT_SIZE // 2 + 1
    n_slopes = settings.channels + 1
    low, high = _mel([settings.lower_band_hz, settings.upper_band_hz])
    spacing = np.float32((high - low) / np.float32(n_slopes))
    centres = [np.float32(low + spacing * np.float32(i + 1)) for i in range(n_slopes)]
    hz_per_bin = np.float32(0.5) * np.float32(SAMPLE_RATE_HZ) / np.float32(n_bins - 1)
    start = int(np.float32(1.5) + np.float32(settings.lower_band_hz) / hz_per_bin)
    weights = np.zeros(n_bins, np.int16)
    unweights = np.zeros(n_bins, np.int16)
    edges = [start]
    one = np.float32(1 << FILTERBANK_BITS)
    half = np.float32(0.5)
    mels = _mel(np.arange(n_bins, dtype=np.float32) * hz_per_bin)
    for slope, centre in enumerate(centres):
        below = low if slope == 0 else centres[slope - 1]
        k = edges[-1]
        while k < n_bins and mels[k] <= centre:
            weight = np.float32((centre - mels[k]) / np.float32(centre - below))
            weights[k] = math.floor(weight * one + half)
            unweights[k] = math.floor((np.float32(1.0) - weight) * one + half)
            k += 1
        edges.append(k)
    if edges[-1] >= n_bins:
        raise FrontendError(
            f"frontend setting upper_band_hz: got {settings.upper_band_hz:g}, expected a band that ends "
            f"below bin {n_bins - 1}"
        )
    return weights, unweights, np.array(edges, np.int16)


def _gain_curve(settings: FrontendSettings) -> npt.NDArray[np.int64]:
    """Gain as a function of the noise estimate: value, slope and curvature for each octave."""
    input_bits = settings.smoothing_bits - CORRECTION_BITS

    def gain(x: int) -> int:
        base = np.float32(np.float32(x) / np.float32(1 << input_bits)) + np.float32(settings.pcan_offset)
        power = np.float32(math.pow(base, -np.float32(settings.pcan_strength)))
        value = np.float32(1 << settings.pcan_gain_bits) * power
        return 0x7FFF if value > 0x7FFF else int(np.float32(value + np.float32(0.5)))

    table = np.zeros(4 * _GAIN_LUT_INTERVALS, np.int64)
    table[0], table[1] = gain(0), gain(1)
    for octave in range(2, _GAIN_LUT_INTERVALS + 1):
        x0 = 1 << (octave - 1)
        x2 = x0 + (x0 - 1) if octave == _GAIN_LUT_INTERVALS else 2 * x0
        y0, y1, y2 = gain(x0), gain(x0 + (x0 >> 1)), gain(x2)
        rise, span = y1 - y0, y2 - y0
        slope = 4 * rise - span
        at = 4 * octave - 6
        table[at], table[at + 1], table[at + 2] = y0, slope, span - slope
    return table


def _log_correction() -> npt.NDArray[np.int16]:
    x = np.arange(_LOG_SEGMENTS + 1) / _LOG_SEGMENTS
    table = np.zeros(_LOG_SEGMENTS + 2, np.int16)
    table[:-1] = np.round((np.log2(1 + x) - x) * 65536)
    return table


@lru_cache(maxsize=8)
def build_tables(settings: FrontendSettings) -> FrontendTables:
    """Compute every table that the kernels need for these settings; read-only, the same ones for equal settings."""
    weights, unweights, edges = _filterbank(settings)
    parts: dict[str, npt.NDArray[Any]] = {
        "window": _window(settings.window_samples),
        "twiddles": _twiddles(),
        "real_twiddles": _unit_circle(-np.pi * ((np.arange(FFT_SIZE // 4) + 1) / (FFT_SIZE // 2) + 0.5)).reshape(-1),
        "weights": weights,
        "unweights": unweights,
        "edges": edges,
        "gain": _gain_curve(settings),
        "log": _log_correction(),
    }
    scalars = np.array(
        [
            settings.step_samples,
            settings.window_samples,
            settings.channels,
            settings.smoothing_bits,
            int(np.float32(settings.even_smoothing) * np.float32(1 << NOISE_BITS)),
            int(np.float32(settings.odd_smoothing) * np.float32(1 << NOISE_BITS)),
            int(np.float32(settings.min_signal_remaining) * np.float32(1 << NOISE_BITS)),
            int(settings.pcan),
            settings.pcan_gain_bits - CORRECTION_BITS - PCAN_SNR_BITS,
            settings.log_shift,
        ],
        np.int64,
    )
    tables = FrontendTables(np.zeros(TABLE_SIZE, np.int16), scalars)
    for name, values in parts.items():
        tables.part(name)[: values.size] = values
    tables.block.flags.writeable = scalars.flags.writeable = False
    return tables
