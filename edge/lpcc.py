"""Cepstrum of a linear predictor: the envelope of a spectrum in a dozen numbers.

Everything here is in double precision. The equations of a predictor are as ill-conditioned as the spectrum is
uneven: speech recorded over a telephone has 60 dB between its strongest and its weakest bands, and the recursion
loses as many digits as that ratio has. Single precision has seven; nothing would be left.

References
----------
.. [1] J. Makhoul, "Linear prediction: a tutorial review", Proc. IEEE 63(4), 1975: the autocorrelation method, Durbin's
   recursion, and the predictor as a fit to the spectrum.
.. [2] L. Rabiner and B.-H. Juang, "Fundamentals of Speech Recognition", Prentice Hall 1993, section 3.3: from
   predictor to cepstrum.
"""

import numpy as np
import numpy.typing as npt

from edge.errors import FrontendError

__all__ = ["autocorrelation", "levinson_durbin", "predictor_cepstrum"]

_PERFECT = 1e-13
"""An error of this share of the signal's power is the rounding of the recursion: nothing is left to predict."""


def autocorrelation(power: npt.NDArray[np.float64], lags: int) -> npt.NDArray[np.float64]:
    """Compute the autocorrelation of a real signal from its power spectrum.

    Parameters
    ----------
    power : (bins,) float64
        Squared magnitude of a transform of ``2 * (bins - 1)`` points, 0 Hz to half the sample rate, not negative.
        A signal of `size` samples needs at least ``size + lags - 1`` points, or its end meets its beginning.
    lags : int
        How many lags, from 0; at most ``bins``.

    Returns
    -------
    (lags,) float64
        Sum of products of the signal with itself, the lag later.

    Raises
    ------
    FrontendError
        If there are more lags than the spectrum holds.
    """
    if power.ndim != 1 or not 1 <= lags <= power.size:
        raise FrontendError(
            f"autocorrelation: got {lags} lags of a spectrum of shape {power.shape}, expected 1 to as many lags as "
            "the spectrum has bins; ask for fewer, or use a longer transform"
        )
    series: npt.NDArray[np.float64] = np.fft.irfft(power.astype(np.float64))[:lags]
    return series


def levinson_durbin(series: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], float]:
    """Solve for the linear predictor whose error has the least power.

    Parameters
    ----------
    series : (order + 1,) float64
        Autocorrelation at the lags 0 to `order`.

    Returns
    -------
    (order,) float64
        ``a`` in the prediction ``x[t] = a[0] x[t-1] + a[1] x[t-2] + ...``. All poles of the filter that belongs to it
        lie within the unit circle.
    float
        Power of the error, in the unit of the autocorrelation. Where it reaches 0 before the last order (a pure tone
        does at the second), the signal is predicted perfectly, and the recursion ends. Silence has coefficients of 0.

    Raises
    ------
    FrontendError
        If the numbers are not an autocorrelation: none, not finite, or larger than at lag 0.
    """
    r = np.asarray(series, np.float64)
    if r.ndim != 1 or r.size < 1 or not np.isfinite(r).all() or np.abs(r).max() > r[0]:
        raise FrontendError(
            f"linear predictor: got numbers of shape {r.shape}, not all finite and within the first, "
            "expected the autocorrelation of a signal, from lag 0; compute it from samples that are finite"
        )
    a = np.zeros(r.size - 1)
    error = float(r[0])
    for i in range(a.size):
        if error <= _PERFECT * r[0]:
            break
        reflection = (r[i + 1] - a[:i] @ r[i:0:-1]) / error
        a[:i] -= reflection * a[:i][::-1].copy()
        a[i] = reflection
        error *= 1.0 - reflection * reflection
    return a, max(error, 0.0)


def predictor_cepstrum(predictor: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    """Compute the cepstrum of the all-pole filter of a predictor.

    Parameters
    ----------
    predictor : (order,) float64
        As :func:`levinson_durbin` returns it.
    count : int
        How many coefficients, from the first; the zeroth holds nothing but the level.

    Returns
    -------
    (count,) float64
        ``c[n-1]`` is the sum over all poles ``p`` of ``p**n / n``.
    """
    a = np.zeros(count)
    a[: predictor.size] = predictor[:count]
    c = np.zeros(count)
    for n in range(1, count + 1):
        k = np.arange(1, n)
        c[n - 1] = a[n - 1] + (k * c[k - 1]) @ a[n - k - 1] / n
    return c
