"""Streaming feature frontend: samples in, 40 integers every 10 ms out.

The numbers equal those of TensorFlow Lite for Microcontrollers' audio frontend, integer for integer,
whatever the sizes of the pushes. There is no other implementation in the project: training calls this.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from edge import native
from edge.errors import FrontendError
from edge.frontend_tables import ENERGIES_SIZE, FEATURE_TOP, WORK_SIZE, FrontendSettings, build_tables
from edge.samples import INT16, wrong_samples

__all__ = [
    "FEATURE_SCALE",
    "FEATURE_TOP",
    "FEATURE_ZERO_POINT",
    "QUANTISED_FEATURES",
    "Frontend",
    "quantise_features",
]

_SMALL_FRAMES = 8
"""Frames of a push that is copied into a buffer whose address is known; of a larger one the address is looked up."""

FEATURE_SCALE = 26 / 256
"""Value of one step of a quantised feature: the networks see ``(q - FEATURE_ZERO_POINT) * FEATURE_SCALE``."""

FEATURE_ZERO_POINT = -128
"""The quantised feature that stands for 0."""

# It costs a tenth of the instructions of the formula.
QUANTISED_FEATURES: npt.NDArray[np.int8] = np.minimum(
    (np.arange(FEATURE_TOP + 1) * 256 + FEATURE_TOP // 2) // FEATURE_TOP + FEATURE_ZERO_POINT, 127
).astype(np.int8)
"""What :func:`quantise_features` gives for every feature up to the top, ``(FEATURE_TOP + 1,) int8``; all beyond are
alike."""


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
        self._size = self.settings.window_samples
        self._step = self.settings.step_samples
        tables = build_tables(self.settings)
        channels = self.settings.channels
        self._noise = np.zeros(channels, np.uint32)
        self._buffer = np.zeros(self._size + (_SMALL_FRAMES - 1) * self._step, np.int16)
        self._out = np.zeros((_SMALL_FRAMES, channels), np.uint16)
        self._filled = 0
        self._closed = False
        # Kept, because the kernel knows nothing but their addresses.
        self._arrays = (
            tables.block, tables.scalars, self._noise,
            np.zeros(WORK_SIZE, np.int16), np.zeros(ENERGIES_SIZE, np.int32), np.zeros(channels + 1, np.uint64),
        )  # fmt: skip
        self._kernel = native.kernels().functions["frontend_frames"]
        self._input = self._buffer.ctypes.data
        self._output = self._out.ctypes.data
        self._addresses = tuple(array.ctypes.data for array in self._arrays)

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
        if not isinstance(samples, np.ndarray) or samples.dtype != INT16 or samples.ndim != 1:
            raise wrong_samples("frontend", samples)
        size = len(samples)
        if self._filled + size <= len(self._buffer):
            return self._take(samples, size)
        # Much at once: the kernel reads it from where it is, and computes all frames in one call.
        heard = (
            np.concatenate((self._buffer[: self._filled], samples)) if self._filled else np.ascontiguousarray(samples)
        )
        n_frames = (len(heard) - self._size) // self._step + 1
        out = np.empty((n_frames, self.settings.channels), np.uint16)
        self._kernel(heard.ctypes.data, n_frames, *self._addresses, out.ctypes.data)
        left = heard[n_frames * self._step :]
        self._filled = len(left)
        self._buffer[: self._filled] = left
        return out

    def _take(self, samples: npt.NDArray[np.int16], size: int) -> npt.NDArray[np.uint16]:
        """Take no more samples than there is room for."""
        filled = self._filled + size
        self._buffer[self._filled : filled] = samples
        n_frames = max(0, (filled - self._size) // self._step + 1)
        if n_frames:
            self._kernel(self._input, n_frames, *self._addresses, self._output)
            used = n_frames * self._step
            filled -= used
            self._buffer[:filled] = self._buffer[used : used + filled]
        self._filled = filled
        return self._out[:n_frames].copy()

    def reset(self) -> None:
        """Forget all audio and the noise estimate, as if nothing had been pushed."""
        self._noise[:] = 0
        self._filled = 0

    def close(self) -> None:
        """Refuse further pushes."""
        self._closed = True

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy goes on from: addresses and compiled code are of this process, and this object, only."""
        heard = self._buffer[: self._filled].copy()
        return {"settings": self.settings, "noise": self._noise.copy(), "heard": heard, "closed": self._closed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make a copy of its own, that goes on where the other one was."""
        self.__init__(state["settings"])  # type: ignore[misc]
        self._noise[:] = state["noise"]
        self._filled = len(state["heard"])
        self._buffer[: self._filled] = state["heard"]
        self._closed = state["closed"]


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
    return QUANTISED_FEATURES.take(features, mode="clip")
