"""Whose voices, which loudspeakers, and which rooms a set of renderings is drawn from."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from train.clip import Clip

__all__ = ["Population"]

_HELD_OUT_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Population:
    """A population of renderings: three splits that need not be the same.

    So what a detector has seen in training can be taken away one thing at a time: the talkers, the loudspeakers, the
    rooms (with what sounds in them).

    Attributes
    ----------
    talkers, loudspeakers, rooms : str
        ``train``, ``dev`` or ``test``.
    kinds : tuple of str
        Kinds of loudspeakers that replay; empty for all.
    recordings : str
        Of the talkers: ``all``; or ``fitting`` and ``held_out``, which have none in common, so that talkers who were
        seen need not be measured on recordings that were.
    """

    talkers: str
    loudspeakers: str
    rooms: str
    kinds: tuple[str, ...] = ()
    recordings: Literal["all", "fitting", "held_out"] = "all"

    @classmethod
    def of_split(cls, split: str) -> "Population":
        """Return everything of one split."""
        return cls(split, split, split)

    @property
    def name(self) -> str:
        """Return a short name, for files."""
        if self == Population.of_split(self.talkers):
            return self.talkers
        parts = [self.talkers, self.loudspeakers, self.rooms, *self.kinds]
        return "-".join(parts if self.recordings == "all" else [*parts, self.recordings])

    def recordings_of(self, clips: list[Clip]) -> list[Clip]:
        """Return the recordings of its talkers.

        Parameters
        ----------
        clips : list of Clip
            Recordings of any split.
        """
        of_split = [clip for clip in clips if clip.split == self.talkers]
        if self.recordings == "all":
            return of_split
        return [clip for clip in of_split if _held_out(clip.path) == (self.recordings == "held_out")]


def _held_out(path: str) -> bool:
    """Decide by the path alone, so that no other recording moves it."""
    return hashlib.sha256(path.encode()).digest()[0] < 256 * _HELD_OUT_SHARE
