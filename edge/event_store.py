"""The event store of the daemon: what was answered, and how the daemon was, on the disk before it counts as told.

Whatever stops the device, the file opens again, and every event whose :meth:`EventStore.add` had returned is in it
(``tests/bench/store_faults.py``). A file that is damaged all the same is set aside, and a new one begins. There is one
writer of events, and any number of readers (:mod:`edge.event_reading`); the owner's commands delete and label beside.
"""

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, TypeVar

from edge.answers import Answer, Status
from edge.clock import clock_is_set
from edge.errors import StoreError
from edge.event_retention import damaged_files, keep_within, remove_damaged, set_aside, used_bytes
from edge.event_rows import COLUMNS, row_of
from edge.event_schema import check_tables, connect, failure, is_damage, migrate, store_error
from edge.lone_writer import lone_writer
from edge.state_folder import state_folder
from edge.strict_toml import Within

__all__ = ["FILE_NAME", "EventStore", "StoreSettings"]

T = TypeVar("T")

_log = logging.getLogger(__name__)

FILE_NAME = "events.sqlite3"
"""Name of the file in the folder of the daemon's state."""
_ENDINGS = (".sqlite3", ".sqlite", ".db")
_DAY_S = 86_400.0
_INSERT = f"INSERT OR IGNORE INTO event ({', '.join(COLUMNS)}, crc) VALUES ({', '.join('?' * len(COLUMNS))}, ?)"
_INSERT_FOLDER = "INSERT OR IGNORE INTO audio_folder VALUES (?)"


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Table ``[store]``: events that are kept on this device."""

    enabled: bool = True
    """Whether they are kept at all."""
    path: str = ""
    """File of the store; empty for ``events.sqlite3`` in the folder of the daemon's state."""
    max_age_days: Annotated[float, Within(0.0, 36_500.0)] = 90.0
    """Events that are older are deleted, days."""
    max_mb: Annotated[float, Within(4.0, 100_000.0)] = 64.0
    """What the file and its log may take on the disk, MB; the oldest events give way."""

    def __post_init__(self) -> None:
        """Refuse a name that may be that of any file: what is not a store there would be taken for a damaged one."""
        if self.path and not self.path.endswith(_ENDINGS):
            raise ValueError(f"path: got {self.path!r}, expected the name of a file that ends in {', '.join(_ENDINGS)}")

    @property
    def file(self) -> Path:
        """Path of the store."""
        return Path(self.path) if self.path else state_folder() / FILE_NAME


class EventStore:
    """A store, opened to add to it.

    Its methods may be called from any thread.

    Parameters
    ----------
    path : Path
        The file; it and its folder are made where they are missing, for their owner alone. A damaged file is renamed,
        which the log tells.

    Raises
    ------
    StoreError
        If it cannot be written, is another program's, was made by a newer vivavoce, or another daemon writes to it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._guard = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._last_status: tuple[object, ...] = ()
        self._folders: set[str] = set()
        self._lock = self._alone()
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let others write to it."""
        with self._guard:
            if self._connection is not None:
                # A full disk at the end changes nothing of what was committed.
                with contextlib.suppress(sqlite3.Error):
                    self._connection.close()
                self._connection = None
            self._lock.close()

    def __enter__(self) -> "EventStore":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let others write to it."""
        self.close()

    # ------------------------------------------------------------------------------------- opening

    def _alone(self) -> IO[bytes]:
        """Keep other daemons away: who sets a damaged file aside must know that nobody writes to it."""
        try:
            missing = [folder for folder in self.path.parents if not folder.exists()]
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in missing:
                _sync_folder(folder.parent)
            return lone_writer(self.path)
        except OSError as error:
            raise StoreError(
                f"{self.path}: cannot be written ({error.strerror}), expected a file for events; check its folder, or "
                "name another with store.path"
            ) from error

    def _open(self) -> None:
        try:
            self._connect()
        except sqlite3.Error as error:
            if not is_damage(error):
                raise store_error(self.path, error) from error
            self._begin_anew(error)

    def _connect(self) -> None:
        """Open the file, and look at every page of it: it is small, and damage is best found before it is added to.

        Raises
        ------
        StoreError
            If it is not ours to use.
        sqlite3.Error
            If it cannot be opened, or is damaged.
        """
        try:
            if self.path.exists() and not self.path.is_file():
                raise StoreError(f"{self.path}: got a folder or device, expected a file; name another with store.path")
            # SQLite would let others read it; its own files beside get the permissions of this one.
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise StoreError(
                f"{self.path}: cannot be written ({error.strerror}), expected a file for events; check its folder, or "
                "name another with store.path"
            ) from error
        connection = connect(self.path, writable=True)
        try:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(1)")]
            if found != ["ok"]:
                raise failure(found[0] if found else "nothing can be read", sqlite3.SQLITE_CORRUPT)
            migrate(connection, self.path)
            check_tables(connection)
            connection.executemany(_INSERT_FOLDER, [(name,) for name in self._folders])
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _begin_anew(self, error: sqlite3.Error) -> None:
        """Set the damaged file aside, and begin a new one."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
        try:
            kept = set_aside(self.path)
        except OSError as fault:
            raise StoreError(
                f"{self.path}: is damaged ({error}) and cannot be set aside ({fault.strerror}); move it away"
            ) from fault
        why = " ".join(str(error).split())
        _log.error("%s: is damaged (%s); it is kept as %s, and a new one begins", self.path, why, kept.name)
        self._last_status = ()
        try:
            self._connect()
        except sqlite3.Error as again:
            raise store_error(self.path, again) from again

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Work with the connection; where the file turns out to be damaged, once more with a new one.

        Raises
        ------
        StoreError
        """
        with self._guard:
            try:
                return work(self._open_connection())
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise store_error(self.path, error) from error
                self._begin_anew(error)
            try:
                return work(self._open_connection())
            except sqlite3.Error as error:
                raise store_error(self.path, error) from error

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"{self.path}: is closed, expected it to be open; open it again")
        return self._connection

    # ------------------------------------------------------------------------------------- writing

    def add(self, message: Answer | Status, audio: str = "") -> None:
        """Keep a message; when this returns it is on the disk. One that is there already is not added again.

        Parameters
        ----------
        message : Answer or Status
            Of statuses only those are kept in which something else changed than that sound is being played.
        audio : str
            Path of the sound that was kept of an answer.

        Raises
        ------
        StoreError
            If it cannot be written, e.g. because the disk is full; then it is not there.
        """
        status: tuple[object, ...] = ()
        if isinstance(message, Status):
            # Why a source is lost is told anew with every attempt.
            name = "" if message.source == "lost" else message.source_name
            status = (message.source, name, message.muted, message.words, message.bundle)
            if status == self._last_status:
                return
        row = row_of(message, audio)
        self._do(lambda connection: connection.execute(_INSERT, (*row, row.crc)).fetchall())
        if status:
            self._last_status = status

    def remember_folder(self, folder: Path) -> None:
        """Keep the name of a folder in which sound is kept, so that deleting finds what lies there.

        Raises
        ------
        StoreError
        """
        name = str(folder).encode(errors="replace").decode()
        self._do(lambda connection: connection.execute(_INSERT_FOLDER, (name,)))
        self._folders.add(name)  # for the file that takes the place of this one

    def retain(self, now_s: float, *, max_age_days: float, max_mb: float) -> int:
        """Delete what is too old and what is too much; return how many events.

        Raises
        ------
        StoreError
        """
        max_age_s = max_age_days * _DAY_S
        for old in damaged_files(self.path) if clock_is_set(now_s) else ():
            with contextlib.suppress(OSError):
                if old.stat().st_mtime < now_s - max_age_s:
                    remove_damaged(old)
        max_bytes = round(max_mb * 1e6)
        return self._do(
            lambda connection: keep_within(connection, now_s=now_s, max_age_s=max_age_s, max_bytes=max_bytes)
        )

    def size(self) -> tuple[int, int]:
        """Return how many events there are, and how many bytes hold them.

        Raises
        ------
        StoreError
        """

        def count(connection: sqlite3.Connection) -> tuple[int, int]:
            (events,) = connection.execute("SELECT count(*) FROM event").fetchone()
            return int(events), used_bytes(connection)[0]

        return self._do(count)


def _sync_folder(folder: Path) -> None:
    """Wait until names in a folder are on the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
