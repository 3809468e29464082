"""Computed features on disk: made in parallel, once, and picked up where an interrupted run stopped."""

import hashlib
import json
import shutil
import sys
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from edge.errors import DataError
from edge.files import write_whole
from train.engines.choice import Engine
from train.engines.work import Lost, Report, peak_mb

__all__ = ["build_shards", "cache_key"]

Arrays = dict[str, np.ndarray]

_STALE_S = 86_400
"""Age of what a killed process left, and no process can still be writing."""


def cache_key(settings: dict[str, Any]) -> str:
    """Return a short name for what a set of shards depends on."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def _path(folder: Path, index: int) -> Path:
    return folder / f"{index:05d}.npz"


def _make_one(index: int, *, make: Callable[[int], Arrays], folder: Path) -> int:
    """Compute one shard and put it in place in one step: a shard that exists is whole.

    Returns
    -------
    int
        How many items it holds; 0 for a shard that is there already, because another run has made it.
    """
    path = _path(folder, index)
    if path.exists():
        return 0
    try:
        arrays = make(index)
    except MemoryError as error:
        raise DataError(f"{path}: memory ran out; run again with fewer --workers: finished shards are kept") from error
    try:
        write_whole(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]
    except OSError as error:
        raise _unwritable(path, error) from error
    return len(next(iter(arrays.values())))


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path}: the shard cannot be written ({error.strerror}); free some space and run again: "
        "finished shards are kept"
    )


class _Progress:
    """A bar for the shards, a line for each worker, and at the end one with speed and memory; all on stderr."""

    def __init__(self, name: str, unit: str, bar: "tqdm[Any]") -> None:
        self._name = name
        self._unit = unit
        self._bar = bar
        self._began = time.monotonic()
        self._items = 0
        self._peak_mb = 0.0

    def begun(self, worker: str) -> None:
        self._say(f"worker {worker}")

    def finished(self, report: Report) -> None:
        self._items += report.items
        self._peak_mb = max(self._peak_mb, report.peak_mb)
        self._bar.update()

    def lost(self, shard: Lost) -> None:
        self._say(f"shard {shard.index} is not made yet: {shard.cause}; going on without")

    def summary(self) -> None:
        seconds = time.monotonic() - self._began
        self._say(
            f"{self._items} {self._unit} in {seconds:.1f} s, {self._items / seconds:.2f} {self._unit}/s; "
            f"peak memory {self._peak_mb:.0f} MB (largest worker), {peak_mb():.0f} MB (this process)"
        )

    def _say(self, line: str) -> None:
        tqdm.write(f"{self._name}: {line}", file=sys.stderr)


def build_shards(
    cache: Path,
    name: str,
    settings: dict[str, Any],
    n_shards: int,
    make: Callable[[int], Arrays],
    *,
    engine: Engine | None = None,
    unit: str = "items",
) -> Arrays:
    """Compute the shards that are missing, and return all of them as one set of arrays.

    Parameters
    ----------
    cache : pathlib.Path
        Directory for shards; made if absent.
    name : str
        What the shards hold, for the file names and the progress bar.
    settings : dict
        Everything that the contents depend on, as plain data; other settings are another set of files.
    n_shards : int
    make : callable
        Picklable; takes the index of a shard and returns its arrays. Must depend on nothing else.
    engine : Engine, optional
        Who makes them; the processors of this machine by default. The files are the same, whoever does.
    unit : str
        What the rows of the arrays are, in the plural.

    Returns
    -------
    dict of numpy.ndarray
        Arrays of all shards, joined along the first axis in the order of the index.

    Raises
    ------
    DataError
        If shards cannot be written or read, or if their workers die whatever is tried. What is finished is kept.
    Exception
        What `make` raises.
    """
    folder = cache / f"{name}-{cache_key(settings)}"
    _prepare(folder, settings)
    missing = [index for index in range(n_shards) if not _path(folder, index).exists()]
    if missing:
        with tqdm(total=n_shards, initial=n_shards - len(missing), desc=name, unit="shard") as bar:
            progress = _Progress(name, unit, bar)
            one = partial(_make_one, make=make, folder=folder)
            (engine if engine is not None else Engine()).make(one, missing, folder, progress)
            progress.summary()
    return _joined([_path(folder, index) for index in range(n_shards)])


def _prepare(folder: Path, settings: dict[str, Any]) -> None:
    text = json.dumps(settings, indent=1, sort_keys=True) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "settings.json", lambda file: file.write(text.encode()))
    except OSError as error:
        raise _unwritable(folder, error) from error
    # A process that was killed could not clean up. Another run may be at work in the folder: only what is old goes.
    for path in folder.glob(".*"):
        try:
            if time.time() - path.stat().st_mtime > _STALE_S:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError:
            continue


def _joined(paths: list[Path]) -> Arrays:
    parts: list[Arrays] = []
    for path in paths:
        try:
            with path.open("rb") as file, np.load(file) as shard:
                parts.append({key: shard[key] for key in shard.files})
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{path}: not a shard that can be read ({error}); remove it and run again") from error
    return {key: np.concatenate([part.pop(key) for part in parts]) for key in list(parts[0])}
