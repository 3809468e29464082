"""The last seconds of the stream, addressed by absolute sample index."""

import numpy as np
import numpy.typing as npt

__all__ = ["Ring"]


class Ring:
    """Keep the newest samples of a stream, so that a later stage can look back.

    Parameters
    ----------
    capacity : int
        Samples that are kept.
    """

    def __init__(self, capacity: int) -> None:
        self._buffer = np.zeros(capacity, np.int16)
        self.head = 0
        """Samples written since the last reset; the index of the next one."""

    @property
    def tail(self) -> int:
        """Index of the oldest sample that is still kept."""
        return max(0, self.head - self._buffer.size)

    def write(self, samples: npt.NDArray[np.int16]) -> None:
        """Append samples ``(n,) int16``; the oldest ones give way."""
        capacity = self._buffer.size
        kept = samples[-capacity:]
        at = (self.head + samples.size - kept.size) % capacity
        first = min(kept.size, capacity - at)
        self._buffer[at : at + first] = kept[:first]
        self._buffer[: kept.size - first] = kept[first:]
        self.head += samples.size

    def read(self, start: int, stop: int) -> npt.NDArray[np.int16]:
        """Return a copy of the samples from ``start`` to before ``stop``, absolute indices.

        Raises
        ------
        ValueError
            If a part of them is gone, or has not come yet: a mistake of the caller, not of the input.
        """
        if not self.tail <= start <= stop <= self.head:
            raise ValueError(f"ring: got [{start}, {stop}), expected a part of [{self.tail}, {self.head})")
        at = start % self._buffer.size
        n = stop - start
        first = min(n, self._buffer.size - at)
        return np.concatenate((self._buffer[at : at + first], self._buffer[: n - first]))

    def reset(self) -> None:
        """Forget everything."""
        self.head = 0
