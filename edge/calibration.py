"""A calibration: what a home has taught the gate about its own rooms, microphone and people, in one file.

A bundle says how sure its liveness network is, from what was measured on a workstation. In a home the same network is
surer of some people, and less sure of some loudspeakers. A calibration moves the straight line by which a probability
is made of the network's output, and may lower cut-offs of words; the cut-offs of the gate mean what they meant::

    {
      "format": "vivavoce-calibration",
      "format_version": 2,
      "bundle": {"sha256": ..., "version": ...},     the bundle that it is for, see edge.bundle_identity.bundle_hash
      "microphone": "USB PnP Sound Device",          the one that heard it; empty where nobody said
      "made": "2026-11-25T20:53:40+00:00",
      "evidence": {"live": 10, "replay": 20, "loudspeakers": ["phone", "tv"]},
      "liveness": {"slope": 0.9957, "offset": -0.2},  probability = sigmoid(slope * output + offset)
      "words": {"alexa": {"cutoff": 0.95, ...}},      cut-offs of words that were missed, see edge.calibration_entries
      "expected": {"refused_live": {...}, "passed_replays": {...}}, each {"before", "after"}: [low, middle, high]
    }

In the first version of the format a word had its cut-off and nothing else; such files are still read. The file is for
one bundle. Whoever calibrates again keeps the former file beside it (``FILE.former``), and
:func:`undo` exchanges the two.
"""

import datetime
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge.bundle import Bundle
from edge.bundle_identity import bundle_hash
from edge.bundle_parts import Word
from edge.calibration_entries import (
    Expectation,
    WordCutoff,
    read_expectation,
    read_word,
    told_expectation,
    told_word,
)
from edge.errors import DataError, UsageError
from edge.files import prove_writable, read_file, write_whole
from edge.regular_file import read_regular
from edge.sensitivity import log_odds
from edge.strict_json import Table, load_object, show

__all__ = [
    "Calibration",
    "Expectation",
    "WordCutoff",
    "calibrated",
    "calibration_text",
    "check_place",
    "former_of",
    "is_for",
    "neutral",
    "read_calibration",
    "undo",
    "words_of",
    "write_calibration",
]

_FORMAT, _FORMAT_VERSION = "vivavoce-calibration", 2
_FIRST_VERSION = 1
_MOST_BYTES = 1 << 16
_MOST_TAKES = 100_000
_STEEPEST = 100.0
_FARTHEST = 100.0
_MOST_NAMES = 50
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")
_MOMENT_TOLD = "a date and time in ISO 8601, with seconds and offset"
_REMEDY = "calibrate again: vivavoce calibrate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What the file says."""

    bundle_sha256: str
    """The bundle that it is for."""
    bundle_version: str
    """Its version, for people."""
    microphone: str = ""
    """Name of the microphone that heard it; empty where nobody said."""
    made: str = ""
    """When, ISO 8601 with seconds and offset; empty for one that changes nothing."""
    live: int = 0
    """Takes of people that it rests on."""
    replay: int = 0
    """Replays that it rests on."""
    loudspeakers: tuple[str, ...] = ()
    """Who played them."""
    slope: float
    offset: float
    """Probability = sigmoid(slope * output + offset)."""
    words: Mapping[str, WordCutoff] = field(default_factory=dict)
    """Cut-offs of words, by id: only those that differ from the bundle's."""
    refused_live: Expectation | None = None
    """Which share of live words is refused; None for one that changes nothing."""
    passed_replays: Expectation | None = None
    """Which share of replays passes."""


def neutral(bundle: Bundle) -> Calibration:
    """Return the calibration that changes nothing."""
    part = bundle.liveness
    return Calibration(
        bundle_sha256=bundle_hash(bundle.path),
        bundle_version=bundle.bundle_version,
        slope=part.slope,
        offset=part.offset,
    )


def is_for(calibration: Calibration, bundle: Bundle) -> bool:
    """Tell whether a calibration is for a bundle."""
    return calibration.bundle_sha256 == bundle_hash(bundle.path)


def calibrated(bundle: Bundle, calibration: Calibration, *, where: str) -> Bundle:
    """Return a bundle that judges as a calibration says.

    Parameters
    ----------
    bundle : Bundle
    calibration : Calibration
    where : str
        Its file, for the message.

    Raises
    ------
    UsageError
        If it is for another bundle.
    """
    if not is_for(calibration, bundle):
        raise UsageError(
            f"{where}: bundle.sha256: got {calibration.bundle_sha256[:16]}... (version {calibration.bundle_version}), "
            f"expected {bundle_hash(bundle.path)[:16]}..., the bundle {bundle.path} ({bundle.bundle_version}) that is "
            "used; calibrate again with this bundle, or leave the calibration out"
        )
    unknown = sorted(set(calibration.words) - {word.id for word in bundle.words})
    if unknown:
        raise UsageError(f"{where}: words: got {unknown[0]!r}, expected words of the bundle {bundle.path}; {_REMEDY}")
    words = tuple(_moved(word, calibration.words.get(word.id)) for word in bundle.words)
    part = replace(bundle.liveness, slope=calibration.slope, offset=calibration.offset)
    return replace(bundle, words=words, liveness=part)


def _moved(word: Word, home: WordCutoff | None) -> Word:
    if home is None or home.cutoff == word.cutoff:
        return word
    ends = not (0 < home.cutoff < 1 and 0 < word.cutoff < 1)
    moved = 0.0 if ends else log_odds(home.cutoff) - log_odds(word.cutoff)
    return replace(word, cutoff=home.cutoff, moved=moved)


def calibration_text(calibration: Calibration) -> bytes:
    """Return a calibration as it is written."""
    record = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "bundle": {"sha256": calibration.bundle_sha256, "version": calibration.bundle_version},
        "microphone": calibration.microphone,
        "made": calibration.made,
        "evidence": {
            "live": calibration.live,
            "replay": calibration.replay,
            "loudspeakers": list(calibration.loudspeakers),
        },
        "liveness": {"slope": calibration.slope, "offset": calibration.offset},
        "words": {name: told_word(word) for name, word in calibration.words.items()},
        "expected": {
            "refused_live": told_expectation(calibration.refused_live),
            "passed_replays": told_expectation(calibration.passed_replays),
        },
    }
    return (json.dumps(record, indent=1, allow_nan=False) + "\n").encode()


def read_calibration(path: Path) -> Calibration:
    """Read a file.

    Raises
    ------
    DataError
        If it cannot be read, or is no calibration: the message names the entry.
    """
    content = read_regular(path, _MOST_BYTES, what="a calibration", remedy=_REMEDY, error=DataError)
    written = load_object(path, content, remedy=_REMEDY, what="a calibration", error=DataError)
    top = Table(path, written, remedy=_REMEDY, error=DataError)
    if (found := top.take("format")) != _FORMAT:
        raise top.fault("format", repr(found)[:80], repr(_FORMAT))
    version = top.integer("format_version", _FIRST_VERSION, _FORMAT_VERSION)
    bundle, evidence, liveness = top.table("bundle"), top.table("evidence"), top.table("liveness")
    cutoffs, expected = top.table("words"), top.table("expected")
    calibration = Calibration(
        bundle_sha256=bundle.text("sha256", _SHA256, "64 hexadecimal digits"),
        bundle_version=bundle.line("version"),
        microphone=_line_or_nothing(top, "microphone"),
        made=_moment_or_nothing(top),
        live=evidence.integer("live", 0, _MOST_TAKES),
        replay=evidence.integer("replay", 0, _MOST_TAKES),
        loudspeakers=_names(evidence, "loudspeakers"),
        # A slope that is not positive would call every loudspeaker a person.
        slope=liveness.number("slope", 1.0 / _STEEPEST, _STEEPEST),
        offset=liveness.number("offset", -_FARTHEST, _FARTHEST),
        words={name: read_word(cutoffs, name, number_alone=version == _FIRST_VERSION) for name in cutoffs.names},
        refused_live=read_expectation(expected, "refused_live"),
        passed_replays=read_expectation(expected, "passed_replays"),
    )
    for table in (bundle, evidence, liveness, cutoffs, expected, top):
        table.end()
    return calibration


def _line_or_nothing(table: Table, key: str) -> str:
    value = table.take(key)
    return "" if value == "" else _again(table, key, value).line(key)


def _moment_or_nothing(table: Table) -> str:
    value = table.take("made")
    if value == "":
        return ""
    made = _again(table, "made", value).text("made", _MOMENT, _MOMENT_TOLD)
    try:
        datetime.datetime.fromisoformat(made)
    except ValueError as error:
        raise table.fault("made", show(made), _MOMENT_TOLD) from error
    return made


def _again(table: Table, key: str, value: Any) -> Table:
    """Return a table of one entry, to hold what was taken to another check."""
    return Table(table.path, {key: value}, remedy=_REMEDY, error=DataError)


def _names(table: Table, key: str) -> tuple[str, ...]:
    value = table.take(key)
    if not isinstance(value, list) or len(value) > _MOST_NAMES:
        raise table.fault(key, repr(value)[:80], f"a list of at most {_MOST_NAMES} names")
    one_by_one = Table(table.path, {str(i): name for i, name in enumerate(value)}, key, remedy=_REMEDY, error=DataError)
    return tuple(one_by_one.line(name) for name in one_by_one.names)


def words_of(path: Path, bundle: Bundle) -> dict[str, WordCutoff]:
    """Return the cut-offs of words that a file holds for a bundle; none if it is for another one, or is not there.

    Raises
    ------
    DataError
        If what stands there is no calibration.
    """
    if not os.path.lexists(path):
        return {}
    there = read_calibration(path)
    return dict(there.words) if is_for(there, bundle) else {}


def former_of(path: Path) -> Path:
    """Return where the calibration lies that a newer one replaced."""
    return path.with_name(path.name + ".former")


def check_place(path: Path) -> None:
    """Refuse a place that a calibration could not be written to, before anybody has spoken for it.

    Raises
    ------
    DataError
        If it cannot be written there, or what stands there is no calibration.
    """
    if os.path.lexists(path):
        read_calibration(path)
    for one in (path, former_of(path)):
        try:
            prove_writable(one)
        except OSError as error:
            raise _unwritable(one, error) from error


def write_calibration(path: Path, calibration: Calibration, bundle: Bundle) -> None:
    """Write a calibration, and keep what stands there as the former one; where nothing does, one that changes nothing.

    Raises
    ------
    DataError
        If it cannot be written, or what stands there is no calibration: nothing was replaced.
    """
    former = calibration_text(neutral(bundle))
    if os.path.lexists(path):
        read_calibration(path)  # what is something else is not moved out of the way
        former = _content(path)
    _put(former_of(path), former)
    _put(path, calibration_text(calibration))


def undo(path: Path) -> Calibration:
    """Exchange a calibration and the former one; once more exchanges them back.

    Returns
    -------
    Calibration
        What holds now.

    Raises
    ------
    DataError
        If there is none, or no former one, one of them is damaged or cannot be written; no content is lost.
    """
    former = former_of(path)
    read_calibration(path)
    if not os.path.lexists(former):
        raise DataError(f"{former}: there is no such file, expected the calibration before {path}; nothing was undone")
    before = read_calibration(former)
    now, then = _content(path), _content(former)
    # Killed between the two, what held is still in a third file.
    between = path.with_name(path.name + ".undone")
    _put(between, now)
    _put(path, then)
    _put(former, now)
    between.unlink(missing_ok=True)
    return before


def _content(path: Path) -> bytes:
    try:
        return read_file(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


def _put(path: Path, content: bytes) -> None:
    try:
        write_whole(path, lambda file: file.write(content), durable=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path}: cannot be written ({error.strerror}), nothing was replaced; make space, check the permissions of its "
        "folder, or name another file"
    )
