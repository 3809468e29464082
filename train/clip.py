"""One recording of a corpus, as a row of the manifest describes it."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Clip"]


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording of the corpus.

    Attributes
    ----------
    path : str
        As in the manifest: relative to the data folder, with forward slashes. Identifies the clip.
    file : Path
        Where the file is on this machine.
    corpus, speaker : str
        Where it comes from and who speaks. Speaker ids count within their corpus; ``""``, ``"many"`` and
        ``"unknown"`` are no ids.
    split : str
        One of :data:`train.manifest.SPLITS`.
    role : str
        One of :data:`train.manifest.ROLES`.
    label : str
        The phrase that is said, or ``""``.
    seconds : float
        Duration.
    native_hz : int
        Sample rate of the original recording.
    licence : str
        Licence under which it may be used.
    source : str
        One of :data:`train.manifest.SOURCES`: ``live`` where a person spoke into the microphone, ``replay`` where a
        loudspeaker did; ``""`` where the manifest does not say, and for what is no speech.
    device, room, loudspeaker : str
        What recorded it, where, and what played it; ids count within their corpus, ``""`` is unknown. An id that
        begins with ``class:`` names a kind of thing, not one thing.
    sha256 : str
        Of the bytes of the file, in hexadecimal, or ``""``.
    """

    path: str
    file: Path
    corpus: str
    speaker: str
    split: str
    role: str
    label: str
    seconds: float
    native_hz: int
    licence: str
    source: str = ""
    device: str = ""
    room: str = ""
    loudspeaker: str = ""
    sha256: str = ""

    @property
    def word(self) -> str:
        """Id of the phrase, e.g. ``smart_mirror`` for "smart mirror"."""
        return self.label.replace(" ", "_")

    @property
    def talker(self) -> str:
        """Id of the speaker that is unique over corpora, e.g. ``gsc/ab12``."""
        return f"{self.corpus}/{self.speaker}"
