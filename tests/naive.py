"""Slow twins of the kernels: of the feature frontend, a step a function, in plain integers, and of the spectra.

The first follows the definition of TensorFlow Lite for Microcontrollers' audio frontend [1]_ and shares no code
with ``edge``: no table, no constant, no kernel. Where the definition computes in a machine type whose width
shows in the result, the width is written out (:func:`wrap`); every other integer is exact. It takes some
milliseconds a frame, a thousand times what the kernel takes, and exists only to be compared with.

References
----------
.. [1] TensorFlow Lite, ``tensorflow/lite/experimental/microfrontend/lib``, and the 16-bit fixed-point
   transform of KISS FFT that it rests on (behaviour only).
"""

import math
from typing import Any

import numpy as np

__all__ = ["frames", "power_spectra"]

DEFAULTS: dict[str, Any] = {
    "window_ms": 30,
    "step_ms": 10,
    "channels": 40,
    "lower_band_hz": 125.0,
    "upper_band_hz": 7500.0,
    "smoothing_bits": 10,
    "even_smoothing": 0.025,
    "odd_smoothing": 0.06,
    "min_signal_remaining": 0.05,
    "pcan": True,
    "pcan_strength": 0.95,
    "pcan_offset": 80.0,
    "pcan_gain_bits": 21,
    "log_shift": 6,
}
"""The settings of microWakeWord."""

single = np.float32


def wrap(value: int, bits: int, *, signed: bool) -> int:
    """Keep the low bits of an integer, as a variable of that width does."""
    value %= 1 << bits
    return value - (1 << bits) if signed and value >= 1 << (bits - 1) else value


def short(value: int) -> int:
    """Store into 16 bits."""
    return wrap(value, 16, signed=True)


# ------------------------------------------------------------------------------------------------ window


def window_weights(size: int) -> list[int]:
    """Return a periodic-by-half-a-sample Hann window in units of 1/4096."""
    angle = single(single(math.pi) * single(2)) / single(size)
    weights = []
    for i in range(size):
        cosine = single(math.cos(float(angle * single(i + 0.5))))
        hann = single(0.5) - single(0.5) * cosine
        weights.append(math.floor(hann * single(4096) + single(0.5)))
    return weights


def scale_up(windowed: list[int]) -> tuple[list[int], int]:
    """Shift a frame left until its largest magnitude uses 15 bits; also return the shift.

    The magnitude of -32768 does not fit into 16 bits and stays negative: it is never the largest.
    """
    shift = 15 - max([0, *(short(abs(x)) for x in windowed)]).bit_length()
    return [short(x << shift) for x in windowed], shift


# ------------------------------------------------------------------------------------------------ transform


def product(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """Multiply complex numbers in units of 1/32768, rounding half up."""
    return (
        short((a[0] * b[0] - a[1] * b[1] + (1 << 14)) >> 15),
        short((a[0] * b[1] + a[1] * b[0] + (1 << 14)) >> 15),
    )


def part(a: tuple[int, int], divisor: int) -> tuple[int, int]:
    """Divide a complex number by multiplying with the largest positive integer over the divisor."""
    factor = 32767 // divisor
    return short((a[0] * factor + (1 << 14)) >> 15), short((a[1] * factor + (1 << 14)) >> 15)


def plus(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return short(a[0] + b[0]), short(a[1] + b[1])


def minus(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return short(a[0] - b[0]), short(a[1] - b[1])


def unit(phase: float) -> tuple[int, int]:
    """Return a point of the unit circle in units of 1/32767."""
    return math.floor(0.5 + 32767 * math.cos(phase)), math.floor(0.5 + 32767 * math.sin(phase))


def transform(x: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Fourier transform by decimation in time, radix 4, divided by its length."""
    n = len(x)
    if n == 1:
        return x
    m = n // 4
    quarters = [transform(x[q::4]) for q in range(4)]
    out = [(0, 0)] * n
    for k in range(m):
        a, b, c, d = (part(quarter[k], 4) for quarter in quarters)
        b, c, d = (product(y, unit(-2 * math.pi * q * k / n)) for q, y in ((1, b), (2, c), (3, d)))
        outer, inner = minus(a, c), minus(b, d)
        a, across = plus(a, c), plus(b, d)
        out[k] = plus(a, across)
        out[k + m] = plus(outer, (inner[1], short(-inner[0])))
        out[k + 2 * m] = minus(a, across)
        out[k + 3 * m] = minus(outer, (inner[1], short(-inner[0])))
    return out


def real_transform(x: list[int]) -> list[tuple[int, int]]:
    """Return the bins up to half the sample rate, by a complex transform of half the length."""
    half = len(x) // 2
    z = transform(list(zip(x[0::2], x[1::2], strict=True)))
    first = part(z[0], 2)
    bins = [(short(first[0] + first[1]), 0)] + [(0, 0)] * (half - 1) + [(short(first[0] - first[1]), 0)]
    for k in range(1, half // 2 + 1):
        low, high = part(z[k], 2), part((z[half - k][0], short(-z[half - k][1])), 2)
        even = plus(low, high)
        odd = product(minus(low, high), unit(-math.pi * (k / half + 0.5)))
        bins[k] = (short((even[0] + odd[0]) >> 1), short((even[1] + odd[1]) >> 1))
        bins[half - k] = (short((even[0] - odd[0]) >> 1), short((odd[1] - even[1]) >> 1))
    return bins


# ------------------------------------------------------------------------------------------------ filter bank


def mel(hz: Any) -> Any:
    """Frequency to mel, in single precision."""
    return single(1127) * single(math.log1p(float(single(hz) / single(700))))


def channel_weights(channels: int, low_hz: float, high_hz: float, fft_size: int) -> list[dict[int, int]]:
    """Return the weight, unit 1/4096, of each bin that a channel holds: triangles on the mel axis."""
    low, high = mel(low_hz), mel(high_hz)
    spacing = single(high - low) / single(channels + 1)
    peaks = [low, *(single(low + spacing * single(i + 1)) for i in range(channels + 1))]
    bin_hz = single(8000) / single(fft_size // 2)
    bank: list[dict[int, int]] = [{} for _ in range(channels + 2)]
    k = int(single(1.5) + single(low_hz) / bin_hz)
    for slope in range(channels + 1):
        # Between two peaks the upper channel rises as the lower one falls. Channel 0 of `bank` is cut off.
        below, above = peaks[slope], peaks[slope + 1]
        while mel(single(k) * bin_hz) <= above:
            share = single(above - mel(single(k) * bin_hz)) / single(above - below)
            bank[slope][k] = math.floor(share * single(4096) + single(0.5))
            bank[slope + 1][k] = math.floor((single(1) - share) * single(4096) + single(0.5))
            k += 1
    return bank[1:-1]


def level(bins: list[tuple[int, int]], weights: dict[int, int], shift: int) -> int:
    """Return the rounded root of the weighted energy of a channel, without the shift of its frame."""
    energy = 0
    for k, weight in weights.items():
        # Two full-scale halves overflow 31 bits; the sum is then carried on with its sign.
        power = wrap(bins[k][0] ** 2 + bins[k][1] ** 2, 32, signed=True)
        energy = wrap(energy + weight * power, 64, signed=False)
    root = math.isqrt(energy)
    largest = 0xFFFF if energy < 1 << 32 else 0xFFFFFFFF
    if energy - root * root > root and root != largest:
        root += 1
    return root >> shift


# ------------------------------------------------------------------------------------ gain and logarithm


def gain_at(noise: int, unit_bits: int, settings: dict[str, Any]) -> int:
    """Return the gain that the control aims at for a noise estimate, from its formula."""
    base = single(noise) / single(1 << unit_bits) + single(settings["pcan_offset"])
    power = single(math.pow(float(base), -float(single(settings["pcan_strength"]))))
    value = single(1 << settings["pcan_gain_bits"]) * power
    return 0x7FFF if value > 0x7FFF else int(value + single(0.5))


def gain(noise: int, unit_bits: int, settings: dict[str, Any]) -> int:
    """Return the gain for a noise estimate: a parabola through three points of the formula in each octave."""
    if noise <= 2:
        return gain_at(noise, unit_bits, settings)
    octave = noise.bit_length()
    start = 1 << (octave - 1)
    stop = (1 << 32) - 1 if octave == 32 else 2 * start
    y0, y1, y2 = (gain_at(x, unit_bits, settings) for x in (start, start + start // 2, stop))
    # Powers of the position in the octave, 0 to 1: y0 + slope * t + bend * t * t hits all three.
    slope = short(4 * (y1 - y0) - (y2 - y0))
    bend = short((y2 - y0) - (4 * (y1 - y0) - (y2 - y0)))
    t = (noise - start) * 1024 // start
    return short(y0 + ((((bend * t) >> 5) + (slope << 5)) * t + (1 << 14) >> 15))


def shrink(ratio: int) -> int:
    """Compress the ratio of signal to noise (unit 1/4096, result 1/64): quadratic below two, then linear."""
    if ratio < 2 << 12:
        return wrap(ratio * ratio, 32, signed=False) >> 20
    return (ratio >> 6) - 64


def logarithm(value: int, shift: int) -> int:
    """Return the natural logarithm, times two to the power of the shift, of an integer above one."""
    octave = value.bit_length() - 1
    fraction = (value << 16 >> octave) - (1 << 16)
    segment, within = divmod(fraction, 512)

    def bow(i: int) -> int:
        """How far the logarithm lies above its chord at a 128th of the octave."""
        return round((math.log2(1 + i / 128) - i / 128) * 65536)

    log2 = (octave << 16) + fraction + bow(segment) + ((bow(segment + 1) - bow(segment)) * within >> 16)
    natural = (45426 * log2 + 32768) >> 16
    return ((natural << shift) + 32768) >> 16


# ------------------------------------------------------------------------------------------------ all of it


def frames(samples: list[int], **changes: Any) -> list[list[int]]:
    """Return every whole feature frame of a signal.

    Parameters
    ----------
    samples : list of int
        16 kHz, 16 bits.
    **changes
        Settings that differ from :data:`DEFAULTS`, by the names that ``edge`` gives them too.
    """
    settings = DEFAULTS | changes
    size, step = 16 * settings["window_ms"], 16 * settings["step_ms"]
    fft_size = 1 << (size - 1).bit_length()
    excess_bits = fft_size.bit_length() - 1 - 6  # what the transform and the root of the weights leave over
    weights = window_weights(size)
    bank = channel_weights(settings["channels"], settings["lower_band_hz"], settings["upper_band_hz"], fft_size)
    shares = [int(single(settings[name]) * single(1 << 14)) for name in ("even_smoothing", "odd_smoothing")]
    least = int(single(settings["min_signal_remaining"]) * single(1 << 14))
    noise = [0] * settings["channels"]
    out = []
    for start in range(0, len(samples) - size + 1, step):
        windowed = [short(samples[start + i] * weights[i] >> 12) for i in range(size)]
        scaled, shift = scale_up(windowed)
        bins = real_transform(scaled + [0] * (fft_size - size))
        row = []
        for channel, bin_weights in enumerate(bank):
            heard = level(bins, bin_weights, shift)
            fine = wrap(heard << settings["smoothing_bits"], 32, signed=False)
            share = shares[channel % 2]
            noise[channel] = wrap((fine * share + noise[channel] * ((1 << 14) - share)) >> 14, 32, signed=False)
            left = (fine - min(noise[channel], fine)) >> settings["smoothing_bits"]
            clean = max(left, heard * least >> 14)
            if settings["pcan"]:
                factor = gain(noise[channel], settings["smoothing_bits"] - excess_bits, settings)
                ratio = clean * factor >> (settings["pcan_gain_bits"] - excess_bits - 12)
                clean = shrink(wrap(ratio, 32, signed=False))
            clean = wrap(clean << excess_bits, 32, signed=False)
            row.append(min(0xFFFF, logarithm(clean, settings["log_shift"])) if clean > 1 else 0)
        out.append(row)
    return out


# ------------------------------------------------------------------------------------------------ spectra


def power_spectra(samples: list[float], window: list[float], step: int, fft_size: int) -> list[list[float]]:
    """Return the power of every whole frame, from the sum that defines the Fourier transform, in double precision."""
    out = []
    for start in range(0, len(samples) - len(window) + 1, step):
        frame = [samples[start + i] * weight for i, weight in enumerate(window)]
        row = []
        for k in range(fft_size // 2 + 1):
            # The angle of i * k turns; whole turns are dropped before the cosine is taken.
            turns = [(i * k % fft_size) / fft_size for i in range(len(frame))]
            re = math.fsum(x * math.cos(2 * math.pi * turn) for x, turn in zip(frame, turns, strict=True))
            im = math.fsum(x * math.sin(2 * math.pi * turn) for x, turn in zip(frame, turns, strict=True))
            row.append(re * re + im * im)
        out.append(row)
    return out
