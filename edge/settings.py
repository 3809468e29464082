"""Settings that travel in manifests: frozen dataclasses whose fields all have defaults, checked strictly."""

import math
from dataclasses import MISSING, Field, fields
from numbers import Integral, Real
from typing import Any, TypeVar

from edge.errors import FrontendError

__all__ = ["check_types", "settings_from_dict"]

T = TypeVar("T")

_TYPES: dict[type, type] = {float: Real, int: Integral, bool: bool}
_KINDS = {float: "a finite number", int: "a whole number", bool: "true or false"}


def check_types(settings: Any, what: str) -> None:
    """Check that every value is of the type of its field's default: whole, finite, true or false.

    A manifest that holds ``"40"`` or ``null`` for a number is damaged, and 10.5 samples cannot be counted.

    Parameters
    ----------
    settings : dataclass
    what : str
        What messages call it, e.g. ``"frontend"``.

    Raises
    ------
    FrontendError
        If one is not.
    """
    for field in fields(settings):
        value: Any = getattr(settings, field.name)
        kind = type(_default(field))
        right = isinstance(value, _TYPES[kind]) and isinstance(value, bool) == (kind is bool)
        if not right or not math.isfinite(value):
            raise FrontendError(
                f"{what} setting {field.name}: got {value!r}, expected {_KINDS[kind]}; "
                "correct it in the manifest or in the call"
            )


def settings_from_dict(cls: type[T], data: dict[str, Any], what: str) -> T:
    """Make settings from plain data.

    Raises
    ------
    FrontendError
        If a name is unknown, or `cls` refuses a value.
    """
    known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    for name in data:
        if name not in known:
            raise FrontendError(f"{what} setting {name!r} is unknown; there are: {', '.join(sorted(known))}")
    return cls(**data)


def _default(field: "Field[Any]") -> Any:
    assert field.default is not MISSING
    return field.default
