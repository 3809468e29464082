"""The state of an interrupted run: what is being trained, and its history; without TensorFlow."""

import hashlib
import json
from pathlib import Path
from typing import Any

from edge.errors import DataError
from edge.json_reading import parse_json
from train.atomic_file import put_bytes, writing

__all__ = ["claim", "differences", "read_history"]


def claim(resume: Path, trained: dict[str, Any]) -> None:
    """Enter into a resume folder what is trained there, or check that it is what was begun there.

    Parameters
    ----------
    resume : Path
        Holds ``backup/`` once an epoch was completed, ``history.jsonl``, and ``fingerprint.json`` from here.
    trained : dict
        All that decides what the weights become, as JSON can hold it.

    Raises
    ------
    DataError
        If the folder holds the state of a run of something else, or does not say of what.
    """
    asked = json.loads(json.dumps(trained))
    sha256 = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    path = resume / "fingerprint.json"
    if any(file.is_file() for file in (resume / "backup").rglob("*")):
        begun = _read(path)
        if begun.get("sha256") != sha256:
            differs = differences(begun.get("trained", {}), asked) if begun else "it does not say of what"
            raise DataError(
                f"{resume}: holds the state of another run ({differs}); remove this folder to train anew, "
                "or give another --out"
            )
        return
    # No epoch was completed: whatever else is here belongs to nothing that could be continued.
    with writing(resume):
        resume.mkdir(parents=True, exist_ok=True)
        (resume / "history.jsonl").unlink(missing_ok=True)
    put_bytes(path, (json.dumps({"sha256": sha256, "trained": asked}, indent=1) + "\n").encode())


def read_history(path: Path) -> list[dict[str, Any]]:
    """Return the entries of ``history.jsonl`` in the order of their epochs, each epoch once.

    An epoch that was interrupted after its line was written runs again, and its later line counts. A line that was
    cut short is left out for the same reason.
    """
    by_epoch: dict[int, dict[str, Any]] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            entry = parse_json(line)
        except ValueError:
            continue
        by_epoch[int(entry["epoch"])] = entry
    return [by_epoch[epoch] for epoch in sorted(by_epoch)]


def _read(path: Path) -> dict[str, Any]:
    try:
        found = parse_json(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def differences(begun: dict[str, Any], asked: dict[str, Any]) -> str:
    """Name what differs between plain data, e.g. ``seed: 1, now 2``."""
    old, new = _flat(begun), _flat(asked)
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    told = [f"{key}: {old.get(key)}, now {new.get(key)}" for key in keys[:3]]
    return "; ".join(told) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")


def _flat(of: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in of.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
