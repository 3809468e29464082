"""What leaves the event store: what is old, what is too much, and what the owner wants gone for good."""

import contextlib
import datetime
import glob
import os
import sqlite3
from pathlib import Path

from edge.clock import clock_is_set
from edge.event_schema import CHECKPOINT_PAGES, PAGE_BYTES, failure

__all__ = ["damaged_files", "erase", "keep_within", "remove_damaged", "set_aside", "used_bytes"]

_FULL, _FILLED = 0.9, 0.8
"""Shares of the permitted size: at the first the oldest events leave, until the second is left. The rest is for the
write-ahead log, and for what comes before somebody looks again."""
_BATCH_BYTES = CHECKPOINT_PAGES * PAGE_BYTES // 2
_DELETE = "DELETE FROM event WHERE seq IN (SELECT seq FROM event"
_MOST_DAMAGED = 3
"""Damaged files that are kept: a broken disk must not be filled with them."""


def used_bytes(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the bytes of the database that hold something, and those of the whole file."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return (pages - free) * PAGE_BYTES, pages * PAGE_BYTES


def keep_within(connection: sqlite3.Connection, *, now_s: float, max_age_s: float, max_bytes: int) -> int:
    """Delete events that are too old, and the oldest while there are too many.

    Parameters
    ----------
    connection : sqlite3.Connection
    now_s : float
        Seconds since 1970, UTC.
    max_age_s : float
    max_bytes : int
        What the database and its write-ahead log may take on the disk.

    Returns
    -------
    int
        How many were deleted.

    Raises
    ------
    sqlite3.Error
    """
    used, _ = used_bytes(connection)
    (rows,) = connection.execute("SELECT count(*) FROM event").fetchone()
    # A few at a time: all pages that one transaction changes are in the log at once.
    batch = max(1, round(_BATCH_BYTES * rows / max(used, 1)))
    gone = 0
    if clock_is_set(now_s):
        before_ms = round((now_s - max_age_s) * 1000)
        while found := connection.execute(f"{_DELETE} WHERE at_ms < ? LIMIT ?)", (before_ms, batch)).rowcount:
            gone += found
        used, _ = used_bytes(connection)
    if used > _FULL * max_bytes:
        while used > _FILLED * max_bytes:
            found = connection.execute(f"{_DELETE} ORDER BY seq LIMIT ?)", (batch,)).rowcount
            if not found:
                break
            gone += found
            used, _ = used_bytes(connection)
    if used_bytes(connection)[1] > max_bytes:
        # The permitted size was lowered. Without room for the copy that this makes, the file stays as large as it is.
        with contextlib.suppress(sqlite3.OperationalError):
            _compact(connection)
    return gone


def erase(connection: sqlite3.Connection, *, before_ms: int | None = None, ids: tuple[str, ...] = ()) -> int:
    """Delete events for good: overwritten in the database, and gone from the write-ahead log.

    Parameters
    ----------
    connection : sqlite3.Connection
        A writable one.
    before_ms : int, optional
        Only what was before, milliseconds since 1970; by default everything.
    ids : tuple of str
        Only these, if there are any.

    Returns
    -------
    int
        How many were deleted.

    Raises
    ------
    sqlite3.Error
        ``SQLITE_BUSY`` if another process reads all the while, so that the log cannot be emptied yet.
    """
    if ids:
        marks = ",".join("?" * len(ids))
        gone = connection.execute(f"DELETE FROM event WHERE id IN ({marks})", ids).rowcount
    elif before_ms is None:
        gone = connection.execute("DELETE FROM event").rowcount
    else:
        gone = connection.execute("DELETE FROM event WHERE at_ms < ?", (before_ms,)).rowcount
    _compact(connection)
    return gone


def _compact(connection: sqlite3.Connection) -> None:
    """Write the database anew, without what is not in it any more, and empty the log."""
    connection.execute("VACUUM")
    (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise failure("another process reads an older state of it", sqlite3.SQLITE_BUSY)


def set_aside(path: Path) -> Path:
    """Rename a damaged database and its log, so that a new one can begin; return the new name.

    Only a few are kept: the oldest beyond them are deleted.

    Raises
    ------
    OSError
        If they cannot be renamed.
    """
    # To the microsecond: names sort as their times do, and no two are the same.
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    target = path.with_name(f"{path.name}.damaged-{stamp}")
    # The log first: without it the database that is left behind is damaged still, and is set aside the next time.
    for suffix in ("-wal", "-journal", ""):
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{target}{suffix}")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{path}-shm")
    for old in damaged_files(path)[:-_MOST_DAMAGED]:
        remove_damaged(old)
    return target


def damaged_files(path: Path) -> list[Path]:
    """Return what was set aside of a database, oldest first, without the logs beside."""
    found = path.parent.glob(f"{glob.escape(path.name)}.damaged-*")
    return sorted(one for one in found if not one.name.endswith(("-wal", "-journal", "-shm")))


def remove_damaged(path: Path) -> None:
    """Delete a database that was set aside, and its logs."""
    for suffix in ("-wal", "-journal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}{suffix}")
