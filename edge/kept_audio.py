"""Sound of answers that the owner asked to keep: a file each, for its owner alone, for a limited time.

::

    FOLDER/0w3k5d8m2q7x1b9c.flac        the word of one answer and some sound before it, named by the answer's id

Nothing is kept unless the settings say so. A file is whole or not there; the row of the event follows its file.
"""

import io
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Literal

import numpy as np
import numpy.typing as npt

from edge.answers import Answer, new_id
from edge.clock import clock_is_set
from edge.errors import StoreError, UsageError
from edge.files import write_whole
from edge.sample_time import SAMPLE_RATE_HZ
from edge.state_folder import state_folder
from edge.strict_toml import Within

__all__ = ["FOLDER_NAME", "AudioSettings", "KeptAudio", "kept_files", "remove_audio"]

FOLDER_NAME = "audio"
"""Name of the folder in that of the daemon's state."""
_NAME = re.compile(r"[0-9a-z]{16}\.flac")
_UNFINISHED = re.compile(r"\.[0-9a-z]{16}\.flac\.tmp")
"""As :func:`edge.files.write_whole` calls what is being written."""
_TIME_DIGITS = 9
"""Of an id: names begin with their time, and sort as it does."""
_DAY_S = 86_400.0
_DECISIONS = {"accept": "accepted", "reject": "rejected", "unsure": "unsure"}
_ONLY_OWNER = 0o077
_Kept = Literal["none", "accepted", "rejected", "unsure", "all"]


@dataclass(frozen=True, slots=True)
class AudioSettings:
    """Table ``[audio]``: sound that is kept on this device; none unless the owner asks for it."""

    keep: _Kept | tuple[_Kept, ...] = ()
    """Of which decisions about the sound: "none", "accepted", "rejected", "unsure", "all", or an array of several."""
    path: str = ""
    """Folder; empty for ``audio`` in the folder of the daemon's state."""
    max_age_days: Annotated[float, Within(0.0, 36_500.0)] = 14.0
    """Sound that is older is deleted, days."""
    max_mb: Annotated[float, Within(1.0, 1e6)] = 200.0
    """What the files may take together, MB; the oldest give way."""

    @property
    def kept(self) -> frozenset[str]:
        """Of which decisions sound is kept: ``accept``, ``reject``, ``unsure``."""
        named = {self.keep} if isinstance(self.keep, str) else set(self.keep)
        return frozenset(decision for decision, name in _DECISIONS.items() if named & {name, "all"})

    @property
    def folder(self) -> Path:
        """Path of the folder."""
        return (Path(self.path) if self.path else state_folder() / FOLDER_NAME).absolute()


class KeptAudio:
    """The folder, opened to add to it.

    Parameters
    ----------
    settings : AudioSettings
    named_by : str, optional
        The setting or option that names the folder, for messages.
    """

    def __init__(self, settings: AudioSettings, *, named_by: str = "audio.path") -> None:
        self._settings = settings
        self._named_by = named_by
        self.folder = settings.folder

    @property
    def enabled(self) -> bool:
        """Whether any sound is kept."""
        return bool(self._settings.kept)

    def open(self) -> None:
        """Make the folder, for its owner alone, and remove what was being written when the program was killed.

        Raises
        ------
        UsageError
            If it is there, and others may look into it.
        StoreError
            If it cannot be made or written.
        """
        folder = self.folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            mode = stat.S_IMODE(folder.stat().st_mode)
            if mode & _ONLY_OWNER:
                raise UsageError(
                    f"{folder}: got a folder that others may use (mode {mode:o}), expected 700: sound of this home "
                    f"would lie there; give it to nobody else (chmod 700), or name another with {self._named_by}"
                )
            _remove_unfinished(folder)
        except OSError as error:
            raise _unwritable(folder, error) from error

    def wanted(self, answer: Answer) -> bool:
        """Tell whether the sound of an answer is to be kept."""
        return answer.pre_roll.size > 0 and answer.decision in self._settings.kept

    def keep(self, answer: Answer) -> Path:
        """Keep the sound of an answer: :meth:`put` by its id."""
        return self.put(answer.id, answer.pre_roll)

    def put(self, name: str, sound: npt.NDArray[np.int16]) -> Path:
        """Keep sound, and return its file; the oldest files give way to it.

        Parameters
        ----------
        name : str
            An id of :func:`edge.answers.new_id`.
        sound : (n,) int16
            16 kHz.

        Raises
        ------
        StoreError
            If it cannot be written; then it is not there at all.
        """
        import soundfile

        # Encoded in memory: an encoder that writes to a full disk does not always say so.
        content = io.BytesIO()
        soundfile.write(content, sound, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
        path = self.folder / f"{name}.flac"
        if not _NAME.fullmatch(path.name):
            raise StoreError(f"{path}: got an answer of the id {name!r}, expected one of edge.answers.new_id")

        def write(file: IO[bytes]) -> None:
            os.fchmod(file.fileno(), 0o600)
            file.write(content.getbuffer())

        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # somebody may have removed it meanwhile
            self._make_room(content.getbuffer().nbytes)
            write_whole(path, write, durable=True, one_writer=True)
        except OSError as error:
            raise _unwritable(path, error) from error
        return path

    def retain(self, now_s: float) -> int:
        """Delete what is too old and what is too much; return how many files.

        Raises
        ------
        StoreError
            If something cannot be deleted.
        """
        old = 0
        if clock_is_set(now_s):
            old = remove_audio(self.folder, before_s=now_s - self._settings.max_age_days * _DAY_S)
        try:
            return old + self._make_room(0)
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def _make_room(self, more_bytes: int) -> int:
        """Delete the oldest files until there is room for more, within what is permitted."""
        sizes = {path: path.stat().st_size for path in kept_files(self.folder)}
        over = sum(sizes.values()) + more_bytes - round(self._settings.max_mb * 1e6)
        gone = 0
        for path, size in sizes.items():
            if over <= 0:
                break
            path.unlink(missing_ok=True)
            over -= size
            gone += 1
        return gone

    def size(self) -> tuple[int, int]:
        """Return how many files there are, and how many bytes they have.

        Raises
        ------
        StoreError
        """
        try:
            sizes = [path.stat().st_size for path in kept_files(self.folder)]
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        return len(sizes), sum(sizes)


def kept_files(folder: Path, *, before_s: float | None = None, ids: frozenset[str] | None = None) -> Iterator[Path]:
    """Yield the files of kept sound in a folder, oldest first; nothing else that lies there, and no links.

    Parameters
    ----------
    folder : Path
        Where there is none, there are no files.
    before_s : float, optional
        Only what was before this moment, seconds since 1970, UTC.
    ids : frozenset of str, optional
        Only what belongs to these events.

    Raises
    ------
    OSError
        If the folder is there and cannot be read.
    """
    limit = None if before_s is None else new_id(before_s)[:_TIME_DIGITS]
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name for entry in entries if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
            ]
    except FileNotFoundError:
        return
    for name in sorted(names):
        if (limit is None or name[:_TIME_DIGITS] < limit) and (ids is None or Path(name).stem in ids):
            yield folder / name


def remove_audio(folder: Path, *, before_s: float | None = None, ids: frozenset[str] | None = None) -> int:
    """Delete kept sound, of which events is chosen as in :func:`kept_files`; return how many files.

    Raises
    ------
    StoreError
        If one cannot be deleted.
    """
    gone = 0
    try:
        for path in kept_files(folder, before_s=before_s, ids=ids):
            path.unlink(missing_ok=True)
            gone += 1
        if before_s is None and ids is None:
            _remove_unfinished(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return gone


def _remove_unfinished(folder: Path) -> None:
    for path in folder.glob(".*.flac.tmp"):
        if _UNFINISHED.fullmatch(path.name) and not path.is_symlink():
            path.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path}: cannot be written ({error.strerror}), expected a folder for kept sound; free some space, or check "
        "its permissions"
    )
