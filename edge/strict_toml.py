"""Reading TOML strictly into frozen dataclasses: every entry of its kind, and none that is not known.

The dataclasses are the schema: a field without a default must be there, a nested dataclass is a table, a mapping of
dataclasses is a table of tables, and a tuple of fixed length is an array of that length. Of several types
(``str | int``) the first that fits is taken. What a value may be beyond its type is said by :class:`Within` in its
annotation, and by ``__post_init__``, which raises ``ValueError``.
"""

import contextlib
import dataclasses
import difflib
import math
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from edge.errors import UsageError, VivavoceError

__all__ = ["Within", "from_tables", "load_tables", "overlaid"]

T = TypeVar("T")

_KINDS = {
    bool: "true or false",
    str: "text",
    int: "a whole number",
    float: "a number",
}


@dataclass(frozen=True, slots=True)
class Within:
    """Limits of a number, or of each number of an array, both included: ``Annotated[float, Within(0.0, 1.0)]``."""

    low: float = -math.inf
    high: float = math.inf


_UNLIMITED = Within()
_UNIONS = (types.UnionType, typing.Union)


def load_tables(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    UsageError
        If it cannot be read, or is not TOML in UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); give a file of settings in TOML") from error
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: got text that is not TOML ({error}); correct it there") from error


def overlaid(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of `base` with the entries of `over` in place of their own; arrays are replaced whole."""
    result = dict(base)
    for key, value in over.items():
        known = base.get(key)
        nested = isinstance(value, Mapping) and isinstance(known, Mapping)
        result[key] = overlaid(known, value) if nested else value  # type: ignore[arg-type]
    return result


def from_tables(
    cls: type[T], tables: Mapping[str, Any], where: str, *, error: type[VivavoceError] = UsageError, name: str = ""
) -> T:
    """Make settings from the tables of a file.

    Parameters
    ----------
    cls : type
        A frozen dataclass.
    tables : mapping
        As :func:`load_tables` returns them.
    where : str
        What messages name first: the file.
    error : type
        Of the error tree.
    name : str
        Dotted path of the table, for messages.

    Raises
    ------
    VivavoceError
        Of the given type: an entry is unknown (the nearest known one is named), missing, of another type, or out of
        its limits.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    kinds = typing.get_type_hints(cls, include_extras=True)
    for key in tables:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, 1)
            meant = f"did you mean {_dotted(name, near[0])}?" if near else f"known are {', '.join(fields)}"
            raise error(f"{where}: {_dotted(name, key)} is unknown; {meant}")
    values: dict[str, Any] = {}
    for key, field in fields.items():
        if key in tables:
            values[key] = _value(kinds[key], tables[key], where, _dotted(name, key), error)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise error(f"{where}: {_dotted(name, key)} is missing; give {_expected(kinds[key])}")
    try:
        return cls(**values)
    except ValueError as fault:
        raise error(f"{where}: {name or 'settings'}: {fault}") from fault


def _dotted(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def _plain(kind: Any, limits: Within) -> tuple[Any, Within]:
    """Take limits, and the possibility of None, off a type: TOML has no None."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _plain(arguments[0], next((one for one in arguments[1:] if isinstance(one, Within)), limits))
    if origin in _UNIONS:
        several = [one for one in arguments if one is not type(None)]
        if len(several) == 1:
            return _plain(several[0], limits)
    return kind, limits


def _expected(kind: Any, limits: Within = _UNLIMITED) -> str:
    kind, limits = _plain(kind, limits)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        count = "an array" if arguments[-1] is Ellipsis else f"an array of {len(arguments)}"
        return f"{count}, each {_expected(arguments[0], limits)}"
    if origin is typing.Literal:
        return "one of " + ", ".join(repr(one) for one in arguments)
    if origin in _UNIONS:
        return ", or ".join(_expected(one, limits) for one in arguments)
    if dataclasses.is_dataclass(kind) or origin in (dict, Mapping):
        return "a table"
    limited = kind in (int, float) and limits != _UNLIMITED
    return _KINDS[kind] + (f" from {limits.low:g} to {limits.high:g}" if limited else "")


def _value(
    kind: Any, value: Any, where: str, name: str, error: type[VivavoceError], limits: Within = _UNLIMITED
) -> Any:
    kind, limits = _plain(kind, limits)
    fault = error(f"{where}: {name}: got {_shown(value)}, expected {_expected(kind, limits)}")
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        many = arguments[-1] is Ellipsis
        if not isinstance(value, list) or (not many and len(value) != len(arguments)):
            raise fault
        parts = [arguments[0]] * len(value) if many else arguments
        pairs = enumerate(zip(parts, value, strict=True))
        return tuple(_value(part, one, where, f"{name}[{i}]", error, limits) for i, (part, one) in pairs)
    if origin is typing.Literal:
        if value not in arguments:
            raise fault
        return value
    if origin in _UNIONS:
        for one in arguments:
            with contextlib.suppress(error):
                return _value(one, value, where, name, error, limits)
        raise fault
    if dataclasses.is_dataclass(kind) or origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise fault
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return from_tables(kind, value, where, error=error, name=name)
        return {key: _value(arguments[1], one, where, f"{name}.{key}", error, limits) for key, one in value.items()}
    if not isinstance(value, (int, float) if kind is float else kind) or isinstance(value, bool) != (kind is bool):
        raise fault
    if isinstance(value, str):
        if "\0" in value:
            raise error(f"{where}: {name}: got text with a character of number 0, expected none: it can be no name")
        return value
    if kind in (int, float):
        if not math.isfinite(value) or not limits.low <= value <= limits.high:
            raise fault
        return kind(value)
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{type(value).__name__} of {len(value)} entries"
