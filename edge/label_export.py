"""Labelled answers whose sound was kept, as a folder for training.

::

    DIR/manifest.csv                    one row a recording, for 'vivavoce train --data DIR'
    DIR/live/0w3k5d8m2q7x1b9c.flac      a person spoke: the owner said so
    DIR/replay/0w3k5d8m2q7x1b9d.flac    a loudspeaker did

What the daemon itself decided is no label, and is not looked at. Rows of other corpora in the manifest stay.
"""

import hashlib
import io
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from edge.errors import DataError
from edge.event_rows import StoredEvent
from edge.files import read_file, write_whole
from edge.manifest_file import (
    COLUMNS,
    FILE_NAME,
    OPTIONAL_COLUMNS,
    SOURCES,
    SPLITS,
    read_manifest,
    write_manifest,
)
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["CORPUS", "Export", "Facts", "export_labelled"]

_PATH = re.compile(rf"({'|'.join(SOURCES)})/[0-9a-z]{{16}}\.flac")
CORPUS = "home"
"""Value of the column ``corpus``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the store does not know of the recordings."""

    speaker: str = "unknown"
    """Id of the only person who spoke; ``"unknown"`` is nobody's."""
    split: str = "train"
    """One of :data:`edge.manifest_file.SPLITS`."""
    licence: str = "of this home, for its own use"
    """Under which licence they may train a network."""


@dataclass(slots=True)
class Export:
    """What became of the labels."""

    written: int = 0
    """Recordings that are in the folder, of these labels."""
    silent: int = 0
    """Labels whose sound was not kept, or was deleted."""
    faults: list[str] = field(default_factory=list)
    """What is wrong with sound that cannot be used, a line each."""


def export_labelled(events: Iterable[StoredEvent], known: frozenset[str], out: Path, facts: Facts) -> Export:
    """Bring a folder up to date with the labels.

    A recording whose answer has left the store since it was exported stays. One whose label was changed moves, and one
    whose label was taken away goes.

    Parameters
    ----------
    events : iterable of StoredEvent
        Those that have a label.
    known : frozenset of str
        Ids of all events that are in the store.
    out : Path
        The folder; made if it is not there.
    facts : Facts
        Of recordings that are new; what is there keeps its own.

    Raises
    ------
    DataError
        If the folder holds something that cannot be added to, or cannot be written.
    """
    found = Export()
    if facts.split not in SPLITS or not facts.speaker.strip() or not facts.licence.strip():
        raise DataError(
            f"{out}: got speaker {facts.speaker!r}, split {facts.split!r}, licence {facts.licence!r}, expected a name, "
            f"one of {', '.join(SPLITS)}, and some text; correct it"
        )
    manifest = out / FILE_NAME
    header, rows = _manifest(manifest)
    old = {_id_of(row): row for row in rows if row["corpus"] == CORPUS}
    kept = [row for row in rows if row["corpus"] != CORPUS or _id_of(row) not in known]
    new: list[dict[str, str]] = []
    labelled = list(events)
    try:
        if labelled and not out.exists():
            out.mkdir(mode=0o700, parents=True)  # sound of this home: for nobody else on this device
        for event in labelled:
            had = old.get(event.id)
            row = _exported(event, had, out, facts, found)
            if row is not None:
                new.append(row)
        if new or rows:
            write_manifest(manifest, header, [*kept, *new])
        listed = {row["path"] for row in (*kept, *new)}
        for row in old.values():
            # Only what is named as this module names it: a row may name anybody's file.
            if row["path"] not in listed and _PATH.fullmatch(row["path"]):
                (out / row["path"]).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"{error.filename or out}: cannot be written ({error.strerror}), expected space and the right to; what was "
            "there before is still there: give the same command again"
        ) from error
    return found


def _manifest(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    every = [*COLUMNS, *OPTIONAL_COLUMNS]
    if not path.exists():
        return every, []
    found = read_manifest(path, remedy="correct it, or give --out another folder; nothing was changed")
    # Every row is written again: none may be left out.
    for misfit in found.misfits:
        raise DataError(misfit)
    return [*found.header, *(one for one in every if one not in found.header)], [row for _, row in found.rows]


def _id_of(row: Mapping[str, str]) -> str:
    return PurePosixPath(row["path"]).stem


def _exported(
    event: StoredEvent, had: Mapping[str, str] | None, out: Path, facts: Facts, found: Export
) -> dict[str, str] | None:
    """Bring the recording of one label up to date, and return its row; None if there is no sound of it."""
    path = f"{event.label}/{event.id}.flac"
    if had is not None and had["path"] == path and (out / path).is_file():
        found.written += 1
        return dict(had)
    places = [Path(event.audio)] if event.audio else []
    if had is not None and _PATH.fullmatch(had["path"]):
        places.append(out / had["path"])
    place = next((one for one in places if os.path.lexists(one)), None)
    if place is None:
        found.silent += 1
        return None
    try:
        content = read_file(place)
        seconds = _length_s(content)
        label = _label(event)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        found.faults.append(f"{place}: cannot be used ({why}), expected what the daemon kept; its label is left out")
        return None
    write_whole(out / path, lambda file: file.write(content), durable=True, one_writer=True)
    found.written += 1
    row = {
        "path": path,
        "corpus": CORPUS,
        "speaker": facts.speaker,
        "split": facts.split,
        "role": "wake",
        "label": label,
        "seconds": f"{seconds:.3f}",
        "native_hz": str(SAMPLE_RATE_HZ),
        "licence": facts.licence,
        "source": event.label,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    if had is not None:
        # Moved, because its label changed; what the owner corrected in the manifest stays.
        loudspeaker = had.get("loudspeaker", "") if event.label != "live" else ""
        row = {**had, "path": path, "source": event.label, "sha256": row["sha256"], "loudspeaker": loudspeaker}
    return row


def _length_s(content: bytes) -> float:
    """Return the length of a recording; it is decoded to its end.

    Raises
    ------
    ValueError
        If it cannot be decoded, or is not as the daemon keeps it.
    """
    import soundfile

    try:
        samples, rate_hz = soundfile.read(io.BytesIO(content), dtype="int16", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise ValueError(str(error)) from error
    if rate_hz != SAMPLE_RATE_HZ or samples.shape[1] != 1 or not len(samples):
        raise ValueError(f"{len(samples)} samples of {samples.shape[1]} channels at {rate_hz} Hz")
    return len(samples) / float(SAMPLE_RATE_HZ)


def _label(event: StoredEvent) -> str:
    """Return the phrase as labels of recordings are written."""
    label = " ".join(str(event.record.get("phrase", "")).casefold().split())
    if not label or not label.isprintable():
        raise ValueError(f"its phrase is {event.record.get('phrase')!r}")
    return label
