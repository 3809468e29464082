"""The tables of the event store, and how a connection to them is made: SQLite with a write-ahead log.

================  ==========================================================================================
``event``         one row an answer or a status, in the order in which they came: what is searched for in
                  columns, and the whole public form (``to_dict``) as JSON; with a CRC-32 of all of it, as SQLite
                  finds damage of what holds the rows together, and not of what is in them
``label``         what the owner says of an answer: ``live`` or ``replay``
``audio_folder``  folders in which sound was kept, so that it can be found again to be deleted
================  ==========================================================================================

A commit is on the disk when it returns (``synchronous=FULL``): NORMAL saves the wait, and loses the last minutes when
the power fails, just those that one asks about. There are a few events an hour, so that the wait costs nothing
(``results/store_faults.json`` has it). Deleted content is overwritten (``secure_delete``).
"""

import sqlite3
from pathlib import Path

from edge.errors import StoreError
from edge.event_rows import COLUMNS

__all__ = [
    "APPLICATION_ID",
    "CHECKPOINT_PAGES",
    "MIGRATIONS",
    "PAGE_BYTES",
    "check_tables",
    "connect",
    "failure",
    "is_damage",
    "migrate",
    "store_error",
    "version_of",
]

APPLICATION_ID = 0x76697661
"""In the header of the file ("viva"): databases of other programs are left alone."""
PAGE_BYTES = 4096
CHECKPOINT_PAGES = 64
"""Pages in the write-ahead log, after which they are moved into the database: the log stays small."""
_PATIENCE_S = 10.0
"""How long a connection waits while another one writes, s."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE event (
            seq INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            at_ms INTEGER NOT NULL,
            kind TEXT NOT NULL,
            word TEXT NOT NULL,
            action TEXT NOT NULL,
            reasons TEXT NOT NULL,
            record TEXT NOT NULL,
            audio TEXT NOT NULL,
            crc INTEGER NOT NULL)""",
        "CREATE INDEX event_at ON event (at_ms)",
        """CREATE TABLE label (
            event_id TEXT PRIMARY KEY REFERENCES event (id) ON DELETE CASCADE,
            label TEXT NOT NULL CHECK (label IN ('live', 'replay')),
            note TEXT NOT NULL,
            at_ms INTEGER NOT NULL)""",
        "CREATE TABLE audio_folder (path TEXT PRIMARY KEY)",
    ),
)
"""What makes each version of the schema from the one before it; the number of a version is in ``user_version``."""
_EVERYTHING = (
    f"SELECT seq, {', '.join(COLUMNS)}, crc FROM event LIMIT 0",
    "SELECT event_id, label, note, at_ms FROM label LIMIT 0",
    "SELECT path FROM audio_folder LIMIT 0",
)
"""What is read and written of the newest version."""


def connect(path: Path, *, writable: bool, immutable: bool = False) -> sqlite3.Connection:
    """Open a database that is there.

    Parameters
    ----------
    path : Path
    writable : bool
        Whether it will be written to.
    immutable : bool
        For reading only: nobody writes, so that no locks are needed.

    Returns
    -------
    sqlite3.Connection
        In autocommit; for several threads, one at a time.

    Raises
    ------
    sqlite3.Error
        If it cannot be opened.
    """
    uri = f"{path.absolute().as_uri()}?mode={'rw' if writable else 'ro'}{'&immutable=1' if immutable else ''}"
    connection = sqlite3.connect(uri, uri=True, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
    try:
        # Of a damaged file, too, everything that can be read is text.
        connection.text_factory = lambda content: content.decode(errors="replace")
        pragmas = ["trusted_schema=OFF", "cell_size_check=ON", "foreign_keys=ON"]
        if writable:
            pragmas += [
                f"page_size={PAGE_BYTES}",
                "journal_mode=WAL",
                "synchronous=FULL",
                "secure_delete=ON",
                f"wal_autocheckpoint={CHECKPOINT_PAGES}",
                f"journal_size_limit={CHECKPOINT_PAGES * PAGE_BYTES}",
            ]
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the schema; 0 where there are no tables yet.

    Raises
    ------
    StoreError
        If it is a database of another program, or of a newer vivavoce.
    sqlite3.Error
        If it cannot be read.
    """
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if owner != APPLICATION_ID and (owner or version or tables):
        raise StoreError(f"{path}: got a database of another program, expected events of vivavoce; name another file")
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path}: got a store of version {version}, expected at most {len(MIGRATIONS)}; update vivavoce, or name "
            "another file"
        )
    return int(version)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the tables to the newest version, each step wholly or not at all.

    Raises
    ------
    StoreError, sqlite3.Error
        See :func:`version_of`.
    """
    if version_of(connection, path) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again: another process may have done it meanwhile.
        for number in range(version_of(connection, path), len(MIGRATIONS)):
            for statement in MIGRATIONS[number]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={number + 1}")
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def check_tables(connection: sqlite3.Connection) -> None:
    """Check that the tables are those of the version that the file says it has.

    Raises
    ------
    sqlite3.Error
        ``SQLITE_CORRUPT`` if something is missing.
    """
    try:
        for query in _EVERYTHING:
            connection.execute(query).fetchall()
    except sqlite3.OperationalError as error:
        if _code(error) != sqlite3.SQLITE_ERROR:
            raise
        raise failure(str(error), sqlite3.SQLITE_CORRUPT) from error


def is_damage(error: sqlite3.Error) -> bool:
    """Tell whether an error means that the file is damaged, and not that something else is missing."""
    return _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def failure(text: str, code: int) -> sqlite3.Error:
    """Return an error as SQLite would make it, for what it reports in another way."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


def store_error(path: Path, error: sqlite3.Error) -> StoreError:
    """Return what to raise for an error of SQLite: one line that says what to do."""
    remedies = {
        sqlite3.SQLITE_CORRUPT: "the daemon sets it aside, and begins a new one, when it is started again",
        sqlite3.SQLITE_NOTADB: "the daemon sets it aside, and begins a new one, when it is started again",
        sqlite3.SQLITE_FULL: "free some space on the disk",
        sqlite3.SQLITE_BUSY: "another process writes to it; try again",
        sqlite3.SQLITE_LOCKED: "another process writes to it; try again",
        sqlite3.SQLITE_READONLY: "run this as the user whom it belongs to",
        sqlite3.SQLITE_CANTOPEN: "check the path and its permissions, or run this as the user whom it belongs to",
        sqlite3.SQLITE_PERM: "run this as the user whom it belongs to",
    }
    remedy = remedies.get(_code(error), "check the disk")
    return StoreError(f"{path}: cannot be used ({error}), expected a store of events; {remedy}")


def _code(error: sqlite3.Error) -> int:
    """Return the primary code; 0 for an error that SQLite itself did not make."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
