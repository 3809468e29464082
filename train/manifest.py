"""What a row of ``manifest.csv`` means to training: a clip, or one line that says what is wrong with it."""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from edge.errors import DataError
from edge.manifest_file import COLUMNS, FILE_NAME, OPTIONAL_COLUMNS, ROLES, SOURCES, SPLITS, Manifest
from train.clip import Clip
from train.fault import Fault

__all__ = ["KIND_PREFIX", "column_faults", "manifest_path", "to_clips"]

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
    if not os.path.isfile(path):
        raise DataError(
            f"{path}: no such manifest that may be read; expected a folder that holds {FILE_NAME} with the columns "
            f"{','.join(COLUMNS)}; check the path"
        )
    return path


def column_faults(manifest: Manifest) -> list[Fault]:
    """Find columns that are ignored although they look like one that is known, e.g. ``Loudspeaker``."""
    known = (*COLUMNS, *OPTIONAL_COLUMNS)
    faults = []
    for column in manifest.header:
        meant = difflib.get_close_matches(column.strip().lower(), known, n=1, cutoff=0.8)
        if column not in known and meant:
            told = f"{manifest.path}: column {column!r} is ignored; rename it to {meant[0]!r} if it is that"
            faults.append(Fault("column", told))
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

    path = PurePosixPath(row["path"])
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise DataError(
            f"{where}: path is {row['path']!r}, expected a file below {root}; move the file there and correct the row"
        )
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


def to_clips(manifest: Manifest) -> tuple[list[Clip], list[Fault]]:
    """Turn rows into clips; each row is one clip or one fault. Paths start from the folder of the manifest."""
    root = manifest.path.parent.resolve()
    clips: list[Clip] = []
    faults = [Fault("row", misfit) for misfit in manifest.misfits]
    for line, row in manifest.rows:
        try:
            clips.append(_to_clip(row, f"{manifest.path} line {line}", root))
        except DataError as error:
            faults.append(Fault("row", str(error)))
    return clips, faults
