"""The contract of the task: what has to be reached, read strictly from ``task.toml``.

No other module knows a limit. A limit says which results file holds its value and where, so that there is no second
table of paths either. :mod:`train.judging` holds results against it.
"""

import hashlib
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

from edge.errors import DataError
from edge.judgement import DIRECTIONS, EVIDENCE, UNITS
from edge.sample_time import SAMPLE_RATE_HZ
from edge.strict_json import is_line
from edge.strict_toml import Within, from_tables, load_tables

__all__ = [
    "DEFAULT_TASK",
    "Classes",
    "Cutoffs",
    "Device",
    "Existing",
    "Inputs",
    "Measure",
    "ProtocolLimits",
    "Quantisation",
    "Task",
    "load_task",
]

DEFAULT_TASK = Path(__file__).resolve().parent / "task.toml"
"""The contract of what ships."""

_ID = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FILE = re.compile(r"[A-Za-z0-9{][A-Za-z0-9._{}-]{0,99}")
_SPLIT = "{split}"
_PATH = re.compile(r"[^.*]+(\.([^.*]+|\*))*")

_Share = Annotated[float, Within(0.0, 1.0)]
_Amount = Annotated[float, Within(0.0, 1e9)]


def _check(right: object, key: str, got: object, expected: str) -> None:
    """Raise what :mod:`edge.strict_toml` makes a message of."""
    if not right:
        raise ValueError(f"{key}: got {got!r}, expected {expected}")


def _check_choice(key: str, value: str, choices: Collection[str]) -> None:
    _check(value in choices, key, value, f"one of {', '.join(choices)}")


def _check_path(key: str, path: str) -> None:
    _check(_PATH.fullmatch(path), key, path, "a dotted path, such as int8.recall.*.rate")


class _Told:
    """Settings whose texts are printed as they are."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, str):
                _check(is_line(value), field.name, value, "text on one line, at most 1000 characters")


@dataclass(frozen=True, slots=True)
class _Head(_Told):
    """What the task is called, and asks."""

    name: str
    version: str
    question: str


@dataclass(frozen=True, slots=True)
class Inputs(_Told):
    """What the networks are given."""

    sample_rate_hz: Annotated[int, Within(SAMPLE_RATE_HZ, SAMPLE_RATE_HZ)]
    """Rate of the stream, Hz: the one that the networks, the frontend and every time in the program are made for."""
    channels: Annotated[int, Within(1, 1)]
    """Microphones."""
    sample_type: Literal["int16"]
    """Type of a sample."""
    what: str
    """The stream, in words."""
    judged: str
    """What of it liveness is judged by, in words."""


@dataclass(frozen=True, slots=True)
class Classes(_Told):
    """The answers, and what they mean."""

    live: str
    """A person spoke."""
    replay: str
    """A loudspeaker played it."""


@dataclass(frozen=True, slots=True)
class Device(_Told):
    """What runs it."""

    what: str
    """The device, in words."""
    bundle_bytes: Annotated[int, Within(1, 1 << 30)]
    """What a bundle may take, all files together; a larger one is not made."""


@dataclass(frozen=True, slots=True)
class Quantisation:
    """How far int8 may be from float."""

    max_rms_share: _Share
    """Largest rms difference of an output, as a share of the spread of its float values."""
    min_agreement: _Share
    """Smallest share of equal decisions."""


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Where the cut-offs are drawn on dev."""

    false_accepts_per_hour: _Amount
    """Of all words together."""
    live_refused: _Share
    """Share of live users below the accept cut-off."""
    live_rejected: _Share
    """Share of live users below the reject cut-off; not above the other."""

    def __post_init__(self) -> None:
        """Check one against the other."""
        expected = f"at most live_refused, {self.live_refused:g}"
        _check(self.live_rejected <= self.live_refused, "live_rejected", self.live_rejected, expected)


@dataclass(frozen=True, slots=True)
class ProtocolLimits:
    """What shortcut probes are held to."""

    most_off_chance: Annotated[float, Within(0.0, 0.5)]
    """Of an equal error rate, from 1/2."""
    most_on_leak: Annotated[float, Within(0.0, 0.5)]
    """Equal error rate on copies with a leak."""
    most_distance: _Share
    """Statistic of Kolmogorov and Smirnov between both classes."""
    distance_clips: Annotated[int, Within(1, 1_000_000)]
    """Clips of each class from which on distances are judged."""
    stratum_clips: Annotated[int, Within(20, 1_000_000)]
    """Clips of each class from which on a stratum is judged; fewer than 20 make no trees."""


@dataclass(frozen=True, slots=True)
class Measure(_Told):
    """One limit, and where its value is found."""

    title: str
    """What is measured, as people read it."""
    unit: str
    """One of :data:`edge.judgement.UNITS`."""
    direction: str
    """One of :data:`edge.judgement.DIRECTIONS`."""
    limit: _Amount
    """In the unit."""
    evidence: str
    """One of :data:`edge.judgement.EVIDENCE`."""
    file: str
    """Name of the results file."""
    value: str
    """Dotted path of the value in it."""
    counted: str
    """What ``n`` counts."""
    why: str
    """Where the limit comes from."""
    split: Literal["dev", "test"] | None = None
    """Split of the recordings; None where none are measured on."""
    interval: tuple[str, ...] = ()
    """Dotted path of two numbers, or of each of them; an empty one is an end that is not known."""
    n: str | None = None
    """Dotted path of how much was measured."""
    factor: Annotated[float, Within(1e-9, 1e9)] = 1.0
    """What numbers of the file are multiplied with to have the unit."""

    def __post_init__(self) -> None:
        """Check what no type says."""
        _Told.__post_init__(self)
        _check_choice("unit", self.unit, UNITS)
        _check_choice("direction", self.direction, DIRECTIONS)
        _check_choice("evidence", self.evidence, EVIDENCE)
        share, most = self.unit == "share", self.direction == "at_most"
        _check(not share or self.limit <= 1.0, "limit", self.limit, "a share from 0 to 1")
        # Every possible result would meet it: a limit that was forgotten, or set the wrong way round.
        idle = share and self.limit == 1.0 if most else self.limit == 0.0
        _check(
            not idle, "limit", self.limit, f"one that a result can miss, as it has to be {DIRECTIONS[self.direction]}"
        )
        _check(_FILE.fullmatch(self.file), "file", self.file, "the name of a results file")
        expected = f"a name with {_SPLIT} in it" if self.split else f"no {_SPLIT}, as there is no split"
        _check((self.split is not None) == (_SPLIT in self.file), "file", self.file, expected)
        _check_path("value", self.value)
        known = [end for end in self.interval if end]
        expected = "the dotted path of two numbers, or two paths of which one may be empty"
        _check(not self.interval or (known and len(self.interval) <= 2), "interval", self.interval, expected)
        for key, path in (("n", self.n), *(("interval", end) for end in known)):
            if path is not None:
                _check_path(key, path)
                _check(path.count("*") in (0, self.value.count("*")), key, path, "no *, or as many as the value has")

    def file_name(self, split: str | None = None) -> str:
        """Return the name of the results file, of the limit's own split or of another one."""
        return self.file if self.split is None else self.file.replace(_SPLIT, split or self.split)


@dataclass(frozen=True, slots=True)
class Existing(_Told):
    """What an existing solution reaches: a figure as text, or where a results file holds it."""

    name: str
    """The solution."""
    what: str
    """What was measured."""
    by: Literal["them", "us"]
    """``them``: reported by others and not measured again; ``us``: found by this project."""
    conditions: str
    """How."""
    source: str
    """Where it is published, or what measured it."""
    figure: str | None = None
    """The figure as text, where no results file holds it."""
    file: str | None = None
    """Name of the results file."""
    value: str | None = None
    """Dotted path of the value in it."""
    interval: str | None = None
    """Dotted path of its interval."""
    unit: str | None = None
    """Its unit."""

    def __post_init__(self) -> None:
        """Check that there is one figure and no more."""
        _Told.__post_init__(self)
        told = {"file": self.file, "value": self.value, "unit": self.unit}
        given = [key for key, value in (*told.items(), ("interval", self.interval)) if value is not None]
        if self.figure is not None:
            _check(not given, "figure", ", ".join(["figure", *given]), "'figure', or 'file', 'value' and 'unit'")
            return
        _check(set(given) >= set(told), "figure", ", ".join(given) or "none", "'figure', or 'file', 'value' and 'unit'")
        _check(_FILE.fullmatch(self.file or ""), "file", self.file, "the name of a results file")
        _check_choice("unit", self.unit or "", UNITS)
        for key, path in (("value", self.value), ("interval", self.interval)):
            if path is not None:
                _check_path(key, path)
                _check("*" not in path, key, path, "a path without *")


@dataclass(frozen=True, slots=True)
class _Contract:
    """The file: its tables."""

    task: _Head
    inputs: Inputs
    classes: Classes
    device: Device
    quantisation: Quantisation
    cutoffs: Cutoffs
    protocol: ProtocolLimits
    measures: dict[str, Measure]
    existing: tuple[Existing, ...] = ()

    def __post_init__(self) -> None:
        _check(self.measures, "measures", self.measures, "at least one limit")
        for name in self.measures:
            _check(_ID.fullmatch(name), f"measures.{name}", name, "lower-case letters, digits and underscores")


@dataclass(frozen=True, slots=True)
class Task:
    """A contract that has been read."""

    path: Path
    """The file."""
    sha256: str
    """Its hash."""
    name: str
    """Name of the task."""
    version: str
    """Changes whenever a limit does."""
    question: str
    """What is asked."""
    inputs: Inputs
    """What the networks are given."""
    classes: dict[str, str]
    """The answers, each with what it means."""
    device: Device
    """What runs it."""
    quantisation: Quantisation
    """How far int8 may be from float."""
    cutoffs: Cutoffs
    """Where the cut-offs are drawn on dev."""
    protocol: ProtocolLimits
    """What shortcut probes are held to."""
    measures: dict[str, Measure]
    """The limits, by id."""
    existing: tuple[Existing, ...]
    """What existing solutions reach."""

    def measure(self, name: str) -> Measure:
        """Return a limit that a part of the program needs.

        Raises
        ------
        DataError
            If the task has no such limit.
        """
        if name not in self.measures:
            raise DataError(
                f"{self.path}: measures.{name} is missing; give a limit of this name, as {DEFAULT_TASK} does"
            )
        return self.measures[name]


def load_task(path: Path | None = None) -> Task:
    """Read a contract; by default that of what ships.

    Raises
    ------
    UsageError
        If the file cannot be read.
    DataError
        If an entry is unknown, missing or of another kind, or a value makes no sense; the message names it by its
        dotted path, and of an unknown one the nearest that is known.
    """
    path = DEFAULT_TASK if path is None else Path(path)
    read = from_tables(_Contract, load_tables(path), str(path), error=DataError)
    return Task(
        path=path,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        name=read.task.name,
        version=read.task.version,
        question=read.task.question,
        inputs=read.inputs,
        classes=asdict(read.classes),
        device=read.device,
        quantisation=read.quantisation,
        cutoffs=read.cutoffs,
        protocol=read.protocol,
        measures=read.measures,
        existing=read.existing,
    )
