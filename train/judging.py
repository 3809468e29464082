"""Results held against the limits of a task: each met, missed, or not measured.

Where a value lies is said by the limit, as a dotted path; a ``*`` in it stands for several entries, of which the worst
counts. Nothing is guessed: what is missing is not measured, and what is no number is a fault of the file. NaN is no
number; only beside a count of 0 it is the mean of nothing, and two as an interval say that no resample gave a figure.

Results name the set of renderings that they were measured on, where there is one. Figures from another than the
frozen set compare with no limit, so what is simulated in such a file counts as not measured. What is real in it
counts, and what names no set: recordings, benchmarks, and results that are older than the sets.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edge.errors import DataError
from edge.json_reading import parse_json
from edge.judgement import UNITS, Interval, Judgement, LimitVerdict, show_value
from edge.strict_json import is_line, kind, show
from train.set_state import compares
from train.task import Existing, Measure, Task

__all__ = ["judge", "judgement", "read_existing"]

_LARGEST = 1e9
_RENDERED = "simulated"
"""Evidence that a set of renderings gives; recordings of people in the same file are none of that set."""


def judge(
    task: Task, results: Path, *, bundle_sha256: str | None = None, split: str | None = None
) -> list[LimitVerdict]:
    """Hold results against the limits of a task.

    Parameters
    ----------
    task : Task
    results : Path
        Folder with results files. One that is missing, or does not have the entry, leaves its limits not measured.
    bundle_sha256 : str, optional
        Which bundle is judged (:func:`edge.bundle_identity.bundle_hash`): a results file that is about another one
        counts as none. A file that names no bundle is about the program, and counts.
    split : str, optional
        Judge what is measured on recordings by this split in place of the limit's own.

    Returns
    -------
    list of LimitVerdict
        In the order of the task.

    Raises
    ------
    DataError
        If a results file cannot be read, or holds no number, interval or share where there should be one.
    """
    read: dict[str, tuple[Any, str] | str] = {}
    verdicts = []
    for name, measure in task.measures.items():
        file = measure.file_name(split)
        if file not in read:
            read[file] = _result(results / file, bundle_sha256)
        found = read[file]
        other = None if isinstance(found, str) else _other_set(results / file, found[0])
        if isinstance(found, str):
            verdicts.append(_verdict(name, measure, found))
        elif other is not None and measure.evidence == _RENDERED:
            verdicts.append(_verdict(name, measure, other))
        else:
            verdicts.append(_judged(name, measure, results / file, *found))
    return verdicts


def judgement(task: Task, verdicts: Sequence[LimitVerdict], bundle_sha256: str) -> Judgement:
    """Put verdicts together with what was judged, and by what."""
    return Judgement(task.name, task.version, task.sha256, bundle_sha256, tuple(verdicts))


def read_existing(entry: Existing, results: Path) -> str:
    """Return what an existing solution reaches, as text; read from its results file if it has one."""
    if entry.file is None or entry.value is None or entry.unit is None:
        return entry.figure or ""
    path = results / entry.file
    found = _result(path, None)
    if not isinstance(found, str):
        found = _other_set(path, found[0]) or found
    value = None if isinstance(found, str) else _single(path, found[0], _filled(entry.value), entry.unit, 1.0)
    if isinstance(found, str) or value is None:
        return f"not measured ({found if isinstance(found, str) else f'{entry.file} has no {entry.value}'})"
    text = show_value(value, entry.unit)
    if entry.interval is not None:
        interval = _interval(path, found[0], _filled(entry.interval), entry.unit, 1.0)
        if interval is not None and None not in interval:
            factor, digits, _ = UNITS[entry.unit]
            text += " (" + "-".join(f"{factor * end:{digits}}" for end in interval if end is not None) + ")"
    return text


def _result(path: Path, bundle_sha256: str | None) -> tuple[Any, str] | str:
    """Return a results file and its hash, or why there is none."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return f"there is no {path.name}"
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}), expected a results file; check the path"
        ) from error
    try:
        body = parse_json(content)
    except ValueError as error:
        raise DataError(f"{path}: got text that is not JSON ({error}), expected results; measure again") from error
    if not isinstance(body, dict):
        raise DataError(f"{path}: got {kind(body)}, expected an object; measure again")
    about = body.get("bundle_sha256")
    if bundle_sha256 is not None and about is not None and about != bundle_sha256:
        return f"{path.name} is about another bundle, {str(about)[:12]}"
    return body, hashlib.sha256(content).hexdigest()


def _other_set(path: Path, body: Any) -> str | None:
    """Return why figures of renderings do not count; None if their set is the frozen one, or results name none."""
    if "set" not in body:
        return None
    named = body["set"]
    state = named.get("state") if isinstance(named, dict) else None
    if not isinstance(state, str) or not is_line(state):
        raise DataError(
            f"{path}: set: got {show(named)}, expected an object with the 'state' of the set of renderings, such as "
            "'frozen'; measure again"
        )
    return None if compares(state) else f"{path.name} was not measured on the frozen set ({state})"


def _verdict(name: str, measure: Measure, reason: str = "", **measured: Any) -> LimitVerdict:
    nothing: dict[str, Any] = dict.fromkeys(("measured", "interval", "n", "of", "source", "source_sha256"))
    return LimitVerdict(
        id=name,
        title=measure.title,
        unit=measure.unit,
        direction=measure.direction,
        limit=measure.limit,
        evidence=measure.evidence,
        counted=measure.counted,
        reason=reason,
        **(nothing | measured),
    )


def _judged(name: str, measure: Measure, path: Path, body: Any, digest: str) -> LimitVerdict:
    values = []
    for names in _matches(body, measure.value.split("."), ()):
        keys = _filled(measure.value, names)
        if measure.n and _is_nan(_entry(body, keys)) and _entry(body, _filled(measure.n, names)) == 0:
            continue  # The mean of nothing.
        value = _single(path, body, keys, measure.unit, measure.factor)
        if value is not None:
            values.append((value, names))
    if not values:
        return _verdict(name, measure, f"{path.name} has no {measure.value}")
    worst = max if measure.direction == "at_most" else min
    value, names = worst(values, key=lambda one: one[0])
    interval = None
    if len(measure.interval) == 1:
        interval = _interval(path, body, _filled(measure.interval[0], names), measure.unit, measure.factor)
    elif measure.interval:
        low, high = (
            _single(path, body, _filled(end, names), measure.unit, measure.factor) if end else None
            for end in measure.interval
        )
        interval = None if low is None and high is None else (low, high)
    return _verdict(
        name,
        measure,
        measured=value,
        interval=interval,
        n=_single(path, body, _filled(measure.n, names), "", 1.0) if measure.n else None,
        of=" ".join(names) or None,
        source=path.name,
        source_sha256=digest,
    )


def _matches(body: Any, parts: list[str], names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield what each ``*`` of a path stands for, one after the other."""
    if not parts:
        yield names
    elif isinstance(body, dict):
        for key in list(body) if parts[0] == "*" else [parts[0]] if parts[0] in body else []:
            yield from _matches(body[key], parts[1:], (*names, key) if parts[0] == "*" else names)


def _filled(path: str, names: tuple[str, ...] = ()) -> list[str]:
    """Return the keys of a path, with names, which may have dots in them, in place of the ``*``."""
    left = iter(names)
    return [next(left) if key == "*" else key for key in path.split(".")]


def _entry(body: Any, keys: list[str]) -> Any:
    """Return what is at a path; None if there is nothing."""
    for key in keys:
        if not isinstance(body, dict) or key not in body:
            return None
        body = body[key]
    return body


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _number(path: Path, keys: list[str], value: Any, unit: str, factor: float) -> float:
    # Beyond the largest are infinity, integers that no float holds, and what a manifest does not take.
    # A difference of shares may be negative: integers may err less than floats.
    least = -1.0 if unit == "points" else 0
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= _LARGEST / factor
    if not good or (unit in ("share", "points") and value * factor > 1.0):
        dotted = ".".join(keys)
        expected = {"share": "a share from 0 to 1", "points": "a difference from -1 to 1"}.get(unit, "a number from 0")
        raise DataError(f"{path}: {dotted}: got {show(value)}, expected {expected}; measure again, or correct the task")
    # Without the dust of a multiplication; a value at its limit is not rounded over it.
    return float(f"{value * factor:.12g}")


def _single(path: Path, body: Any, keys: list[str], unit: str, factor: float) -> float | None:
    value = _entry(body, keys)
    return None if value is None else _number(path, keys, value, unit, factor)


def _interval(path: Path, body: Any, keys: list[str], unit: str, factor: float) -> Interval | None:
    value = _entry(body, keys)
    if value is None or (isinstance(value, list) and value and all(map(_is_nan, value))):
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise DataError(
            f"{path}: {'.'.join(keys)}: got {show(value)}, expected two numbers; measure again, or correct the task"
        )
    low, high = (_number(path, keys, end, unit, factor) for end in value)
    return low, high
