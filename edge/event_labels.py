"""What the owner says of answers: that a person spoke, or a loudspeaker did."""

import sqlite3
import time
from pathlib import Path

from edge.errors import UsageError
from edge.event_reading import EventReader
from edge.event_rows import StoredEvent
from edge.event_schema import connect, migrate, store_error
from edge.manifest_file import SOURCES

__all__ = ["NO_LABEL", "set_label"]

NO_LABEL = "none"
"""Takes a label away."""
_LONGEST_NOTE = 500


def set_label(path: Path, name: str, label: str, note: str = "") -> StoredEvent:
    """Label an answer, in place of what its label was, and return it as it is then.

    Parameters
    ----------
    path : Path
        The store.
    name : str
        Id of the answer.
    label : str
        One of :data:`edge.manifest_file.SOURCES`, or :data:`NO_LABEL`.
    note : str
        What else the owner knows of it.

    Raises
    ------
    UsageError
        If it is no answer, the label is none, or the note is too long.
    StoreError
        If there is no such event, or the store cannot be written.
    """
    if label not in (*SOURCES, NO_LABEL):
        raise UsageError(f"label: got {label!r}, expected one of {', '.join((*SOURCES, NO_LABEL))}; correct it")
    if len(note) > _LONGEST_NOTE:
        raise UsageError(f"--note: got {len(note)} characters, expected at most {_LONGEST_NOTE}; shorten it")
    with EventReader(path) as reader:
        if reader.find(name).kind != "answer":
            raise UsageError(
                f"{name}: got a change of the daemon's state, expected an answer; 'vivavoce events' lists them"
            )
    try:
        connection = connect(path, writable=True)
        try:
            migrate(connection, path)
            if label == NO_LABEL:
                connection.execute("DELETE FROM label WHERE event_id = ?", (name,))
            else:
                connection.execute(
                    "INSERT OR REPLACE INTO label (event_id, label, note, at_ms) VALUES (?, ?, ?, ?)",
                    (name, label, note, round(time.time() * 1000)),
                )
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise store_error(path, error) from error
    with EventReader(path) as reader:
        return reader.find(name)
