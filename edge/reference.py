"""What this device plays itself, heard beside the microphone, and the guard that compares the two."""

import logging
import threading

import numpy as np
import numpy.typing as npt

from edge.capture import Block, Capture, Ended, Lost, Opened
from edge.health import Health
from edge.live import LiveSource
from edge.playback_guard import GuardSettings, PlaybackGuard

__all__ = ["ReferenceGuard"]

_log = logging.getLogger(__name__)

_LOOK_S = 0.25


class ReferenceGuard:
    """Listen to the reference in a thread of its own, and judge words by it, in the sample indices of the session.

    Parameters
    ----------
    source : LiveSource
        What hears the reference.
    settings : GuardSettings
    gauges : dict
        Gets ``reference_up``: 1 while the reference is heard.
    """

    def __init__(self, source: LiveSource, settings: GuardSettings, gauges: dict[str, float]) -> None:
        self._guard = PlaybackGuard(settings)
        self._source = source
        self._gauges = gauges
        self._gauges["reference_up"] = 0.0
        # Index of the first sample that the guard knows, and how many it was given since.
        self._base = 0
        self._given = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="reference", daemon=True)

    @property
    def up(self) -> bool:
        """Whether the reference is heard."""
        return self._gauges["reference_up"] > 0

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def push(self, samples: npt.NDArray[np.int16]) -> None:
        """Take what the microphone heard, ``(n,) int16``, before the session does."""
        self._guard.push(samples)
        self._given += samples.size

    def skip(self, position: int) -> None:
        """Forget what was heard: the next sample of the microphone has this index, and follows on nothing."""
        self._guard.reset()
        self._base, self._given = position, 0

    def own(self, start: int, stop: int) -> bool:
        """Tell whether a word, by its samples in the session, is what the device plays."""
        return self._guard.judge(start - self._base, stop - self._base).own

    def close(self) -> None:
        """Stop to listen."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def _listen(self) -> None:
        capture = Capture(self._source, health=Health())
        try:
            while not self._closing.is_set():
                match capture.take(_LOOK_S):
                    case Block(samples=samples):
                        self._guard.push_reference(samples, self._given)
                    case Opened(name=name):
                        self._gauges["reference_up"] = 1.0
                        _log.info("comparing with what is played: %s", name)
                    case Lost(reason=reason, attempt=attempt):
                        self._gauges["reference_up"] = 0.0
                        if attempt == 1:
                            _log.error("what is played is not heard, nothing is compared: %s", reason)
                    case Ended():
                        self._gauges["reference_up"] = 0.0
                        _log.error("what is played is at its end, nothing is compared from now on")
        finally:
            capture.close()
