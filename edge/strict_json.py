"""Reading the JSON of a manifest strictly: every entry once, each of its kind, and none that is not known.

:class:`Table` also holds a single table of another file to that, where the rest belongs to somebody else.
"""

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, NoReturn

from edge.errors import BundleError, VivavoceError
from edge.json_reading import parse_json

__all__ = ["Table", "is_line", "kind", "load_object", "show"]

_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,1000}")
_LARGEST = 1e9  # of any number; beyond are infinity, and integers that no float holds
_INSTALL = "install the bundle again"
_MAKE = "use another bundle, or make this one again with 'vivavoce quantize pack'"


def load_object(
    path: Path,
    content: bytes,
    *,
    remedy: str = _INSTALL,
    what: str = "a manifest",
    error: type[VivavoceError] = BundleError,
) -> dict[str, Any]:
    """Parse what should be a manifest, or something else, as JSON, without the latitude that :mod:`json` grants.

    A fault is of the class that is given, and ends with the remedy.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(items)
        if len(table) != len(items):
            names = [name for name, _ in items]
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"the entry {twice!r} comes twice")
        return table

    def constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not a number of JSON")

    try:
        manifest = parse_json(content.decode(), object_pairs_hook=pairs, parse_constant=constant)
    except ValueError as fault:
        raise error(f"{path}: got text that is not JSON ({fault}), expected {what}; {remedy}") from fault
    if not isinstance(manifest, dict):
        raise error(f"{path}: got {kind(manifest)}, expected an object; {remedy}")
    return manifest


class Table:
    """A JSON object of which every entry must be taken, each under the eyes of a check; faults end with the remedy.

    Parameters
    ----------
    path : Path
        The file, for messages.
    table : dict
        Its content, or a part of it.
    name : str
        The dotted path of the part.
    remedy : str
        How every message ends.
    error : type of VivavoceError
        What a fault is.
    """

    def __init__(
        self,
        path: Path,
        table: dict[str, Any],
        name: str = "",
        *,
        remedy: str = _MAKE,
        error: type[VivavoceError] = BundleError,
    ) -> None:
        self.path = path
        """The manifest."""
        self._left = dict(table)
        self._name = name
        self._remedy = remedy
        self._error = error

    @property
    def names(self) -> list[str]:
        """Return the names of the entries that have not been taken."""
        return list(self._left)

    def _dotted(self, key: str) -> str:
        # Names are from the file, too: none of them does anything to a terminal.
        shown = key if is_line(key) else json.dumps(key)[:80]
        return f"{self._name}.{shown}" if self._name else shown

    def fault(self, key: str, got: str, expected: str) -> VivavoceError:
        """Return the error to raise for an entry."""
        return self._error(f"{self.path}: {self._dotted(key)}: got {got}, expected {expected}; {self._remedy}")

    def null(self, key: str) -> bool:
        """Tell whether an entry is there and says that there is nothing; then it is taken."""
        found = self._left.get(key, ...) is None
        if found:
            self.take(key)
        return found

    def take(self, key: str) -> Any:
        """Take an entry as it is."""
        if key not in self._left:
            raise self.fault(key, "no such entry", "one")
        return self._left.pop(key)

    def text(self, key: str, pattern: re.Pattern[str] | None = None, what: str = "text") -> str:
        """Take text, all of which must match the pattern."""
        value = self.take(key)
        if not isinstance(value, str) or not value.strip() or (pattern and not pattern.fullmatch(value)):
            raise self.fault(key, show(value), what)
        return value

    def line(self, key: str) -> str:
        """Take text that is printed as it is: one line, and nothing that a terminal would act on."""
        return self.text(key, _LINE, "text on one line, at most 1000 characters")

    def choice(self, key: str, choices: Collection[str]) -> str:
        """Take text that is one of several."""
        value = self.take(key)
        if not isinstance(value, str) or value not in choices:
            raise self.fault(key, show(value), f"one of {', '.join(choices)}")
        return value

    def integer(self, key: str, low: int, high: int) -> int:
        """Take a whole number within limits, both included."""
        value = self.take(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.fault(key, show(value), f"a whole number from {low} to {high}")
        return value

    def number(self, key: str, low: float = -_LARGEST, high: float = _LARGEST) -> float:
        """Take a finite number within limits, both included."""
        value = self.take(key)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or abs(value) > _LARGEST:
            raise self.fault(key, show(value), f"a number from {max(low, -_LARGEST):g} to {min(high, _LARGEST):g}")
        if not low <= value <= high:
            raise self.fault(key, show(value), f"a number from {low:g} to {high:g}")
        return float(value)

    def mapping(self, key: str) -> dict[str, Any]:
        """Take an object as it is, unchecked within."""
        value = self.take(key)
        if not isinstance(value, dict):
            raise self.fault(key, kind(value), "an object")
        return value

    def table(self, key: str) -> "Table":
        """Take an object whose entries are checked, too."""
        return self._below(self.mapping(key), self._dotted(key))

    def tables(self, key: str) -> list["Table"]:
        """Take a list of such objects, at least one."""
        value = self.take(key)
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            raise self.fault(key, kind(value), "a list of objects, at least one")
        return [self._below(item, f"{self._dotted(key)}.{i}") for i, item in enumerate(value)]

    def _below(self, table: dict[str, Any], name: str) -> "Table":
        return Table(self.path, table, name, remedy=self._remedy, error=self._error)

    def end(self) -> None:
        """Refuse what has not been taken."""
        for key in self._left:
            raise self.fault(key, "an entry that this version does not know", "none of this name")


def is_line(text: str) -> bool:
    """Tell whether text may be printed as it is: one line, not empty, and nothing that a terminal would act on."""
    return bool(text.strip()) and _LINE.fullmatch(text) is not None


def kind(value: object) -> str:
    """Say what a JSON value is, for a message."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else "a date or time")


def show(value: object) -> str:
    """Show a JSON value in a message; of a long one, say what it is."""
    text = json.dumps(value, default=str)  # TOML has dates
    return text if len(text) <= 80 else kind(value)
