"""The clips of a manifest, as the device hears them, and how far the work is; needs nothing but the device set."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import DataError, UsageError
from edge.manifest_file import FILE_NAME, SPLITS, read_manifest
from edge.sources import FileSource

__all__ = ["chosen_clips", "progress", "read_samples"]

_ROLES = ("wake", "speech")
"""Roles of the rows that are one utterance each."""


def chosen_clips(data: Path, split: str, *, limit: int | None = None) -> list[str]:
    """Return the paths of utterances of a split.

    Parameters
    ----------
    data : Path
        Folder with a manifest.
    split : str
        One of :data:`edge.manifest_file.SPLITS`.
    limit : int, optional
        So many at most, evenly over all there are, in the order of the manifest.

    Raises
    ------
    UsageError
        If there is no such split, or `limit` is below 1.
    DataError
        If the manifest cannot be read, or has no such clip.
    """
    if split not in SPLITS:
        raise UsageError(f"--split: got {split!r}, expected one of: {', '.join(SPLITS)}; correct it")
    if limit is not None and limit < 1:
        raise UsageError(f"--limit: got {limit}, expected at least 1; correct it")
    manifest = read_manifest(data / FILE_NAME)
    if manifest.misfits:
        raise DataError(manifest.misfits[0])
    paths = [row["path"] for _, row in manifest.rows if row["split"] == split and row["role"] in _ROLES]
    paths = list(dict.fromkeys(paths))
    if not paths:
        raise DataError(f"{manifest.path}: got no clip of the split {split}, expected some; choose another --split")
    if limit is not None and limit < len(paths):
        paths = [paths[at * len(paths) // limit] for at in range(limit)]
    return paths


def read_samples(path: Path) -> npt.NDArray[np.int16]:
    """Read a recording, ``(n,) int16`` at 16 kHz.

    Raises
    ------
    AudioError
        If it cannot be read.
    """
    blocks = list(FileSource(str(path)).blocks())
    return np.concatenate(blocks) if blocks else np.zeros(0, np.int16)


def progress(clips: Sequence[str]) -> Iterator[str]:
    """Yield the clips; on a terminal, tell on stderr how many of them are done."""
    # The bar of other commands is no part of the device set.
    shown = sys.stderr is not None and sys.stderr.isatty()
    for number, clip in enumerate(clips, 1):
        yield clip
        if shown:
            sys.stderr.write(f"\r{number} of {len(clips)} clips" + ("\n" if number == len(clips) else ""))
