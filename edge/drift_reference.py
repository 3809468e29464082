"""The reference that a bundle brings, or that lies beside it: what its figures are like where it was measured.

A file ``reference.json``. Inside a bundle the manifest lists it as any other file, so that it is verified with the
rest; a bundle that has none is whole, too. One that lies elsewhere names the bundle that was measured by its hash.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge.bundle import Bundle
from edge.bundle_identity import bundle_hash
from edge.drift import MOST_POINTS, Reference
from edge.errors import UsageError
from edge.events import Decision
from edge.regular_file import read_regular
from edge.strict_json import Table, kind, load_object

__all__ = [
    "DAILY",
    "OF_ANSWERS",
    "REFERENCE_NAME",
    "STATISTICS",
    "beside",
    "figures_of",
    "figures_of_decision",
    "numbers",
    "read_reference",
    "reference_for",
    "reference_text",
]

REFERENCE_NAME = "reference.json"
"""Name of the file inside a bundle."""

STATISTICS: Mapping[str, str] = {
    "wake_score": "score of the word",
    "live_score": "score of a person's voice",
    "level_dbfs": "loudness",
    "snr_db": "distance of speech from noise",
    "accepted": "share of accepted words",
    "rejected_per_day": "number of words a day that were not accepted",
}
"""What is watched, with a name for people."""
DAILY = "rejected_per_day"
"""Is a figure of days and not of answers, and so of the home alone."""
OF_ANSWERS = tuple(name for name in STATISTICS if name != DAILY)
"""What a reference holds."""

_FORMAT, _FORMAT_VERSION = "vivavoce-reference", 1
_MOST_BYTES = 1 << 20
_MOST_ANSWERS = 1 << 31
_REMEDY = 'make it again, or watch with monitor.reference = "home"'


def figures_of(answer: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of an answer that are watched; what could not be judged is not in it.

    Parameters
    ----------
    answer : mapping
        As :meth:`edge.answers.Answer.to_dict` returns it.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError
        If it is none.
    """
    quality = answer["quality"]
    found = {
        "wake_score": answer["wake_score"],
        "live_score": answer["live_score"],
        "level_dbfs": None if quality is None else quality["level_dbfs"],
        "snr_db": None if quality is None else quality["snr_db"],
        # What the gate made of the sound: other rules of the policy are no drift.
        "accepted": float(answer["decision"] == "accept"),
    }
    numbers_ = {name: float(value) for name, value in found.items() if value is not None}
    return {name: value for name, value in numbers_.items() if math.isfinite(value)}


def figures_of_decision(decision: Decision) -> dict[str, float]:
    """Return the figures of a decision that was made of recorded sound; see :func:`figures_of`."""
    assert decision.wake is not None
    judged = decision.evidence
    found = {"wake_score": decision.wake.score, "accepted": float(decision.decision == "accept")}
    if judged is not None:
        quality = judged.quality
        found |= {"live_score": judged.score, "level_dbfs": quality.level_dbfs, "snr_db": quality.snr_db}
    return found


def reference_text(figures: Mapping[str, Sequence[float]], bundle_sha256: str = "") -> bytes:
    """Return the file for the figures of a measurement.

    Parameters
    ----------
    figures : mapping
        For each name of :data:`OF_ANSWERS` what was measured, in any order.
    bundle_sha256 : str
        Of the bundle that was measured; empty for a file that becomes part of it.
    """
    made = {name: Reference.of(values) for name, values in figures.items()}
    record = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "bundle_sha256": bundle_sha256 or None,
        "statistics": {
            name: {"answers": one.answers, "points": [round(point, 4) for point in one.points]}
            for name, one in made.items()
        },
    }
    return (json.dumps(record, allow_nan=False) + "\n").encode()


def read_reference(path: Path, content: bytes, *, bundle_sha256: str | None = None) -> dict[str, Reference]:
    """Read a file.

    Parameters
    ----------
    path : Path
        For messages.
    content : bytes
    bundle_sha256 : str, optional
        Hash of the bundle that it must be about; none for a part of that bundle.

    Returns
    -------
    dict
        By names of :data:`OF_ANSWERS`.

    Raises
    ------
    BundleError
        If it is no such file, or is about another bundle.
    """
    top = Table(path, load_object(path, content, remedy=_REMEDY), remedy=_REMEDY)
    if (found := top.take("format")) != _FORMAT:
        raise top.fault("format", repr(found), repr(_FORMAT))
    top.integer("format_version", _FORMAT_VERSION, _FORMAT_VERSION)
    about = top.take("bundle_sha256")
    if bundle_sha256 is not None and about != bundle_sha256:
        raise top.fault("bundle_sha256", repr(about), f"{bundle_sha256}, the bundle that is used")
    table = top.table("statistics")
    top.end()
    held = {}
    for name in OF_ANSWERS:
        entry = table.table(name)
        answers = entry.integer("answers", 2, _MOST_ANSWERS)
        held[name] = Reference(tuple(sorted(numbers(entry, "points", 2, MOST_POINTS))), answers)
        entry.end()
    table.end()
    return held


def numbers(table: Table, key: str, least: int, most: int) -> list[float]:
    """Take a list of finite numbers.

    Raises
    ------
    VivavoceError
        Of the table's kind.
    """
    value = table.take(key)
    listed = value if isinstance(value, list) else None
    if listed is None or not least <= len(listed) <= most or not all(map(_finite, listed)):
        got = kind(value) if listed is None else f"a list of {len(listed)}"
        raise table.fault(key, got, f"a list of {least} to {most} finite numbers")
    return [float(one) for one in listed]


def _finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= 1e18


def beside(bundle: Path) -> Path:
    """Return where the reference of a bundle lies that does not hold it: in the folder of its folder."""
    folder = bundle.resolve()
    return folder.with_name(f"{folder.name}.{REFERENCE_NAME}")


def reference_for(bundle: Bundle, file: str = "") -> dict[str, Reference]:
    """Return the reference of a bundle.

    Parameters
    ----------
    bundle : Bundle
    file : str
        Where it lies; empty for the one inside the bundle or, where that holds none, :func:`beside` it.

    Raises
    ------
    UsageError
        If the bundle has none, and none was named.
    BundleError
        If it cannot be read, or is about another bundle.
    """
    if not file and REFERENCE_NAME in bundle.contents:
        return read_reference(bundle.path / REFERENCE_NAME, bundle.content(REFERENCE_NAME))
    path = Path(file) if file else beside(bundle.path)
    if not file and not path.exists():
        raise UsageError(
            f'monitor.reference: got "bundle", but {bundle.path} holds no {REFERENCE_NAME}, nor is there {path}; name '
            'one with monitor.reference_file, or write reference = "home"'
        )
    content = read_regular(path, _MOST_BYTES, what="a reference of the figures of a bundle", remedy=_REMEDY)
    return read_reference(path, content, bundle_sha256=bundle_hash(bundle.path))
