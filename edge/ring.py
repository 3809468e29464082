"""The last seconds of a stream, addressed by absolute sample index."""

import numpy as np
import numpy.typing as npt

__all__ = ["Ring"]


class Ring:
    """Keep the newest samples of a stream, so that a later stage can look back.

    Memory is taken once; writing and reading copy at most two stretches.

    Parameters
    ----------
    capacity : int
        Samples that are kept, at least 1.

    Raises
    ------
    ValueError
        If the capacity is not positive.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"ring: got a capacity of {capacity} samples, expected at least 1")
        self._buffer = np.zeros(capacity, np.int16)
        self._head = 0

    @property
    def capacity(self) -> int:
        """Samples that are kept."""
        return self._buffer.size

    @property
    def head(self) -> int:
        """Samples written since the last reset; the index of the next one."""
        return self._head

    @property
    def tail(self) -> int:
        """Index of the oldest sample that is still kept."""
        return max(0, self._head - self._buffer.size)

    def write(self, samples: npt.NDArray[np.int16]) -> None:
        """Append samples ``(n,) int16``; the oldest ones give way.

        Raises
        ------
        ValueError
            If the samples are not one-dimensional int16, which would be stored as something else.
        """
        if samples.dtype != np.int16 or samples.ndim != 1:
            raise ValueError(f"ring: got {samples.dtype} of shape {samples.shape}, expected (n,) int16")
        size = len(self._buffer)
        at = self._head % size
        if at + len(samples) <= size:  # what comes 100 times a second, at a third of the instructions
            self._buffer[at : at + len(samples)] = samples
            self._head += len(samples)
            return
        kept = samples[-size:]
        at = (self._head + samples.size - kept.size) % size
        first = min(kept.size, size - at)
        self._buffer[at : at + first] = kept[:first]
        self._buffer[: kept.size - first] = kept[first:]
        self._head += samples.size

    def read(self, start: int, stop: int) -> npt.NDArray[np.int16]:
        """Return a copy ``(stop - start,) int16`` of the samples from `start` to before `stop`.

        Raises
        ------
        ValueError
            If a part of them is gone, or has not come yet: a mistake of the caller, not of the input.
        """
        if not self.tail <= start <= stop <= self._head:
            raise ValueError(f"ring: got [{start}, {stop}), expected a part of [{self.tail}, {self._head})")
        at = start % self._buffer.size
        n = stop - start
        first = min(n, self._buffer.size - at)
        return np.concatenate((self._buffer[at : at + first], self._buffer[: n - first]))

    def reset(self) -> None:
        """Forget everything; the next sample has index 0."""
        self._head = 0
