"""What a source of the daemon is: sound that comes by itself, and may go and come again."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["LiveItem", "LiveSource", "SoundLost", "WordHeard"]


@dataclass(frozen=True, slots=True)
class SoundLost:
    """Sound that was there and did not come: what follows does not join what came before."""

    samples: int
    """How much of it, at 16 kHz; 0 where something ended, and how much was missed means nothing."""
    reason: str
    """Why, in words."""


@dataclass(frozen=True, slots=True)
class WordHeard:
    """A wake word that the source detected itself, in the sound that it gave up to here."""

    word: str
    """Id or phrase; may be a word that the bundle does not know."""
    score: float
    """Of its detector, 0 to 1; 1 where it gives none."""


LiveItem: TypeAlias = npt.NDArray[np.int16] | SoundLost | WordHeard
"""What a source yields: blocks ``(n,) int16``, 16 kHz mono, and what happened between them."""


class LiveSource(Protocol):
    """An :class:`~edge.sources.AudioSource` that can be opened again after it failed.

    One that costs nothing to open again, and may be there at any moment, may have an attribute ``longest_retry_s``: the
    longest time until it is tried again, s. One that can end what ``blocks`` waits for has a method ``close``, which
    may be called from another thread. One that detects the words itself, and yields a :class:`WordHeard` for each, has
    an attribute ``hears_words`` that is true: then nobody else listens for words in its sound.
    """

    name: str
    """What listens, e.g. the name of a microphone."""
    native_rate_hz: int
    """Rate of the recording before resampling, Hz; known at the latest with the first block."""
    overflows: int
    """How often samples were lost since it was made, because nobody took them in time."""
    live: bool
    """Whether sound comes at its own pace, and is lost where nobody takes it; a file waits."""
    endless: bool
    """Whether an end is a fault after which it is opened again; the end of a file is the end of the daemon's work."""

    def blocks(self) -> Generator[LiveItem, None, None]:
        """Open it and yield blocks ``(n,) int16``, 16 kHz mono, as they come; closing the generator closes it.

        Called again after it ended or failed, it opens what is there then. A source that may have nothing to say for
        seconds yields an empty block now and then meanwhile: it works, it waits, and can be closed. One that knows how
        much sound was lost yields a :class:`SoundLost` in its place.

        Raises
        ------
        AudioError
            If it cannot be opened, or fails, and may be tried again. A source that has an end tells of a fault that
            will be there each time, as of a file that is cut short, in the log, and ends.
        """
