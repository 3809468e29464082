"""What the daemon offers to its sinks: how it is, what may be asked of it, and a gate for sound that others send."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge.answers import Answer, Status
from edge.bundle_parts import Word
from edge.bus import SinkCounts
from edge.events import Wake
from edge.health import Health

__all__ = ["House", "Session"]


class Session(Protocol):
    """The whole gate over one stream of sound, with the policy of the daemon; for one thread at a time."""

    def push(self, samples: npt.NDArray[np.int16]) -> Iterator[Wake | Answer]:
        """Take samples ``(n,) int16``, 16 kHz, and yield what they bring about.

        Answers have been published on the bus when they are yielded: who yields them need not.
        """

    def heard(self, word: str, score: float) -> Wake:
        """Take word of a detection that somebody else made in the sound that was pushed last; its answer follows.

        Parameters
        ----------
        word : str
            Id or phrase; may be a word that the bundle does not know.
        score : float
            Of the other detector, 0 to 1; 1 where it gives none.
        """

    def finish(self) -> Iterator[Answer]:
        """End the stream: yield the answers that were waited for."""

    def reset(self, *, native_rate_hz: int = 16_000) -> None:
        """Begin a new stream; sample indices begin at 0 again."""

    def close(self) -> None:
        """Let go of it: the house counts its sessions, and has room for a few only."""


class House(Protocol):
    """The daemon, as its sinks see it; everything here may be called from any thread."""

    health: Health
    """Counters of everything, for metrics."""

    @property
    def status(self) -> Status:
        """How it is now."""

    @property
    def words(self) -> tuple[Word, ...]:
        """Words that are listened for, with the cut-offs that are in force."""

    @property
    def sinks(self) -> dict[str, SinkCounts]:
        """What became of the messages for each sink, by its name."""

    def mute(self, muted: bool) -> None:
        """Turn the software mute on or off; a :class:`~edge.answers.Status` follows on the bus.

        Raises
        ------
        UsageError
            If a switch holds the mute that is to end.
        """

    def mute_switch(self, name: str, on: bool) -> None:
        """Tell how a switch is that mutes, by the name of the sink that has it; it wins over software."""

    def playing(self, playing: bool) -> None:
        """Say that this device begins or stops to play sound itself; a status follows on the bus."""

    def session(self, origin: str, *, words: tuple[str, ...] | None = None, listen: bool = True) -> Session:
        """Make a gate for sound that comes from elsewhere.

        Parameters
        ----------
        origin : str
            Who sends it: stands in the answers.
        words : tuple of str, optional
            Ids or phrases to listen for; those of the daemon by default.
        listen : bool
            False where somebody else detects the words, and tells with :meth:`Session.heard`.

        Raises
        ------
        UsageError
            If a word is not known, or there are too many sessions already.
        """
