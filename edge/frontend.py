"""Streaming feature frontend: samples in, 40 integers every 10 ms out.

The numbers equal those of TensorFlow Lite for Microcontrollers' audio frontend, integer for integer,
whatever the sizes of the pushes. There is no other implementation in the project: training calls this.
"""

import numpy as np
import numpy.typing as npt

from edge import kernels
from edge.errors import FrontendError
from edge.frontend_tables import FFT_SIZE, FrontendSettings, build_tables

__all__ = ["FEATURE_SCALE", "FEATURE_ZERO_POINT", "Frontend", "quantise_features"]

FEATURE_SCALE = 26 / 256
"""Value of one step of a quantised feature: the networks see ``(q - FEATURE_ZERO_POINT) * FEATURE_SCALE``."""

FEATURE_ZERO_POINT = -128
"""The quantised feature that stands for 0."""


class Frontend:
    """Turn a stream of samples into feature frames.

    Frame *n* covers the samples ``[n * step, n * step + window)`` since the start or the last reset, and is
    returned by the push that completes it: nothing is padded, so the first frame needs a whole window (480
    samples with the default settings) and 100 frames come of each further second. The noise estimate
    starts at zero; the first second after a reset therefore has larger features than the same sound
    later. Training sees the same warm-up.

    Parameters
    ----------
    settings : FrontendSettings, optional
        What a feature is. The bundle carries the settings that its models were trained with.
    """

    def __init__(self, settings: FrontendSettings | None = None) -> None:
        self.settings = settings if settings is not None else FrontendSettings()
        self._tables = build_tables(self.settings)
        self._size = self.settings.window_samples
        self._step = self.settings.step_samples
        self._noise = np.zeros(self.settings.channels, np.uint32)
        self._work = np.zeros((3, FFT_SIZE), np.int16)
        self._pending: npt.NDArray[np.int16] = np.zeros(0, np.int16)
        self._closed = False

    def push(self, samples: npt.NDArray[np.int16]) -> npt.NDArray[np.uint16]:
        """Take samples, and return the frames that they complete.

        Parameters
        ----------
        samples : (n,) int16
            Any number of samples, 16 kHz.

        Returns
        -------
        (k, channels) uint16
            The completed frames, oldest first; ``k`` may be 0.

        Raises
        ------
        FrontendError
            If the samples are not one-dimensional int16, or the frontend has been closed.
        """
        if self._closed:
            raise FrontendError("frontend: got a push after close, expected none; make a new Frontend")
        if not isinstance(samples, np.ndarray) or samples.dtype != np.int16 or samples.ndim != 1:
            got = (
                f"{samples.dtype} of shape {samples.shape}"
                if isinstance(samples, np.ndarray)
                else type(samples).__name__
            )
            raise FrontendError(f"frontend: got {got}, expected int16 samples of shape (n,); convert them first")
        buffer = np.concatenate((self._pending, samples)) if self._pending.size else np.ascontiguousarray(samples)
        n_frames = max(0, (buffer.size - self._size) // self._step + 1)
        out = np.empty((n_frames, self.settings.channels), np.uint16)
        if n_frames:
            t = self._tables
            kernels.frontend_frames(
                buffer, n_frames, t.window, t.twiddles, t.real_twiddles, t.order, t.weights, t.unweights,
                t.edges, t.gain, t.log, t.scalars, self._noise, self._work, out,
            )  # fmt: skip
        self._pending = buffer[n_frames * self._step :].copy()
        return out

    def reset(self) -> None:
        """Forget all audio and the noise estimate, as if nothing had been pushed."""
        self._noise[:] = 0
        self._pending = np.zeros(0, np.int16)

    def close(self) -> None:
        """Refuse further pushes."""
        self._closed = True


def quantise_features(features: npt.NDArray[np.uint16]) -> npt.NDArray[np.int8]:
    """Quantise features as ESPHome does: 0 to 666 (26 in the unit of the networks) onto -128 to 127.

    Parameters
    ----------
    features : (..., channels) uint16
        Features as :meth:`Frontend.push` returns them.

    Returns
    -------
    (..., channels) int8
        ``(v * 256 + 333) // 666 - 128``, saturated.
    """
    scaled = (features.astype(np.int32) * 256 + 333) // 666 + FEATURE_ZERO_POINT
    return np.clip(scaled, -128, 127).astype(np.int8)
