"""Reading settings from the plain data of a manifest, strictly."""

import math
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from edge.errors import FrontendError

__all__ = ["settings_from_dict"]

T = TypeVar("T")


def settings_from_dict(cls: type[T], data: dict[str, Any], what: str) -> T:
    """Make a frozen settings dataclass, whose fields all have defaults, from plain data.

    The default of a field says of which type it is: a manifest that holds ``"40"`` or ``null`` for a number is damaged,
    and must be told of in a line.

    Raises
    ------
    FrontendError
        If a name is unknown, or a value is of another type or not finite.
    """
    known = {field.name: field.default for field in fields(cls)}  # type: ignore[arg-type]
    for name, value in data.items():
        if name not in known:
            raise FrontendError(f"{what} setting {name!r} is unknown; there are: {', '.join(sorted(known))}")
        default = known[name]
        assert default is not MISSING
        wanted: tuple[type, ...] = (int, float) if isinstance(default, float) else (type(default),)
        right = isinstance(value, wanted) and (isinstance(value, bool) == isinstance(default, bool))
        if not right or not math.isfinite(value):
            kind = {float: "a finite number", int: "a whole number", bool: "true or false"}[type(default)]
            raise FrontendError(f"{what} setting {name}: got {value!r}, expected {kind}; correct it in the manifest")
    return cls(**data)
