"""Slow twins of the features of Void and of the predictor's cepstrum, by definition, in plain Python.

They share no code with ``edge``. Where ``edge`` has a fast way, here is the other one: sines and cosines for the
transform, products in time for the autocorrelation, exact fractions for least squares, elimination for the
predictor, and the power series of the logarithm for its cepstrum. A frame takes 50 ms.
"""

import math
from fractions import Fraction
from typing import Any

__all__ = ["cepstrum", "correlation", "fitted", "peaks", "predictor", "segments", "solve", "void"]

DEFAULTS: dict[str, Any] = {
    "window": 372,
    "step": 93,
    "points": 1024,
    "segment_hz": 107.666,
    "low_segments": 48,
    "peak_share": 0.6,
    "fit_order": 6,
    "fit_points": 32,
    "predictor_order": 12,
    "predictor_floor_db": -90.0,
}
"""The settings of Void at 16 kHz: window and step in samples, points of the transform."""


def windowed_frames(samples: list[int], window: int, step: int) -> list[list[float]]:
    """Cut a signal without its mean into frames, under a periodic Hann window; full scale is 1."""
    mean = sum(samples) / len(samples) if samples else 0.0
    x = [(value - mean) / 32768 for value in samples]
    x += [0.0] * (window - len(x))
    out = []
    start = 0
    while start + window <= len(x):
        out.append([x[start + i] * (0.5 - 0.5 * math.cos(2 * math.pi * i / window)) for i in range(window)])
        start += step
    return out


def power_at(frame: list[float], turns: float) -> float:
    """Return the squared magnitude of the Fourier transform, at a frequency in turns a sample."""
    real = sum(x * math.cos(2 * math.pi * turns * i) for i, x in enumerate(frame))
    imaginary = sum(x * math.sin(2 * math.pi * turns * i) for i, x in enumerate(frame))
    return real**2 + imaginary**2


def segments(samples: list[int], **changes: Any) -> list[float]:
    """Return the mean power of each whole segment up to 8 kHz."""
    settings = DEFAULTS | changes
    points, width = settings["points"], settings["segment_hz"]
    bin_hz = 16000 / points
    frames = windowed_frames(samples, settings["window"], settings["step"])
    power = [sum(power_at(frame, b / points) for frame in frames) / len(frames) for b in range(points // 2 + 1)]
    out = []
    for s in range(math.floor(8000 / width)):
        inside = 0.0
        for b in range(1, points // 2 + 1):
            below, above = max(s * width, (b - 0.5) * bin_hz), min((s + 1) * width, (b + 0.5) * bin_hz)
            inside += power[b] * max(0.0, above - below) / bin_hz
        out.append(inside)
    return out


# ------------------------------------------------------------------------------------------------ groups


def correlation(x: list[float], y: list[float]) -> float:
    """Return Pearson's coefficient."""
    mx, my = sum(x) / len(x), sum(y) / len(y)
    shared = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    return shared / math.sqrt(sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y))


def solve(matrix: list[list[Fraction]], right: list[Fraction]) -> list[Fraction]:
    """Solve linear equations exactly, by elimination."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    n = len(rows)
    for i in range(n):
        chosen = next(k for k in range(i, n) if rows[k][i] != 0)
        rows[i], rows[chosen] = rows[chosen], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for k in range(n):
            if k != i and rows[k][i] != 0:
                rows[k] = [a - rows[k][i] * b for a, b in zip(rows[k], rows[i], strict=True)]
    return [row[n] for row in rows]


def polynomial(x: list[Fraction], y: list[float], order: int) -> list[Fraction]:
    """Return the coefficients, lowest first, of the polynomial that fits best (least squares), exactly."""
    normal = [[sum((a ** (i + k) for a in x), Fraction(0)) for k in range(order + 1)] for i in range(order + 1)]
    right = [sum((a**i * Fraction(b) for a, b in zip(x, y, strict=True)), Fraction(0)) for i in range(order + 1)]
    return solve(normal, right)


def linearity(shares: list[float]) -> tuple[float, float]:
    """Return rho and q of the cumulative power."""
    cumulative = [0.0]
    for share in shares:
        cumulative.append(cumulative[-1] + share)
    places = [Fraction(i, len(shares)) for i in range(len(shares) + 1)]
    rho = correlation([float(place) for place in places], cumulative)
    return rho, float(polynomial(places, cumulative, 2)[2])


def peaks(low: list[float], share: float, segment_hz: float) -> tuple[int, float, float]:
    """Return number, mean and standard deviation of the peaks, kHz."""
    found = []
    for i, value in enumerate(low):
        before = low[i - 1] if i > 0 else 0.0
        behind = low[i + 1] if i + 1 < len(low) else 0.0
        if value > before and value >= behind:
            found.append(i)
    if not found:
        return 0, 0.0, 0.0
    largest = max(low[i] for i in found)
    places = [(i + 0.5) * segment_hz / 1000 for i in found if low[i] >= share * largest]
    mean = sum(places) / len(places)
    return len(places), mean, math.sqrt(sum((place - mean) ** 2 for place in places) / len(places))


def fitted(low: list[float], order: int, points: int) -> list[float]:
    """Return the values of the best polynomial, evenly from the first to the last segment."""
    coefficients = polynomial([Fraction(i) for i in range(len(low))], low, order)
    at = [Fraction(len(low) - 1) * Fraction(i, points - 1) for i in range(points)]
    return [float(sum((c * x**k for k, c in enumerate(coefficients)), Fraction(0))) for x in at]


def predictor(series: list[float]) -> list[float]:
    """Return the coefficients of the linear predictor, from the normal equations."""
    r = [Fraction(value) for value in series]
    order = len(r) - 1
    matrix = [[r[abs(i - k)] for k in range(order)] for i in range(order)]
    return [float(value) for value in solve(matrix, r[1:])]


def cepstrum(coefficients: list[float], count: int) -> list[float]:
    """Return the cepstrum of 1/A from -log(A) = u + u^2/2 + u^3/3 + ..., where A = 1 - u."""
    u = [0.0, *coefficients, *[0.0] * count][: count + 1]
    power, out = [1.0] + [0.0] * count, [0.0] * (count + 1)
    for m in range(1, count + 1):
        power = [sum(power[k] * u[n - k] for k in range(n + 1)) for n in range(count + 1)]
        out = [a + b / m for a, b in zip(out, power, strict=True)]
    return out[1:]


# ------------------------------------------------------------------------------------------------ all of it


def void(samples: list[int], **changes: Any) -> list[float]:
    """Return the features of Void.

    Parameters
    ----------
    samples : list of int
        16 kHz, 16 bits.
    **changes
        Settings that differ from :data:`DEFAULTS`.
    """
    settings = DEFAULTS | changes
    order = settings["predictor_order"]
    powers = segments(samples, **changes)
    total = sum(powers)
    if total == 0:
        return [0.0] * (settings["low_segments"] + 5 + settings["fit_points"] + order)
    shares = [power / total for power in powers]
    low = shares[: settings["low_segments"]]
    frames = windowed_frames(samples, settings["window"], settings["step"])
    series = [
        sum(sum(frame[i] * frame[i + lag] for i in range(len(frame) - lag)) for frame in frames)
        for lag in range(order + 1)
    ]
    series[0] *= 1 + 10 ** (settings["predictor_floor_db"] / 10)
    return [
        *low,
        *linearity(shares),
        *peaks(low, settings["peak_share"], settings["segment_hz"]),
        *fitted(low, settings["fit_order"], settings["fit_points"]),
        *cepstrum(predictor(series), order),
    ]
