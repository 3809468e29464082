"""Linear filters: from a magnitude response to taps, and fast application of several in a row."""

import numpy as np
import numpy.typing as npt
import scipy.fft

from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["apply_responses", "minimum_phase_fir", "smooth_random_curve_db"]

_CEPSTRUM_POINTS = 4096
_MIN_GAIN_DB = -80.0


def minimum_phase_fir(
    frequency_hz: npt.NDArray[np.floating], gain_db: npt.NDArray[np.floating], taps: int
) -> npt.NDArray[np.float32]:
    """Realise a magnitude response as a minimum-phase FIR filter.

    By folding the real cepstrum (Oppenheim and Schafer, Discrete-Time Signal Processing, section 13.5): a
    loudspeaker or a microphone is close to minimum phase, and neither rings before the sound.

    Parameters
    ----------
    frequency_hz : float array, shape (k,)
        Ascending, above 0. The response is interpolated in log frequency and constant outside.
    gain_db : float array, shape (k,)
    taps : int
        Length of the result.

    Returns
    -------
    float32 array, shape (taps,)
    """
    bins_hz = np.fft.rfftfreq(_CEPSTRUM_POINTS, 1.0 / SAMPLE_RATE_HZ)
    bins_hz[0] = bins_hz[1] / 4
    level = np.interp(np.log(bins_hz), np.log(frequency_hz), gain_db)
    log_gain = np.maximum(level, _MIN_GAIN_DB) * (np.log(10.0) / 20.0)
    cepstrum = np.fft.irfft(log_gain)
    half = _CEPSTRUM_POINTS // 2
    cepstrum[1:half] *= 2.0
    cepstrum[half + 1 :] = 0.0
    impulse = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)))[:taps]
    fade = taps // 4
    impulse[taps - fade :] *= np.cos(np.linspace(0.0, np.pi / 2, fade)) ** 2
    return impulse.astype(np.float32)


def apply_responses(
    samples: npt.NDArray[np.float32], *responses: npt.NDArray[np.float32], delay: int = 0
) -> npt.NDArray[np.float32]:
    """Convolve with several responses in a row and keep the length.

    Parameters
    ----------
    samples : float32 array, shape (n,)
    responses : float32 arrays, each of shape (k,)
    delay : int
        Samples to drop at the start: the sum of the delays of the responses.

    Returns
    -------
    float32 array, shape (n,)
        Samples ``delay`` to ``delay + n`` of the convolution.
    """
    total = samples.size + sum(response.size - 1 for response in responses)
    # Only the first n + delay samples are kept, so what wraps around may land behind them.
    size = scipy.fft.next_fast_len(max(total, samples.size + delay), real=True)
    spectrum = scipy.fft.rfft(samples, size)
    for response in responses:
        spectrum *= scipy.fft.rfft(response, size)
    result: npt.NDArray[np.float32] = scipy.fft.irfft(spectrum, size)[delay : delay + samples.size]
    return result.astype(np.float32, copy=False)


def smooth_random_curve_db(
    rng: np.random.Generator, octaves: npt.NDArray[np.floating], sd_db: float, correlation_octaves: float
) -> npt.NDArray[np.float64]:
    """Draw a smooth random curve over log frequency, such as the ripple of a small loudspeaker.

    Parameters
    ----------
    rng : numpy.random.Generator
    octaves : float array, shape (k,)
        Base-2 logarithm of the frequencies, ascending.
    sd_db : float
        Standard deviation, dB.
    correlation_octaves : float
        Standard deviation of the Gaussian with which white noise is smoothed, octaves.

    Returns
    -------
    float64 array, shape (k,)
    """
    distance = (octaves[:, None] - octaves[None, :]) / correlation_octaves
    kernel = np.exp(-0.5 * distance**2)
    kernel /= np.sqrt((kernel**2).sum(axis=1, keepdims=True))
    curve: npt.NDArray[np.float64] = sd_db * (kernel @ rng.standard_normal(octaves.size))
    return curve
