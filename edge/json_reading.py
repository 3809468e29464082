"""Parsing JSON that somebody else may have written: whatever is wrong with the text is one kind of error."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.errors import VivavoceError
from edge.files import read_file

__all__ = ["DEEPEST", "parse_json", "read_object"]

DEEPEST = 64
"""Levels of lists and objects; nothing that is written here has more than a few."""


def parse_json(
    text: str | bytes,
    *,
    object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None,
    parse_constant: Callable[[str], Any] | None = None,
) -> Any:
    """Parse JSON as :func:`json.loads` does, and refuse text that is nested too deeply.

    Parameters
    ----------
    text : str or bytes
    object_pairs_hook, parse_constant : callable, optional
        As for :func:`json.loads`.

    Returns
    -------
    object
        It can be written again: writing recurses, too, and gives up earlier than reading.

    Raises
    ------
    ValueError
        If it is not JSON, is not UTF-8, or has more levels than :data:`DEEPEST`.
    """
    try:
        value = json.loads(text, object_pairs_hook=object_pairs_hook, parse_constant=parse_constant)
    except RecursionError as error:
        raise _too_deep() from error
    level = _nested([value])
    for _ in range(DEEPEST):
        level = [child for parent in level for child in _nested(parent)]
        if not level:
            return value
    raise _too_deep()


def read_object(path: Path, *, error: type[VivavoceError], remedy: str) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Parameters
    ----------
    path : Path
    error : type
        Of the error tree.
    remedy : str
        What to do if it is none: the end of the message.

    Raises
    ------
    VivavoceError
        Of the given type, if it cannot be read or holds anything else.
    """
    try:
        value = parse_json(read_file(path))
    except OSError as fault:
        raise error(f"{path}: cannot be read ({fault.strerror}), expected a JSON file; {remedy}") from fault
    except ValueError as fault:
        raise error(f"{path}: got text that is not JSON ({fault}); {remedy}") from fault
    if not isinstance(value, dict):
        raise error(f"{path}: got JSON of another kind, expected an object; {remedy}")
    return value


def _nested(value: Any) -> list[Any]:
    """Return the lists and objects that a list or object holds."""
    held = value.values() if isinstance(value, dict) else value
    return [one for one in held if isinstance(one, (dict, list))]


def _too_deep() -> ValueError:
    return ValueError(f"it has more than {DEEPEST} levels of lists and objects")
