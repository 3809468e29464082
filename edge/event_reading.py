"""Reading the event store while the daemon writes to it, with no right to change anything where that is enough."""

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.errors import StoreError
from edge.event_rows import COLUMNS, StoredEvent, stored_event
from edge.event_schema import check_tables, connect, store_error, version_of

__all__ = ["EventReader", "Selection"]

_SELECT = (
    f"SELECT seq, {', '.join(f'event.{name}' for name in COLUMNS)}, crc, label, note "
    "FROM event LEFT JOIN label ON label.event_id = event.id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which events; what is not said is not asked for."""

    since_s: float | None = None
    """From this moment on, seconds since 1970, UTC."""
    before_s: float | None = None
    """Before this moment."""
    kind: str = ""
    """One of :data:`edge.event_rows.KINDS`."""
    word: str = ""
    """Id of the word, or its phrase, in any case."""
    action: str = ""
    """One of :data:`edge.answers.Action`."""
    reason: str = ""
    """A key of :data:`edge.policy.REASONS`."""
    audio: bool = False
    """Only those whose sound was kept."""
    label: bool = False
    """Only those that have a label."""
    after_seq: int = 0
    """Only those after this place."""

    def clause(self) -> tuple[str, list[object]]:
        """Return the condition in SQL, and its parameters."""
        told: list[tuple[str, list[object]]] = [("seq > ?", [self.after_seq])]
        if self.since_s is not None:
            told.append(("event.at_ms >= ?", [round(self.since_s * 1000)]))
        if self.before_s is not None:
            told.append(("event.at_ms < ?", [round(self.before_s * 1000)]))
        if self.kind:
            told.append(("kind = ?", [self.kind]))
        if self.word:
            told.append(("replace(lower(word), ' ', '_') = ?", ["_".join(self.word.lower().split())]))
        if self.action:
            told.append(("action = ?", [self.action]))
        if self.reason:
            told.append(("instr(reasons, ?)", [f" {self.reason} "]))
        if self.audio:
            told.append(("audio != ''", []))
        if self.label:
            told.append(("label IS NOT NULL", []))
        return " AND ".join(text for text, _ in told), [one for _, values in told for one in values]


class EventReader:
    """A store, opened for reading.

    Parameters
    ----------
    path : Path

    Raises
    ------
    StoreError
        If there is none, it cannot be read, or it is not one that this version knows.
    """

    def __init__(self, path: Path) -> None:
        path = path.resolve()  # the log lies beside the file itself
        self.path = path
        self.damaged = 0
        """Events that were left out so far, because what is in them is not what the daemon wrote."""
        if not path.exists():
            raise StoreError(
                f"{path}: there is no store of events; a daemon with [store] makes it, or name another with --store"
            )
        if not path.is_file():
            raise StoreError(f"{path}: got a folder or device, expected a store of events; name another with --store")
        try:
            self._connection = self._connect()
        except sqlite3.Error as error:
            raise store_error(path, error) from error
        try:
            self.empty = version_of(self._connection, path) == 0
            if not self.empty:
                check_tables(self._connection)
        except sqlite3.Error as error:
            self.close()
            raise store_error(path, error) from error
        except BaseException:
            self.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        """Open it as the daemon's neighbour; where that cannot be, and it is at rest, as a file that does not change.

        A database whose log is empty can be read by itself. Somebody else than its owner must read it so: files that
        SQLite makes beside it would belong to them, and keep the daemon out. root gives such files to the owner.
        """
        try:
            at_rest = os.stat(f"{self.path}-wal").st_size == 0
        except FileNotFoundError:
            at_rest = True
        if at_rest and os.geteuid() not in (0, self.path.stat().st_uid):
            return connect(self.path, writable=False, immutable=True)
        connection = connect(self.path, writable=False)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            connection.close()
            # Nor can SQLite make files on a disk that is mounted for reading only.
            if not at_rest or error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
            return connect(self.path, writable=False, immutable=True)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()

    def __enter__(self) -> "EventReader":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of it."""
        self.close()

    def events(self, selection: Selection, *, newest: int = 0) -> Iterator[StoredEvent]:
        """Yield events in the order in which they came; one that is damaged is counted, and left out.

        Parameters
        ----------
        selection : Selection
        newest : int
            Only so many, the last ones; 0 for all.

        Raises
        ------
        StoreError
            If the store itself is damaged; what could be read before was yielded.
        """
        if self.empty:
            return
        clause, values = selection.clause()
        query = f"{_SELECT} WHERE {clause} ORDER BY seq"
        if newest:
            query = f"SELECT * FROM ({query} DESC LIMIT ?) ORDER BY seq"
            values.append(newest)
        try:
            for row in self._connection.execute(query, values):
                try:
                    event = stored_event(row)
                except (ValueError, TypeError):
                    self.damaged += 1
                else:
                    yield event
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error

    def find(self, name: str) -> StoredEvent:
        """Return the event of an id.

        Raises
        ------
        StoreError
            If there is none, or it cannot be read.
        """
        if not self.empty:
            try:
                row = self._connection.execute(f"{_SELECT} WHERE id = ?", (name,)).fetchone()
                if row is not None:
                    return stored_event(row)
            except sqlite3.Error as error:
                raise store_error(self.path, error) from error
            except (ValueError, TypeError) as error:
                raise StoreError(
                    f"{self.path}: event {name} is damaged ({error}), expected what the daemon wrote"
                ) from error
        raise StoreError(
            f"{name}: there is no such event in {self.path}, expected the id of one; 'vivavoce events' lists them"
        )

    def count(self, selection: Selection) -> int:
        """Return how many events there are.

        Raises
        ------
        StoreError
        """
        clause, values = selection.clause()
        return self._number(f"SELECT count(*) FROM ({_SELECT} WHERE {clause})", values)

    def ids(self) -> frozenset[str]:
        """Return the ids of all events.

        Raises
        ------
        StoreError
        """
        return frozenset(self._texts("SELECT id FROM event"))

    def last_seq(self) -> int:
        """Return the place of the newest event; 0 if there is none.

        Raises
        ------
        StoreError
        """
        return self._number("SELECT max(seq) FROM event", [])

    def _number(self, query: str, values: list[object]) -> int:
        if self.empty:
            return 0
        try:
            (found,) = self._connection.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error
        return found or 0

    def audio_folders(self) -> list[Path]:
        """Return the folders in which sound of these events was kept.

        Raises
        ------
        StoreError
        """
        return [Path(name) for name in self._texts("SELECT path FROM audio_folder ORDER BY path")]

    def _texts(self, query: str) -> list[str]:
        if self.empty:
            return []
        try:
            return [row[0] for row in self._connection.execute(query)]
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error
