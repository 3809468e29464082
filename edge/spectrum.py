"""Short-time power spectra of real signals, float32: what every liveness cue begins with."""

import numpy as np
import numpy.typing as npt

__all__ = ["power_spectra"]


def power_spectra(
    samples: npt.NDArray[np.float32], window: npt.NDArray[np.float32], *, step: int, fft_size: int
) -> npt.NDArray[np.float32]:
    """Compute the power of windowed, zero-padded frames of a real signal.

    Parameters
    ----------
    samples : (n,) float32
    window : (size,) float32
        Weights of the frame; ``size`` is at most `fft_size`.
    step : int
        Distance of two frames, samples.
    fft_size : int
        Points of the transform, a power of two.

    Returns
    -------
    ((n - size) // step + 1, fft_size // 2 + 1) float32
        Squared magnitude of each bin, 0 Hz to half the sample rate; no frames if the signal is shorter than one.
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, window.size)[::step]
    spectra = np.fft.rfft(frames * window, fft_size, axis=1)
    power: npt.NDArray[np.float32] = (spectra.real**2 + spectra.imag**2).astype(np.float32)
    return power
