"""Where something was said, for judging it without a wake word."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from edge.endpoint import LOOK_BACK_SAMPLES, speech_span
from edge.ring import Ring
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["Utterances"]

_LOOK_EVERY = SAMPLE_RATE_HZ // 10
_PAUSE = (SAMPLE_RATE_HZ // 5, SAMPLE_RATE_HZ // 2)
"""Pause after which something was said, samples: a shorter one lies inside a word, and after a longer one too little of
it is left of what is looked at."""
_APART = SAMPLE_RATE_HZ * 3 // 10
"""Ends of two utterances are so far apart at least, samples: the end of one moves a little as what it is compared with
passes."""
_LONG = LOOK_BACK_SAMPLES - _PAUSE[0]
"""Speech without a pause that is judged before it ends, samples."""


class Utterances:
    """Cut a stream into what is judged: a window that ends shortly after somebody paused, or while they go on and on.

    Whether it is speech is not decided here: noise has its louder moments, too, and its quality says what it is.
    """

    def __init__(self) -> None:
        self._ring = Ring(LOOK_BACK_SAMPLES)
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._ring.reset()
        self._last = -_LONG

    def push(self, samples: npt.NDArray[np.int16]) -> Iterator[tuple[int, npt.NDArray[np.int16]]]:
        """Take samples ``(n,) int16``, and yield where each window ends, and the window ``(m,) int16``."""
        while samples.size:
            piece = samples[: _LOOK_EVERY - self._ring.head % _LOOK_EVERY]
            samples = samples[piece.size :]
            self._ring.write(piece)
            if self._ring.head % _LOOK_EVERY == 0 and self._ready():
                yield self._ring.head, self._ring.read(self._ring.tail, self._ring.head)

    def _ready(self) -> bool:
        tail, head = self._ring.tail, self._ring.head
        span = speech_span(self._ring.read(tail, head), latest=True)
        end = tail + span.stop
        paused = _PAUSE[0] <= head - end <= _PAUSE[1] and end - self._last >= _APART
        on_and_on = span.stop - span.start >= _LONG and end - self._last >= _LONG
        if paused or on_and_on:
            self._last = end
        return paused or on_and_on
