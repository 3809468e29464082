"""Rows of the event store: what becomes of a message that is kept, and what is read again."""

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from edge.answers import Answer, Status, new_id
from edge.json_reading import parse_json

__all__ = ["COLUMNS", "KINDS", "NewRow", "StoredEvent", "row_of", "stored_event"]

KINDS = ("answer", "status")
"""What is kept, by the name that its public form has under ``event``."""

_LONGEST = 500
"""Characters of a text: words and origins may come from whoever sends sound."""
_LAST_MS = 1 << 46  # as far as ids reach: the year 4199


class NewRow(NamedTuple):
    """The columns of ``event`` but the first."""

    id: str
    at_ms: int
    kind: str
    word: str
    action: str
    reasons: str
    """Keys, each between blanks."""
    record: str
    audio: str

    @property
    def crc(self) -> int:
        """CRC-32 of everything."""
        return zlib.crc32("\0".join(map(str, self)).encode())


COLUMNS = NewRow._fields
"""Columns of ``event`` that a row has, in their order; ``crc`` comes after them."""


def row_of(message: Answer | Status, audio: str = "") -> NewRow:
    """Return what is kept of a message.

    Parameters
    ----------
    message : Answer or Status
    audio : str
        Path of the sound that was kept; empty if none was.
    """
    at_ms = _milliseconds(message.at_s)
    if isinstance(message, Answer):
        reasons = f" {' '.join(_clean(reason) for reason in message.reasons)} "
        record = _json(message.to_dict())
        return NewRow(message.id, at_ms, "answer", _clean(message.word), message.action, reasons, record, _clean(audio))
    name = new_id(at_ms / 1000)
    return NewRow(name, at_ms, "status", "", "", "", _json({**message.to_dict(), "id": name}), "")


def _milliseconds(at_s: float) -> int:
    return min(max(round(at_s * 1000), 0), _LAST_MS) if math.isfinite(at_s) else 0


def _json(record: Mapping[str, Any]) -> str:
    return json.dumps(_clean(record), ensure_ascii=False, separators=(",", ":"))


def _clean(value: Any) -> Any:
    """Return what can be kept of a value: numbers that are finite, and text that is not endless and is text."""
    if isinstance(value, str):
        return value[:_LONGEST].encode(errors="replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_clean(key): _clean(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(one) for one in value]
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as it is read from the store."""

    seq: int
    """Its place: later events have greater ones."""
    id: str
    at_s: float
    """When it was, seconds since 1970, UTC."""
    kind: str
    """One of :data:`KINDS`."""
    record: Mapping[str, Any]
    """Its public form, see :meth:`edge.answers.Answer.to_dict` and :meth:`edge.answers.Status.to_dict`."""
    audio: str
    """Path of the sound that was kept of it, which may be gone by now; empty if none was."""
    label: str = ""
    """What the owner said that it was: ``live`` or ``replay``; empty if nothing."""
    note: str = ""
    """What the owner said of it."""

    def to_dict(self) -> dict[str, Any]:
        """Return the public form, with what was added to it here."""
        return {**self.record, "audio": self.audio or None, "label": self.label or None, "note": self.note}


def stored_event(row: tuple[Any, ...]) -> StoredEvent:
    """Make an event from ``seq``, the columns of :data:`COLUMNS`, ``crc``, ``label`` and ``note`` (None without label).

    Raises
    ------
    ValueError
        If the row is damaged.
    """
    seq, *known, crc, label, note = row
    held = NewRow(*known)
    if held.crc != crc:
        raise ValueError("its checksum differs")
    record = parse_json(held.record)
    if not isinstance(record, dict):
        raise ValueError("its record is no object")
    return StoredEvent(
        seq=seq,
        id=held.id,
        at_s=held.at_ms / 1000,
        kind=held.kind,
        record=record,
        audio=held.audio,
        label=label or "",
        note=note or "",
    )
