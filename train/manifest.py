"""``manifest.csv``: which columns it has, how a row is read, and how a manifest is written."""

import csv
import difflib
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from edge.errors import DataError
from train.atomic_file import put_bytes
from train.clip import Clip
from train.fault import Fault

__all__ = [
    "COLUMNS",
    "FILE_NAME",
    "KIND_PREFIX",
    "NOT_ONE_TALKER",
    "OPTIONAL_COLUMNS",
    "ROLES",
    "SOURCES",
    "SPLITS",
    "column_faults",
    "manifest_path",
    "read_rows",
    "to_clips",
    "write_rows",
]

FILE_NAME = "manifest.csv"

COLUMNS = ("path", "corpus", "speaker", "split", "role", "label", "seconds", "native_hz", "licence")
"""The columns that a manifest must have."""

OPTIONAL_COLUMNS = ("source", "device", "room", "loudspeaker", "sha256")
"""The columns that it may have: empty where they are missing. Any other column is ignored."""

SPLITS = ("train", "dev", "test")
ROLES = ("wake", "speech", "longform", "noise", "music")
SOURCES = ("live", "replay")

NOT_ONE_TALKER = frozenset({"", "many", "unknown"})
"""Speakers that are no ids, and so may be in every split."""

KIND_PREFIX = "class:"
"""Begins a device, room or loudspeaker that is a kind of thing and not one thing: two clips of ``class:low`` need not
have a loudspeaker in common."""

_SHA256 = re.compile("[0-9a-f]{64}")


def manifest_path(data_dir: Path | str) -> Path:
    """Return the path of the manifest of a data folder.

    Raises
    ------
    DataError
        If there is none.
    """
    path = Path(data_dir) / FILE_NAME
    if not path.is_file():
        raise DataError(
            f"{path}: no such manifest; expected a folder that holds {FILE_NAME} with the columns "
            f"{','.join(COLUMNS)}; check the path"
        )
    return path


def read_rows(manifest: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Read a manifest as text.

    Returns
    -------
    header : list of str
    rows : list of (int, dict)
        Line number (the last one, of a row over several lines), and the cells by column. A row that is too short
        lacks keys; one that is too long has the key ``""``.

    Raises
    ------
    DataError
        If a column is missing or comes twice, or if it is no CSV file in UTF-8.
    """
    try:
        with manifest.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream, restkey="")
            header = list(reader.fieldnames or ())
            missing = [column for column in COLUMNS if column not in header]
            if missing:
                raise DataError(
                    f"{manifest}: no column {', '.join(missing)}; expected a header with {','.join(COLUMNS)}"
                )
            twice = sorted({column for column in header if header.count(column) > 1})
            if twice:
                raise DataError(f"{manifest}: column {', '.join(twice)} comes twice; keep one of them")
            rows = [(reader.line_num, {key: cell for key, cell in row.items() if cell is not None}) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{manifest}: not a CSV file in UTF-8 ({error}); write it again") from error
    return header, rows


def column_faults(manifest: Path, header: list[str]) -> list[Fault]:
    """Find columns that are ignored although they look like one that is known, e.g. ``Loudspeaker``."""
    known = (*COLUMNS, *OPTIONAL_COLUMNS)
    faults = []
    for column in header:
        meant = difflib.get_close_matches(column.strip().lower(), known, n=1, cutoff=0.8)
        if column not in known and meant:
            faults.append(
                Fault("column", f"{manifest}: column {column!r} is ignored; rename it to {meant[0]!r} if it is that")
            )
    return faults


def _to_clip(row: Mapping[str, str], where: str, root: Path) -> Clip:
    def one_of(column: str, allowed: tuple[str, ...]) -> str:
        value = row.get(column, "")
        if value not in allowed:
            expected = ", ".join(name or "nothing" for name in allowed)
            raise DataError(f"{where}: {column} is {value!r}, expected one of {expected}; correct it")
        return value

    def number(column: str) -> float:
        try:
            value = float(row[column])
        except ValueError:
            value = float("nan")
        if not 0.0 < value < float("inf"):
            raise DataError(f"{where}: {column} is {row[column]!r}, expected a positive number; correct it")
        return value

    if any(column not in row for column in COLUMNS):
        raise DataError(f"{where}: the row is shorter than the header; correct it")
    if "" in row:
        raise DataError(f"{where}: the row is longer than the header; put text that holds commas into quotes")
    if not row["path"]:
        raise DataError(f"{where}: path is empty, expected a file below {root}; correct it")
    if not row["licence"].strip():
        raise DataError(
            f"{where}: {row['path']}: licence is empty; say under which licence this file may train a model, "
            "or take the row out"
        )
    sha256 = row.get("sha256", "")
    if sha256 and not _SHA256.fullmatch(sha256):
        raise DataError(f"{where}: sha256 is {sha256!r}, expected 64 hexadecimal digits in lower case; correct it")
    source = one_of("source", ("", *SOURCES))
    if source == "live" and row.get("loudspeaker"):
        raise DataError(
            f"{where}: source is 'live' and loudspeaker is {row['loudspeaker']!r}; a live clip has none: correct either"
        )
    return Clip(
        path=row["path"],
        file=root / row["path"],
        corpus=row["corpus"],
        speaker=row["speaker"],
        split=one_of("split", SPLITS),
        role=one_of("role", ROLES),
        label=row["label"],
        seconds=number("seconds"),
        native_hz=int(number("native_hz")),
        licence=row["licence"],
        source=source,
        device=row.get("device", ""),
        room=row.get("room", ""),
        loudspeaker=row.get("loudspeaker", ""),
        sha256=sha256,
    )


def to_clips(manifest: Path, rows: Iterable[tuple[int, Mapping[str, str]]]) -> tuple[list[Clip], list[Fault]]:
    """Turn rows into clips; each row is one clip or one fault.

    Parameters
    ----------
    manifest : Path
        For messages, and for the folder that the paths start from.
    rows : iterable of (int, mapping)
        As from :func:`read_rows`.
    """
    root = manifest.parent.resolve()
    clips: list[Clip] = []
    faults: list[Fault] = []
    for line, row in rows:
        try:
            clips.append(_to_clip(row, f"{manifest} line {line}", root))
        except DataError as error:
            faults.append(Fault("row", str(error)))
    return clips, faults


def write_rows(manifest: Path, header: Iterable[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write a manifest in one step, rows sorted by path: equal rows give equal bytes.

    Raises
    ------
    DataError
        If it cannot be written; a manifest that was there is still there.
    """
    columns = list(header)
    text = io.StringIO(newline="")
    ordered = sorted(rows, key=lambda row: row["path"])
    # Quoted throughout: a carriage return within a cell would otherwise end the row for whoever reads it.
    quoting = csv.QUOTE_ALL if any("\r" in cell for row in ordered for cell in row.values()) else csv.QUOTE_MINIMAL
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n", quoting=quoting)
    writer.writeheader()
    writer.writerows(ordered)
    put_bytes(manifest, text.getvalue().encode("utf-8"), durable=True)
