"""Computed features on disk: made in parallel, once, and picked up where an interrupted run stopped."""

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from edge.errors import DataError
from edge.files import write_whole

__all__ = ["build_shards", "cache_key"]

Arrays = dict[str, np.ndarray]


def cache_key(settings: dict[str, Any]) -> str:
    """Return a short name for what a set of shards depends on."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def _make_one(make: Callable[[int], Arrays], index: int, path: Path) -> None:
    """Compute one shard and put it in place in one step: a shard that exists is whole."""
    arrays = make(index)
    try:
        write_whole(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]
    except OSError as error:
        raise DataError(
            f"{path}: the shard cannot be written ({error.strerror}); free some space and run again: "
            "finished shards are kept"
        ) from error


def build_shards(
    cache: Path,
    name: str,
    settings: dict[str, Any],
    n_shards: int,
    make: Callable[[int], Arrays],
    *,
    workers: int | None = None,
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
    workers : int, optional
        Processes; as many as there are processors by default. They are spawned, because numba and
        TensorFlow do not survive a fork.

    Returns
    -------
    dict of numpy.ndarray
        Arrays of all shards, joined along the first axis in the order of the index.
    """
    folder = cache / f"{name}-{cache_key(settings)}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n")
    paths = [folder / f"{i:05d}.npz" for i in range(n_shards)]
    missing = [i for i, path in enumerate(paths) if not path.exists()]
    if missing:
        count = min(workers if workers is not None else os.cpu_count() or 1, len(missing))
        with tqdm(total=n_shards, initial=n_shards - len(missing), desc=name, unit="shard") as bar:
            if count <= 1:
                for i in missing:
                    _make_one(make, i, paths[i])
                    bar.update()
            else:
                with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
                    for _ in pool.map(_make_one, [make] * len(missing), missing, [paths[i] for i in missing]):
                        bar.update()
    parts: list[Arrays] = []
    for path in paths:
        with np.load(path) as shard:
            parts.append({key: shard[key] for key in shard.files})
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
