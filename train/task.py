"""The contract of the task: what has to be reached, read strictly from ``task.toml``.

No other module knows a limit. A limit says which results file holds its value and where, so that there is no second
table of paths either. :mod:`train.judging` holds results against it.
"""

import hashlib
import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from edge.errors import DataError, VivavoceError
from edge.events import SAMPLE_RATE_HZ
from edge.judgement import DIRECTIONS, EVIDENCE, UNITS
from edge.strict_json import Table, show

__all__ = [
    "DEFAULT_TASK",
    "Cutoffs",
    "Device",
    "Existing",
    "Inputs",
    "Measure",
    "Quantisation",
    "Task",
    "load_task",
]

DEFAULT_TASK = Path(__file__).resolve().parent / "task.toml"
"""The contract of what ships."""

_REMEDY = "correct the file; train/task.toml of the program shows every entry"
_MAX_BYTES = 1 << 20
_ID = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FILE = re.compile(r"[A-Za-z0-9{][A-Za-z0-9._{}-]{0,99}")
_SPLIT = "{split}"
_PATH = re.compile(r"[^.*]+(\.([^.*]+|\*))*")
_BY = ("them", "us")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the networks are given."""

    sample_rate_hz: int
    """Rate of the stream, Hz."""
    channels: int
    """Microphones."""
    sample_type: str
    """Type of a sample."""
    what: str
    """The stream, in words."""
    judged: str
    """What of it liveness is judged by, in words."""


@dataclass(frozen=True, slots=True)
class Device:
    """What runs it."""

    what: str
    """The device, in words."""
    bundle_bytes: int
    """What a bundle may take, all files together; a larger one is not made."""


@dataclass(frozen=True, slots=True)
class Quantisation:
    """How far int8 may be from float."""

    max_rms_share: float
    """Largest rms difference of an output, as a share of the spread of its float values."""
    min_agreement: float
    """Smallest share of equal decisions."""


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Where the cut-offs are drawn on dev."""

    false_accepts_per_hour: float
    """Of all words together."""
    live_refused: float
    """Share of live users below the accept cut-off."""
    live_rejected: float
    """Share of live users below the reject cut-off; not above the other."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One limit, and where its value is found."""

    id: str
    """Name in files and options."""
    title: str
    """What is measured, as people read it."""
    unit: str
    """One of :data:`edge.judgement.UNITS`."""
    direction: str
    """``at_most`` or ``at_least``."""
    limit: float
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
    split: str | None = None
    """Split of the recordings; None where none are measured on."""
    interval: str | tuple[str, str] | None = None
    """Dotted path of two numbers, or of each; an empty one is an end that is not known."""
    n: str | None = None
    """Dotted path of how much was measured."""
    factor: float = 1.0
    """What numbers of the file are multiplied with to have the unit."""

    def file_name(self, split: str | None = None) -> str:
        """Return the name of the results file, of the limit's own split or of another one."""
        return self.file if self.split is None else self.file.replace(_SPLIT, split or self.split)


@dataclass(frozen=True, slots=True)
class Existing:
    """What an existing solution reaches."""

    name: str
    """The solution."""
    what: str
    """What was measured."""
    by: str
    """``them``: reported by others and not measured again; ``us``: measured by this project."""
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
    measures: tuple[Measure, ...]
    """The limits."""
    existing: tuple[Existing, ...]
    """What existing solutions reach."""

    def measure(self, name: str) -> Measure:
        """Return a limit by its id.

        Raises
        ------
        DataError
            If the task has no such limit, which a part of the program needs.
        """
        for measure in self.measures:
            if measure.id == name:
                return measure
        raise DataError(f"{self.path}: measures.{name}: got no such entry, expected one; {_REMEDY}")


# --------------------------------------------------------------------------------------------------- reading a contract


def load_task(path: Path | None = None) -> Task:
    """Read a contract; by default that of what ships.

    Raises
    ------
    DataError
        If the file cannot be read, an entry is unknown, missing or of another kind, or a value makes no sense; the
        message names it by its dotted path, and of an unknown one the nearest that is known.
    """
    path = DEFAULT_TASK if path is None else Path(path)
    content = _read(path)
    try:
        plain = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: got text that is not TOML ({error}), expected a task; {_REMEDY}") from error
    top = Table(path, plain, remedy=_REMEDY, error=DataError)
    top.only(("task", "inputs", "classes", "device", "quantisation", "cutoffs", "measures", "existing"))
    head = top.table("task")
    head.only(("name", "version", "question"))
    return Task(
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        name=head.line("name"),
        version=head.line("version"),
        question=head.line("question"),
        inputs=_inputs(top.table("inputs")),
        classes=_classes(top.table("classes")),
        device=_device(top.table("device")),
        quantisation=_quantisation(top.table("quantisation")),
        cutoffs=_cutoffs(top.table("cutoffs")),
        measures=_measures(top.table("measures")),
        existing=tuple(_existing(entry) for entry in top.tables("existing")) if "existing" in top.names else (),
    )


def _read(path: Path) -> bytes:
    from edge.regular_file import read_regular

    try:
        return read_regular(path, _MAX_BYTES, what="a task", remedy="give the TOML file of a task")
    except VivavoceError as error:
        raise DataError(str(error)) from error


def _known(part: Table, cls: type) -> None:
    part.only([field.name for field in fields(cls) if field.name != "id"])


def _optional_text(part: Table, key: str, pattern: re.Pattern[str], what: str) -> str | None:
    return part.text(key, pattern, what) if key in part.names else None


def _share(part: Table, key: str) -> float:
    return part.number(key, 0.0, 1.0)


def _inputs(part: Table) -> Inputs:
    _known(part, Inputs)
    return Inputs(
        # The networks, the frontend and every time in the program are made for this one.
        sample_rate_hz=part.integer("sample_rate_hz", SAMPLE_RATE_HZ, SAMPLE_RATE_HZ),
        channels=part.integer("channels", 1, 1),
        sample_type=part.choice("sample_type", ("int16",)),
        what=part.line("what"),
        judged=part.line("judged"),
    )


def _classes(part: Table) -> dict[str, str]:
    part.only(("live", "replay"))
    return {name: part.line(name) for name in ("live", "replay")}


def _device(part: Table) -> Device:
    _known(part, Device)
    return Device(part.line("what"), part.integer("bundle_bytes", 1, 1 << 30))


def _quantisation(part: Table) -> Quantisation:
    _known(part, Quantisation)
    return Quantisation(_share(part, "max_rms_share"), _share(part, "min_agreement"))


def _cutoffs(part: Table) -> Cutoffs:
    _known(part, Cutoffs)
    rate, refused = part.number("false_accepts_per_hour", 0.0), _share(part, "live_refused")
    return Cutoffs(rate, refused, part.number("live_rejected", 0.0, refused))


def _measures(part: Table) -> tuple[Measure, ...]:
    names = part.names
    if not names:
        raise part.fault("*", "no entry", "at least one limit")
    for name in names:
        if not _ID.fullmatch(name):
            raise part.fault(name, "this name", "lower-case letters, digits and underscores")
    return tuple(_measure(name, part.table(name)) for name in names)


def _measure(name: str, part: Table) -> Measure:
    _known(part, Measure)
    unit = part.choice("unit", UNITS)
    direction = part.choice("direction", DIRECTIONS)
    limit = _share(part, "limit") if unit == "share" else part.number("limit", 0.0)
    # Every possible result would meet it: a limit that was forgotten, or set the wrong way round.
    if (unit == "share" and limit == 1.0 and direction == "at_most") or (limit == 0.0 and direction == "at_least"):
        raise part.fault("limit", f"{limit:g} {DIRECTIONS[direction]}", "one that a result can miss")
    split = part.choice("split", ("dev", "test")) if "split" in part.names else None
    file = part.text("file", _FILE, "the name of a results file")
    if (split is not None) != (_SPLIT in file):
        expected = f"a name with {_SPLIT} in it" if split else f"no {_SPLIT}, as there is no split"
        raise part.fault("file", show(file), expected)
    value = _path(part, "value")
    n = _path(part, "n") if "n" in part.names else None
    interval = _interval_path(part) if "interval" in part.names else None
    for key, path in (("n", n), *(("interval", one) for one in _parts(interval))):
        if path is not None and path.count("*") not in (0, value.count("*")):
            raise part.fault(key, show(path), "no *, or as many as the value has")
    return Measure(
        id=name,
        title=part.line("title"),
        unit=unit,
        direction=direction,
        limit=limit,
        evidence=part.choice("evidence", EVIDENCE),
        file=file,
        value=value,
        counted=part.line("counted"),
        why=part.line("why"),
        split=split,
        interval=interval,
        n=n,
        factor=part.number("factor", 1e-9) if "factor" in part.names else 1.0,
    )


def _path(part: Table, key: str) -> str:
    return part.text(key, _PATH, "a dotted path, such as int8.recall.*.rate")


def _interval_path(part: Table) -> str | tuple[str, str]:
    value = part.take("interval")
    texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    good = all(isinstance(one, str) and (not one or _PATH.fullmatch(one)) for one in texts)
    if good and len(texts) == 1 and isinstance(value, str) and value:
        return value
    if not good or len(texts) != 2 or not any(texts):
        raise part.fault("interval", show(value), "a dotted path, or a list of two of which one may be empty")
    return texts[0], texts[1]


def _parts(interval: str | tuple[str, str] | None) -> tuple[str, ...]:
    return () if interval is None else (interval,) if isinstance(interval, str) else interval


def _existing(part: Table) -> Existing:
    _known(part, Existing)
    figure = part.line("figure") if "figure" in part.names else None
    file = _optional_text(part, "file", _FILE, "the name of a results file")
    if (figure is None) == (file is None):
        got = "both" if figure else "neither 'figure' nor 'file'"
        raise part.fault("figure", got, "either 'figure', or 'file', 'value' and 'unit'")
    entry = Existing(
        name=part.line("name"),
        what=part.line("what"),
        by=part.choice("by", _BY),
        conditions=part.line("conditions"),
        source=part.line("source"),
        figure=figure,
        file=file,
        value=_path(part, "value") if file else None,
        unit=part.choice("unit", UNITS) if file else None,
        interval=_optional_text(part, "interval", _PATH, "a dotted path") if file else None,
    )
    if part.names:
        raise part.fault(part.names[0], "an entry beside 'figure'", "it beside 'file' only")
    return entry
