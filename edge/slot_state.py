"""What is known of the two slots, and kept over a loss of power: which is used, what waits in the other, what failed.

The state is one JSON object in two files, ``state.0.json`` and ``state.1.json``. Each writing numbers it one higher
than before, and replaces the older of the two: a file that is torn, although it was flushed to the disk before it got
its name, leaves the other. Each holds the sha256 of what it says. ``minimum.json`` repeats the two entries that must
outlive both: the highest version that was ever confirmed, and the hash of the bundle that was confirmed last.
"""

import dataclasses
import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, TypeVar, cast

from edge.bundle_manifest import SHA256, VERSION
from edge.errors import BundleError, DataError
from edge.files import write_whole
from edge.regular_file import read_regular
from edge.slot_files import share
from edge.strict_json import Table, load_object

__all__ = [
    "MAX_REFUSED",
    "MINIMUM_NAME",
    "SHIPPED",
    "SLOTS",
    "STATE_NAMES",
    "Minimum",
    "Place",
    "Refusal",
    "SlotRecord",
    "SlotState",
    "read_minimum",
    "read_state",
    "write_minimum",
    "write_state",
]

T = TypeVar("T")

Place = Literal["shipped", "a", "b"]
"""Where a bundle is: in one of the slots, or in the program's own files."""
SHIPPED: Place = "shipped"
SLOTS: tuple[Literal["a"], Literal["b"]] = ("a", "b")

STATE_NAMES = ("state.0.json", "state.1.json")
"""Files of the state, in the folder of the slots; the one with the higher generation counts."""
MINIMUM_NAME = "minimum.json"
"""File that holds what must outlive the state."""
MAX_REFUSED = 32
"""Bundles that are remembered because they failed; the oldest are forgotten."""

_MAX_BYTES = 1 << 20
_MAX_COUNT = 1 << 53
_MAX_BOOTS = 1_000_000
_REMEDY = "it is left out of account"
_PLACES = (SHIPPED, *SLOTS)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SlotRecord:
    """The bundle that belongs into a slot."""

    version: str
    """Its ``bundle_version``."""
    sha256: str
    """Its hash, see :func:`edge.bundle_identity.bundle_hash`; what has another one is not what was put there."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A bundle that failed here."""

    version: str
    """Its ``bundle_version``."""
    sha256: str
    """Its hash."""
    reason: str
    """Why, on one line."""


@dataclass(frozen=True, slots=True)
class Minimum:
    """What must outlive the state."""

    version: str
    """The highest version that was ever confirmed."""
    sha256: str
    """Hash of the bundle that was confirmed last; empty if that was the one that ships."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotState:
    """Everything that is known of the slots."""

    generation: int = 0
    """How often a state was written."""
    active: Place = SHIPPED
    """Where the bundle is that is used."""
    previous: Place = SHIPPED
    """Where a roll back leads."""
    candidate: Literal["", "a", "b"] = ""
    """Slot of the bundle that waits for its trial, or is in it; empty if there is none."""
    probation: bool = False
    """Whether the active bundle was switched to and has not been confirmed."""
    boots: int = 0
    """Starts since there is this candidate, or since it was switched to."""
    a: SlotRecord | None = None
    """What belongs into slot ``a``; None if nothing does."""
    b: SlotRecord | None = None
    """What belongs into slot ``b``."""
    refused: tuple[Refusal, ...] = ()
    """Bundles that failed, oldest first; each once."""
    minimum: Minimum | None = None
    """See :class:`Minimum`; None before anything was confirmed."""

    def record(self, place: Place) -> SlotRecord | None:
        """Return what belongs into a slot; None for the bundle that ships, and for an empty slot."""
        return {"a": self.a, "b": self.b}.get(place)

    def refusal(self, sha256: str) -> Refusal | None:
        """Return why a bundle failed here; None if it did not."""
        return next((one for one in self.refused if one.sha256 == sha256), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the form in which it is written and shown."""
        return dataclasses.asdict(self)


def read_state(folder: Path) -> SlotState | None:
    """Return the newest state that is whole; None if no file of one is there.

    A file that is damaged is told of in the log, and left out of account.

    Raises
    ------
    DataError
        If there is one, and none that is whole.
    """
    paths = [folder / name for name in STATE_NAMES if _is_there(folder / name)]
    found = [state for path in paths if (state := _tried(path, _state)) is not None]
    if paths and not found:
        raise DataError(
            f"{folder}: got no state of the slots that is whole ({', '.join(path.name for path in paths)}), expected "
            "one; start the daemon or run 'vivavoce update install', which make a new one"
        )
    return max(found, key=lambda state: state.generation, default=None)


def write_state(folder: Path, state: SlotState) -> SlotState:
    """Write a state, durably, with the next generation; return it with that.

    Only the one who holds the lock of the folder may call this.

    Raises
    ------
    OSError
        If it cannot be written; then the one before still counts.
    """
    held = {name: _tried(folder / name, _state) if _is_there(folder / name) else None for name in STATE_NAMES}
    generations = {name: -1 if one is None else one.generation for name, one in held.items()}
    state = dataclasses.replace(state, generation=max(state.generation, *generations.values()) + 1)
    oldest = min(STATE_NAMES, key=lambda name: generations[name])
    _write(folder / oldest, state.to_dict())
    return state


def read_minimum(folder: Path) -> Minimum | None:
    """Return the minimum; None if there is none, or it is damaged, which is told of in the log."""
    path = folder / MINIMUM_NAME
    return _tried(path, _minimum) if _is_there(path) else None


def write_minimum(folder: Path, minimum: Minimum) -> None:
    """Write the minimum, durably.

    Raises
    ------
    OSError
        If it cannot be written; then the one before is still there.
    """
    _write(folder / MINIMUM_NAME, dataclasses.asdict(minimum))


# --------------------------------------------------------------------------------------------------- files


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _write(path: Path, body: dict[str, Any]) -> None:
    content = json.dumps({"sha256": _digest(body), "body": body}, indent=1).encode() + b"\n"

    def write(file: IO[bytes]) -> None:
        file.write(content)
        share(file.fileno(), path.parent)

    write_whole(path, write, durable=True, one_writer=True)


def _digest(body: object) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _tried(path: Path, parse: Callable[[Table], T]) -> T | None:
    try:
        content = read_regular(path, _MAX_BYTES, what="what is known of the slots", remedy=_REMEDY)
        top = Table(path, load_object(path, content, remedy=_REMEDY), remedy=_REMEDY)
        written, body = top.text("sha256", SHA256, "64 hexadecimal digits"), top.mapping("body")
        top.end()
        if written != (found := _digest(body)):
            raise top.fault("sha256", f"{written[:16]}...", f"{found[:16]}..., of what the file holds")
        table = Table(path, body, "body", remedy=_REMEDY)
        parsed = parse(table)
        table.end()
    except BundleError as error:
        _log.error("%s", error)
        return None
    return parsed


def _state(table: Table) -> SlotState:
    return SlotState(
        generation=table.integer("generation", 0, _MAX_COUNT),
        active=cast(Place, table.choice("active", _PLACES)),
        previous=cast(Place, table.choice("previous", _PLACES)),
        candidate=cast(Literal["", "a", "b"], table.choice("candidate", ("", *SLOTS))),
        probation=_flag(table, "probation"),
        boots=table.integer("boots", 0, _MAX_BOOTS),
        a=_optional(table, "a", _record),
        b=_optional(table, "b", _record),
        refused=_refusals(table),
        minimum=_optional(table, "minimum", _minimum),
    )


def _flag(table: Table, key: str) -> bool:
    value = table.take(key)
    if not isinstance(value, bool):
        raise table.fault(key, repr(value), "true or false")
    return value


def _optional(table: Table, key: str, parse: Callable[[Table], T]) -> T | None:
    if table.null(key):
        return None
    below = table.table(key)
    parsed = parse(below)
    below.end()
    return parsed


def _record(table: Table) -> SlotRecord:
    return SlotRecord(_version(table), table.text("sha256", SHA256, "64 hexadecimal digits"))


def _refusals(table: Table) -> tuple[Refusal, ...]:
    if (empty := table.take("refused")) == []:
        return ()
    found = []
    for entry in Table(table.path, {"refused": empty}, "body", remedy=_REMEDY).tables("refused"):
        found.append(Refusal(_version(entry), entry.text("sha256", SHA256), entry.line("reason")))
        entry.end()
    return tuple(found)


def _minimum(table: Table) -> Minimum:
    version, sha256 = _version(table), table.take("sha256")
    if sha256 != "" and not (isinstance(sha256, str) and SHA256.fullmatch(sha256)):
        raise table.fault("sha256", repr(sha256), "64 hexadecimal digits, or nothing")
    return Minimum(version, sha256)


def _version(table: Table) -> str:
    return table.text("version", VERSION, "a version such as 1.2.3")
