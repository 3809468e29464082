"""Results files as a report takes them: about one bundle, and every figure checked before it is told.

The protocol is measured with a bundle, but most of it is about recordings and simulated replays, and holds for every
bundle: that is taken of a file about another one, too.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import DataError
from edge.files import read_file
from edge.json_reading import parse_json
from edge.strict_json import kind, show
from train.longform_corpora import FILE_NAME

__all__ = ["Part", "Rate", "Results", "read_part", "read_results"]

_LARGEST = 1e9

_MADE_BY = {
    "wake_test.json": "make results",
    "liveness_test.json": "make results",
    "protocol.json": "vivavoce train protocol --data DATA --split test -o results",
    "runtime.json": "make bench-peers",
    "test_ledger.json": "vivavoce train evaluate --data DATA --split test -o results",
}


_BESIDE = (FILE_NAME.format(split="test"),)
"""Files that are told of where they are, and missed by nobody where they are not: later results hold it themselves."""

_OF_BUNDLE = {"protocol.json": ("two_rooms", "bundle")}
"""Files that hold for every bundle, and where in each of them is what does not."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of clips, or events an hour, and what it may be in truth.

    Attributes
    ----------
    value : float
    low, high : float or None
        Ends of the 95 % interval; None where the results hold none.
    """

    value: float
    low: float | None = None
    high: float | None = None

    def rest(self) -> "Rate":
        """Return the share of the others: of clips that are missed, where this one is of those that are heard."""
        return Rate(
            1.0 - self.value,
            None if self.high is None else 1.0 - self.high,
            None if self.low is None else 1.0 - self.low,
        )


class Part:
    """An object of a results file, whose entries are checked when they are taken.

    Parameters
    ----------
    path : Path
        The file, for messages.
    entries : dict
    name : str
        Dotted path of the object within the file.
    """

    def __init__(self, path: Path, entries: dict[str, Any], name: str = "") -> None:
        self.path = path
        self._entries = entries
        self._name = name

    def fault(self, key: str, got: str, expected: str) -> DataError:
        """Return the error to raise for an entry."""
        dotted = f"{self._name}.{key}" if self._name else key
        return DataError(f"{self.path}: {dotted}: got {got}, expected {expected}; measure again")

    def __contains__(self, key: str) -> bool:
        return self._entries.get(key) is not None

    def names(self) -> list[str]:
        """Return the names of the entries."""
        return list(self._entries)

    def _take(self, key: str, expected: str) -> Any:
        if key not in self._entries:
            raise self.fault(key, "no such entry", expected)
        return self._entries[key]

    def part(self, *keys: str) -> "Part":
        """Return an object within this one."""
        found = self
        for key in keys:
            value = found._take(key, "an object")
            if not isinstance(value, dict):
                raise found.fault(key, kind(value), "an object")
            found = Part(self.path, value, f"{found._name}.{key}" if found._name else key)
        return found

    def number(self, key: str, most: float = _LARGEST) -> float:
        """Return a number from 0 to `most`."""
        value = self._take(key, "a number")
        good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= most
        if not good:
            raise self.fault(key, show(value), f"a number from 0 to {most:g}")
        return float(value)

    def count(self, key: str) -> int:
        """Return a whole number from 0."""
        value = self.number(key)
        if not value.is_integer():
            raise self.fault(key, show(value), "a whole number")
        return int(value)

    def text(self, key: str) -> str:
        """Return text."""
        value = self._take(key, "text")
        if not isinstance(value, str):
            raise self.fault(key, kind(value), "text")
        return value

    def items(self, key: str) -> list[Any]:
        """Return a list."""
        value = self._take(key, "a list")
        if not isinstance(value, list):
            raise self.fault(key, kind(value), "a list")
        return value

    def flag(self, key: str) -> bool | None:
        """Return true or false, or None where the results do not judge."""
        value = self._take(key, "true, false or null")
        if value is not None and not isinstance(value, bool):
            raise self.fault(key, show(value), "true, false or null")
        return value

    def share(self, key: str, interval: str | None = None) -> Rate:
        """Return a share from 0 to 1, with its interval if the results have one."""
        value = self.number(key, 1.0)
        if interval is None or interval not in self:
            return Rate(value)
        ends = self.items(interval)
        if len(ends) == 2 and all(isinstance(end, float) and math.isnan(end) for end in ends):
            return Rate(value)  # no resample gave a figure
        numbers = [end for end in ends if isinstance(end, (int, float)) and not isinstance(end, bool)]
        if len(ends) != 2 or len(numbers) != 2 or not 0 <= numbers[0] <= numbers[1] <= 1:
            raise self.fault(interval, show(ends), "two ascending shares from 0 to 1")
        return Rate(value, float(numbers[0]), float(numbers[1]))


@dataclass(frozen=True, slots=True)
class Results:
    """What a folder holds of a bundle.

    Attributes
    ----------
    folder : Path
    parts : dict
        By file name: what it holds; or, as text, why it does not count and what to do.
    openings : int or None
        How often the test split was opened; None without a ledger.
    elsewhere : dict
        By the name of a file about another bundle, of which only what holds for every bundle is in `parts`: the
        beginning of that bundle's hash.
    """

    folder: Path
    parts: dict[str, Part | str]
    openings: int | None
    elsewhere: dict[str, str]

    def of(self, name: str) -> Part | str:
        """Return what a file holds, or why there is nothing."""
        return self.parts[name]

    def beside(self, name: str) -> Part | None:
        """Return what a file holds that need not be there."""
        part = self.parts.get(name)
        return None if isinstance(part, str) else part


def read_results(folder: Path, bundle_sha256: str) -> Results:
    """Read the results files that a report tells of.

    Parameters
    ----------
    folder : Path
    bundle_sha256 : str
        Of the bundle that the report is about (:func:`edge.bundle.bundle_hash`); a file about another one does not
        count, or only what of it holds for every bundle.

    Raises
    ------
    DataError
        If the folder is none, or a file cannot be read, is not JSON, or does not hold an object.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder}: is no folder, expected one with results files; run 'make results', or check --results"
        )
    ledger = _content(folder / "test_ledger.json")
    if ledger is not None and not isinstance(ledger, list):
        raise DataError(
            f"{folder / 'test_ledger.json'}: got {kind(ledger)}, expected the openings of the test split; restore it, "
            "e.g. with git"
        )
    parts: dict[str, Part | str] = {}
    elsewhere: dict[str, str] = {}
    for name, command in _MADE_BY.items():
        if name == "test_ledger.json":
            continue
        body = _object(folder / name)
        if body is None:
            parts[name] = f"There is no {name} in {folder}. Run: {command}"
            continue
        about = body.get("bundle_sha256")
        if about is None or about == bundle_sha256:
            parts[name] = Part(folder / name, body)
        elif name in _OF_BUNDLE:
            parts[name] = Part(folder / name, _without(body, *_OF_BUNDLE[name]))
            elsewhere[name] = str(about)[:12]
        else:
            parts[name] = f"{name} in {folder} is about another bundle ({str(about)[:12]}). Run: {command}"
    for name in _BESIDE:
        body = _object(folder / name)
        if body is not None and body.get("bundle_sha256") == bundle_sha256:
            parts[name] = Part(folder / name, body)
    return Results(folder, parts, None if ledger is None else len(ledger), elsewhere)


def read_part(path: Path) -> Part:
    """Read one results file, whatever bundle it is about.

    Raises
    ------
    DataError
        If there is none, it cannot be read, is not JSON, or does not hold an object.
    """
    body = _object(path)
    if body is None:
        raise DataError(f"{path}: there is none, expected a results file; measure first, or check the path")
    return Part(path, body)


def _without(body: dict[str, Any], name: str, key: str) -> dict[str, Any]:
    """Return what a file holds, without one entry of one of its objects."""
    part = body.get(name)
    if not isinstance(part, dict):
        return body
    return body | {name: {other: value for other, value in part.items() if other != key}}


def _object(path: Path) -> dict[str, Any] | None:
    """Return the object that a results file holds; None if there is no such file."""
    body = _content(path)
    if body is not None and not isinstance(body, dict):
        raise DataError(f"{path}: got {kind(body)}, expected an object; measure again")
    return body


def _content(path: Path) -> Any:
    """Return what a file of JSON holds; None if there is no such file."""
    try:
        content = read_file(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}), expected a results file; check it") from error
    try:
        body = parse_json(content)
    except ValueError as error:
        raise DataError(f"{path}: got text that is not JSON ({error}), expected results; measure again") from error
    if body is None:
        raise DataError(f"{path}: got null, expected results; measure again")
    return body
