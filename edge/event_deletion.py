"""What the owner wants gone: events, the sound that was kept of them, and damaged stores that were set aside."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from edge.errors import StoreError
from edge.event_reading import EventReader, Selection
from edge.event_retention import damaged_files, erase, remove_damaged
from edge.event_schema import connect, migrate, store_error
from edge.kept_audio import kept_files, remove_audio
from edge.moments import shown_moment

__all__ = ["Deletion"]


class Deletion:
    """A choice of events, to be counted and deleted.

    Parameters
    ----------
    path : Path
        The store.
    folders : sequence of Path
        Folders of kept sound, beside those that the store knows.
    before_s : float, optional
        Only what was before this moment, seconds since 1970, UTC.
    ids : tuple of str
        Only these events, if there are any.
    only_audio : bool
        Whether the events stay, and their sound goes.

    Raises
    ------
    StoreError
        If there is no store, it cannot be read, or an id is not in it.
    """

    def __init__(
        self,
        path: Path,
        *,
        folders: Sequence[Path] = (),
        before_s: float | None = None,
        ids: tuple[str, ...] = (),
        only_audio: bool = False,
    ) -> None:
        self.path = path.resolve()
        self._before_s = before_s
        self._ids = ids
        self._only_audio = only_audio
        self.left: list[str] = []
        """What may still hold some of it, a line each."""
        # Sound, and what was set aside, may be left of a store that is not there any more.
        self._there = path.exists() or bool(ids) or not (folders or damaged_files(path))
        known: list[Path] = []
        if self._there:
            with EventReader(path) as reader:
                for name in ids:
                    reader.find(name)
                known = reader.audio_folders()
        self._folders = sorted({*folders, *known})

    def counted(self) -> tuple[int, int, int]:
        """Return how many events, files of sound and damaged stores would be deleted.

        Raises
        ------
        StoreError
            If they cannot be read.
        """
        events = 0
        if self._there and not self._only_audio:
            with EventReader(self.path) as reader:
                events = len(self._ids) or reader.count(Selection(before_s=self._before_s))
        try:
            files = sum(
                len(list(kept_files(folder, before_s=self._before_s, ids=self._chosen()))) for folder in self._folders
            )
        except OSError as error:
            raise StoreError(f"{error.filename}: cannot be read ({error.strerror}); check its permissions") from error
        return events, files, len(self._damaged())

    def _chosen(self) -> frozenset[str] | None:
        return frozenset(self._ids) or None

    def _damaged(self) -> list[Path]:
        """Return the damaged stores that hold nothing but what is to go."""
        if self._only_audio or self._ids:
            return []
        limit = self._before_s
        return [path for path in damaged_files(self.path) if limit is None or path.stat().st_mtime < limit]

    def run(self) -> tuple[int, int, int]:
        """Delete them; return how many events, files of sound and damaged stores.

        Raises
        ------
        StoreError
            If something cannot be deleted; deleting again goes on.
        """
        # Sound first: while its event is there, an interrupted deletion can be seen, and given again.
        files = sum(remove_audio(folder, before_s=self._before_s, ids=self._chosen()) for folder in self._folders)
        if self._only_audio:
            return 0, files, 0
        damaged = self._damaged()
        try:
            for path in damaged:
                remove_damaged(path)
        except OSError as error:
            raise StoreError(f"{error.filename}: cannot be deleted ({error.strerror}); delete it yourself") from error
        events = self._erase()
        self.left = [
            f"{path}: is damaged, was last written at {shown_moment(path.stat().st_mtime)}, and may hold such events; "
            "delete it with --all"
            for path in damaged_files(self.path)
        ]
        return events, files, len(damaged)

    def _erase(self) -> int:
        if not self._there:
            return 0
        before_ms = None if self._before_s is None else round(self._before_s * 1000)
        try:
            connection = connect(self.path, writable=True)
            try:
                migrate(connection, self.path)
                return erase(connection, before_ms=before_ms, ids=self._ids)
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error
