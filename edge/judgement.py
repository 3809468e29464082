"""What a bundle had to reach and what it reached, as its manifest says: judged on a workstation, read on the device.

The limits themselves are written in ``train/task.toml`` and nowhere else. A manifest quotes those that its bundle was
judged by, each with what was measured, so that a device knows what it runs without any other file::

    "limits": {
      "task": {"name": ..., "version": ..., "sha256": ...},      the file that holds the limits
      "bundle_sha256": ...,                                      what was judged, see edge.bundle_identity.bundle_hash
      "verdicts": [
        {"id", "title", "unit", "direction", "limit", "evidence",
         "measured", "interval", "n", "counted", "of", "met", "source": {"file", "sha256"}}, ...
      ]
    }

``measured`` and what depends on it are null where nothing was measured. That is no verdict in favour.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edge.strict_json import Table, show

__all__ = [
    "CARD_BEGIN",
    "CARD_END",
    "DIRECTIONS",
    "EVIDENCE",
    "UNITS",
    "Judgement",
    "LimitVerdict",
    "by_evidence",
    "card_without_limits",
    "is_met",
    "limit_rows",
    "read_judgement",
    "show_value",
]

DIRECTIONS = {"at_most": "at most", "at_least": "at least"}
"""Which side of a limit is good, and how that is said."""

EVIDENCE = {
    "real": "real recordings of people",
    "simulated": "simulated replays, and live renderings beside them",
    "machine": "one machine, which the results name",
}
"""What a figure was measured on. Simulated and real figures are never in one table: :func:`by_evidence`."""

UNITS = {
    "share": (100.0, ".1f", " %"),
    "points": (100.0, ".2f", " points"),
    "per hour": (1.0, ".1f", " an hour"),
    "s": (1.0, ".2f", " s"),
    "ms": (1.0, ".3g", " ms"),
    "CPU s": (1.0, ".3g", " s CPU"),
    "CPU s per s": (1.0, ".3g", " s CPU a second"),
    "MB": (1.0, ".1f", " MB"),
    "kB": (1.0, ".1f", " kB"),
    "bits": (1.0, ".2f", " bits"),
    "times": (1.0, ".2f", " times"),
}
"""Units of limits: for each what a value is multiplied with to be shown, the digits, and the name behind it."""

CARD_BEGIN = "<!-- limits: written by 'vivavoce quantize limits' -->\n"
CARD_END = "<!-- end of limits -->\n\n"

_CARD_SECTION = re.compile(re.escape(CARD_BEGIN.encode()) + b".*?" + re.escape(CARD_END.encode()), re.DOTALL)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HASH = "64 hexadecimal digits"
_ID = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LARGEST = 1e9
_MOST_VERDICTS = 200

Interval = tuple[float | None, float | None]


def show_value(value: float, unit: str, *, exact: bool = False) -> str:
    """Show a value with its unit; `exact` for a limit, of which no digit is rounded away."""
    factor, digits, name = UNITS[unit]
    return f"{factor * value:{'.10g' if exact else digits}}{name}"


def is_met(measured: float, direction: str, limit: float) -> bool:
    """Tell whether a value keeps a limit; the limit itself still does."""
    return measured <= limit if direction == "at_most" else measured >= limit


@dataclass(frozen=True, slots=True)
class LimitVerdict:
    """One limit, and what was measured against it."""

    id: str
    """Name, as in the task."""
    title: str
    """What is measured, in a few words."""
    unit: str
    """One of :data:`UNITS`, of limit, value and interval."""
    direction: str
    """One of :data:`DIRECTIONS`."""
    limit: float
    """What had to be reached."""
    evidence: str
    """One of :data:`EVIDENCE`."""
    measured: float | None
    """What was reached; None if it was not measured."""
    interval: Interval | None
    """Lowest and highest, as ``counted`` and the task tell: 95 % intervals, or the range of the runs. None at an end
    that is not known."""
    n: float | None
    """How much was measured."""
    counted: str
    """What ``n`` counts, e.g. ``"clips"``."""
    of: str | None
    """Where a limit is about the worst of several: which it was."""
    source: str | None
    """Name of the results file that holds the value."""
    source_sha256: str | None
    """Its hash."""
    reason: str = ""
    """Why nothing was measured. Not part of a manifest."""

    @property
    def met(self) -> bool | None:
        """Whether the limit is kept; None if nothing was measured."""
        return None if self.measured is None else is_met(self.measured, self.direction, self.limit)

    @property
    def certain(self) -> bool | None:
        """Whether the whole interval says the same as the value; None if the end that matters is not known."""
        if self.interval is None:
            return None
        # The end nearer to the limit: of a value that keeps "at most", the highest.
        end = self.interval[1 if self.met == (self.direction == "at_most") else 0]
        return None if end is None else is_met(end, self.direction, self.limit) == self.met

    @property
    def state(self) -> str:
        """``met``, ``missed`` or ``not measured``."""
        return {True: "met", False: "missed", None: "not measured"}[self.met]

    def shown_state(self) -> str:
        """Return the state, and whether the interval would have it otherwise."""
        return f"{self.state}, the interval reaches over it" if self.certain is False else self.state

    def shown_limit(self) -> str:
        """Return e.g. ``at least 85 %``."""
        return f"{DIRECTIONS[self.direction]} {show_value(self.limit, self.unit, exact=True)}"

    def shown_value(self) -> str:
        """Return e.g. ``84.8 % (76.2-89.8)``, or ``-``."""
        if self.measured is None:
            return "-"
        text = show_value(self.measured, self.unit)
        if self.interval is not None:
            factor, digits, _ = UNITS[self.unit]
            low, high = ("" if end is None else f"{factor * end:{digits}}" for end in self.interval)
            text += f" ({low}-{high})" if low and high else f" (up to {high})" if high else f" (from {low})"
        return text if self.of is None else f"{text}, {self.of}"

    def shown_n(self) -> str:
        """Return e.g. ``246 clips``; empty if nothing was counted."""
        return "" if self.n is None else f"{self.n:,.10g} {self.counted}"

    def told(self) -> str:
        """Return e.g. ``equal error rate 19.5 % (at most 10 %; simulated)``."""
        value = "not measured" if self.measured is None else show_value(self.measured, self.unit)
        simulated = "; simulated" if self.evidence == "simulated" else ""
        return f"{self.title} {value} ({self.shown_limit()}{simulated})"

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of a manifest."""
        return {
            "id": self.id,
            "title": self.title,
            "unit": self.unit,
            "direction": self.direction,
            "limit": self.limit,
            "evidence": self.evidence,
            "measured": self.measured,
            "interval": None if self.interval is None else list(self.interval),
            "n": self.n,
            "counted": self.counted,
            "of": self.of,
            "met": self.met,
            "source": None if self.source is None else {"file": self.source, "sha256": self.source_sha256},
        }


def by_evidence(verdicts: Iterable[LimitVerdict]) -> dict[str, list[LimitVerdict]]:
    """Return the verdicts apart by what was measured on, one of :data:`EVIDENCE` each; none without a verdict."""
    apart: dict[str, list[LimitVerdict]] = {name: [] for name in EVIDENCE}
    for verdict in verdicts:
        apart[verdict.evidence].append(verdict)
    return {name: found for name, found in apart.items() if found}


def limit_rows(verdicts: Iterable[LimitVerdict]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = ["| what | must be | reached | on | verdict |", "|---|---|---|---|---|"]
    for verdict in verdicts:
        state = verdict.shown_state() if verdict.met else f"**{verdict.shown_state()}**"
        cells = (verdict.title, verdict.shown_limit(), verdict.shown_value(), verdict.shown_n() or "-", state)
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return lines


@dataclass(frozen=True, slots=True)
class Judgement:
    """All limits of a task, and how one bundle stands to them."""

    task: str
    """Name of the task."""
    task_version: str
    """Its version."""
    task_sha256: str
    """Hash of the file that describes it."""
    bundle_sha256: str
    """Which bundle was judged: see :func:`edge.bundle_identity.bundle_hash`."""
    verdicts: tuple[LimitVerdict, ...]
    """In the order of the task."""

    def of_state(self, state: str) -> list[LimitVerdict]:
        """Return the verdicts that are ``met``, ``missed`` or ``not measured``."""
        return [verdict for verdict in self.verdicts if verdict.state == state]

    def summary(self) -> str:
        """Return one line: how many limits are met, and each that is not, with its figures."""
        met, missed, open_ = (self.of_state(state) for state in ("met", "missed", "not measured"))
        parts = [f"meets {len(met)} of {len(self.verdicts)} limits (task {self.task}, version {self.task_version})"]
        if missed:
            parts.append(f"Misses: {'; '.join(verdict.told() for verdict in missed)}")
        if open_:
            parts.append(f"Not measured: {'; '.join(verdict.title for verdict in open_)}")
        return ". ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the section ``limits`` of a manifest."""
        return {
            "task": {"name": self.task, "version": self.task_version, "sha256": self.task_sha256},
            "bundle_sha256": self.bundle_sha256,
            "verdicts": [verdict.to_dict() for verdict in self.verdicts],
        }


def read_judgement(part: Table) -> Judgement:
    """Read the section ``limits`` of a manifest, or a file that holds the same.

    Raises
    ------
    VivavoceError
        As `part` was made to: an entry is missing, unknown, of another kind, or contradicts another one.
    """
    task = part.table("task")
    name, version = task.line("name"), task.line("version")
    task_hash = task.text("sha256", _SHA256, _HASH)
    task.end()
    bundle = part.text("bundle_sha256", _SHA256, _HASH)
    verdicts: list[LimitVerdict] = []
    entries = part.tables("verdicts")
    if len(entries) > _MOST_VERDICTS:
        raise part.fault("verdicts", f"{len(entries)} entries", f"at most {_MOST_VERDICTS}")
    for entry in entries:
        verdict = _verdict(entry)
        if any(verdict.id == other.id for other in verdicts):
            raise entry.fault("id", f"{verdict.id!r} a second time", "every id once")
        entry.end()
        verdicts.append(verdict)
    part.end()
    return Judgement(name, version, task_hash, bundle, tuple(verdicts))


def _interval(entry: Table) -> Interval | None:
    if entry.null("interval"):
        return None
    value = entry.take("interval")
    ends = value if isinstance(value, list) else []
    numbers = [end for end in ends if isinstance(end, (int, float)) and not isinstance(end, bool)]
    right = len(ends) == 2 and numbers and len(numbers) + ends.count(None) == 2
    if (
        not right
        or not all(math.isfinite(end) and abs(end) <= _LARGEST for end in numbers)
        or numbers != sorted(numbers)
    ):
        raise entry.fault("interval", show(value), "a lower and an upper end, numbers or one of them null")
    low, high = (None if end is None else float(end) for end in ends)
    return low, high


def _verdict(entry: Table) -> LimitVerdict:
    unmeasured = entry.null("measured")
    measured = None if unmeasured else entry.number("measured")
    source = None if entry.null("source") else entry.table("source")
    verdict = LimitVerdict(
        id=entry.text("id", _ID, "lower-case letters, digits and underscores"),
        title=entry.line("title"),
        unit=entry.choice("unit", UNITS),
        direction=entry.choice("direction", DIRECTIONS),
        limit=entry.number("limit"),
        evidence=entry.choice("evidence", EVIDENCE),
        measured=measured,
        interval=_interval(entry),
        n=None if entry.null("n") else entry.number("n", 0.0),
        counted=entry.line("counted"),
        of=None if entry.null("of") else entry.line("of"),
        source=None if source is None else source.line("file"),
        source_sha256=None if source is None else source.text("sha256", _SHA256, _HASH),
    )
    if source is not None:
        source.end()
    if (verdict.source is None) != unmeasured:
        raise entry.fault("source", "one" if unmeasured else "null", "one exactly where something was measured")
    met = entry.take("met")
    # Null, true or false; 1 is neither.
    if met is not verdict.met:
        raise entry.fault("met", show(met), f"{show(verdict.met)}, as value and limit have it")
    return verdict


def card_without_limits(card: bytes) -> bytes:
    """Return a model card as it was before limits were written into it."""
    return _CARD_SECTION.sub(b"", card)
