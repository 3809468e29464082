"""``manifest.csv``: its columns, and how it is read and written, by ``vivavoce collect`` and by training.

One row is one recording. What its cells may hold is for :mod:`train.manifest` to say: here they are text.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edge.errors import DataError
from edge.files import read_file, write_whole

__all__ = [
    "COLUMNS",
    "FILE_NAME",
    "NOT_ONE_TALKER",
    "OPTIONAL_COLUMNS",
    "ROLES",
    "SOURCES",
    "SPLITS",
    "Manifest",
    "read_manifest",
    "write_manifest",
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


_LONGEST = 4096
"""Characters of a cell: more is no path on Linux, and no line to read."""


@dataclass(slots=True)
class Manifest:
    """A manifest as text.

    Attributes
    ----------
    path : Path
    header : list of str
        Names of the columns, each once.
    rows : list of (int, dict)
        Line number (the last one, of a row over several lines), and the cells by column.
    misfits : list of str
        For each row that has not as many cells as there are columns, or a cell that is endless, and so is not among
        `rows`: what is wrong.
    """

    path: Path
    header: list[str]
    rows: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    misfits: list[str] = field(default_factory=list)


def read_manifest(path: Path, *, remedy: str = "correct it") -> Manifest:
    """Read a manifest. Blank lines are none; a byte order mark, which spreadsheets write, is no part of a name.

    Parameters
    ----------
    path : Path
    remedy : str
        What to do about a fault, as the end of a sentence.

    Raises
    ------
    DataError
        If it cannot be read, a column is missing or comes twice, or if it is no CSV file in UTF-8.
    """
    try:
        text = read_file(path).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}), expected a file; {remedy}") from error
    except UnicodeDecodeError as error:
        raise _no_csv(path, str(error), remedy) from error
    if "\0" in text:
        raise _no_csv(path, f"line {text.count(chr(10), 0, text.index(chr(0))) + 1} holds a NUL byte", remedy)
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(lines, [])
        _check_header(path, header, remedy)
        found = Manifest(path, header)
        known = [at for at, column in enumerate(header) if column in (*COLUMNS, *OPTIONAL_COLUMNS)]
        for cells in lines:
            where = f"{path} line {lines.line_num}"
            if cells and len(cells) != len(header):
                found.misfits.append(
                    f"{where}: got {len(cells)} cells, expected {len(header)} as in the header; put text that holds "
                    f"commas into quotes, or {remedy}"
                )
            elif endless := [header[at] for at in known if cells and len(cells[at]) > _LONGEST]:
                found.misfits.append(
                    f"{where}: {endless[0]} has more than {_LONGEST} characters, expected at most as many; {remedy}"
                )
            elif cells:
                found.rows.append((lines.line_num, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        raise _no_csv(path, f"line {lines.line_num}: {error}", remedy) from error
    return found


def _no_csv(path: Path, why: str, remedy: str) -> DataError:
    return DataError(f"{path}: is not a CSV file in UTF-8 ({why}); {remedy}")


def _check_header(path: Path, header: Sequence[str], remedy: str) -> None:
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise DataError(
            f"{path}: got no column {', '.join(missing)} among {','.join(header)[:200] or 'none'}, expected a header "
            f"with {','.join(COLUMNS)}; {remedy}"
        )
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise DataError(f"{path}: column {', '.join(twice)!r} comes twice, expected each once; {remedy}")


def write_manifest(path: Path, header: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write a manifest in one step, and wait until it is on the disk; there must be one writer at a time.

    Parameters
    ----------
    path : Path
    header : sequence of str
    rows : iterable of mapping
        In their order; columns that a row lacks are empty.

    Raises
    ------
    OSError
        If it cannot be written; a manifest that was there is still there.
    """
    kept = list(rows)
    # Quoted throughout: a carriage return within a cell would otherwise end the row for whoever reads it.
    unsafe = any("\r" in cell for row in kept for cell in row.values())
    quoting: Literal[0, 1] = csv.QUOTE_ALL if unsafe else csv.QUOTE_MINIMAL
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, header, restval="", lineterminator="\n", quoting=quoting)
    writer.writeheader()
    writer.writerows(kept)
    content = text.getvalue().encode()
    write_whole(path, lambda file: file.write(content), durable=True, one_writer=True)
