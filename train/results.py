"""Result files: every number with where it came from, and a ledger of how often the test split was opened."""

import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from edge.bundle import Bundle, networks_of, open_bundle
from edge.bundle_identity import bundle_hash
from edge.bundle_writing import seal
from edge.errors import DataError
from edge.files import read_file
from edge.json_reading import parse_json
from train.atomic_file import put_bytes, writing
from train.provenance import commit_hash, machine

__all__ = ["bundle_hash", "float_twin", "open_test_split", "write_result"]


def write_result(path: Path, body: dict[str, Any], *, data_hash: str, seed: int, bundle: Path | None = None) -> None:
    """Write a result as JSON, with commit, seed, data, bundle (if it is about one), machine and command.

    Raises
    ------
    DataError
        If it cannot be written; an older result is still there.
    """
    head = {
        "made_by": "vivavoce " + " ".join(sys.argv[1:]),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": commit_hash(),
        "seed": seed,
        "data_hash": data_hash,
        **({} if bundle is None else {"bundle_sha256": bundle_hash(bundle)}),
        "machine": machine(),
    }
    put_bytes(path, (json.dumps({**head, **body}, indent=1) + "\n").encode())


def open_test_split(ledger: Path, *, purpose: str, data_hash: str, bundle: Path | None = None) -> None:
    """Enter into the ledger that the test split is about to be looked at, with a bundle or (a baseline) without.

    The entry is made before anything is read, so that an opening that fails later is counted too.

    Raises
    ------
    DataError
        If the ledger cannot be read or written; it is as it was, and nothing may be opened.
    """
    entry = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit_hash(),
        "bundle_sha256": None if bundle is None else bundle_hash(bundle),
        "data_hash": data_hash,
        "purpose": purpose,
    }
    with _alone(ledger):
        entries = [*_entries(ledger), entry]
        put_bytes(ledger, (json.dumps(entries, indent=1) + "\n").encode(), durable=True)


@contextmanager
def _alone(ledger: Path) -> Iterator[None]:
    """Keep other processes from the ledger, or wait for the one that has it: each would drop the entry of the other.

    The folder is locked and not the file, because the file is replaced by another one; no file for the lock is left.
    """
    with writing(ledger):
        ledger.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(ledger.parent, os.O_RDONLY)
    try:
        # Some network file systems have no locks: better to go on than to refuse all of them.
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _entries(ledger: Path) -> list[Any]:
    """Return what a ledger holds; nothing if there is none yet."""
    remedy = "restore it, e.g. with git, or move it away to begin a new one; the test split was not opened"
    try:
        entries = parse_json(read_file(ledger))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{ledger}: cannot be read ({error.strerror}), expected a ledger; {remedy}") from error
    except ValueError as error:
        raise DataError(f"{ledger}: got text that is not JSON ({error}), expected a ledger; {remedy}") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError(f"{ledger}: got no list of entries, expected the openings of the test split; {remedy}")
    return entries


def float_twin(bundle: Bundle, checkpoints: Path, folder: Path) -> Bundle:
    """Make a bundle that differs from another one in its networks alone: they are the float ones.

    Parameters
    ----------
    bundle : Bundle
    checkpoints : Path
        Folder with the checkpoints ``wake`` and ``liveness``, and ``verifier`` where it has one, converted.
    folder : Path
        Where to write it.

    Raises
    ------
    DataError
        If a checkpoint has not been converted, or the folder cannot be written.
    """
    with writing(folder):
        shutil.copytree(bundle.path, folder)
        for role, name in networks_of(bundle).items():
            model = checkpoints / role / "model_float.tflite"
            if not model.is_file():
                raise DataError(f"{model}: no such model; run 'vivavoce quantize convert {checkpoints / role}' first")
            shutil.copyfile(model, folder / name)
        seal(folder)
    return open_bundle(folder)
