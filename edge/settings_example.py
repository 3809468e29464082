"""All settings of the daemon as one commented TOML file, written from the dataclasses that read it.

What a setting means is said once, under its field; here it is only laid out.
"""

import ast
import dataclasses
import inspect
import json
import re
import textwrap
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from edge.daemon_settings import Tables
from edge.plugins import SINKS, SOURCES, installed

__all__ = ["commented_settings", "field_notes"]

_WIDTH = 100
_OPENING = (
    "Settings of 'vivavoce daemon'. Everything may be left out; what stands here, commented out, is the default. The "
    "daemon refuses a name that it does not know. 'vivavoce daemon --config FILE --check' tries a file."
)


def field_notes(cls: type[Any]) -> dict[str, str]:
    """Return what stands under each field of a dataclass, in one line each.

    Parameters
    ----------
    cls : type
        Its source must be there, as it is in every wheel.
    """
    notes: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if dataclasses.is_dataclass(base):
            notes.update(_own_notes(base))
    return notes


def _own_notes(cls: type[Any]) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(definition, ast.ClassDef)
    notes: dict[str, str] = {}
    for field, note in zip(definition.body, definition.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(note, ast.Expr)
            and isinstance(note.value, ast.Constant)
            and isinstance(note.value.value, str)
        ):
            notes[field.target.id] = _plain(note.value.value)
    return notes


def _plain(text: str) -> str:
    """Take the marks of reStructuredText off a text, and its line breaks."""
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?([^`]+)`", r"\1", " ".join(text.split()))
    return text.replace("``", "")


def commented_settings() -> str:
    """Return the file, every entry commented out: it reads as no settings at all."""
    lines = [*_comment(_OPENING), ""]
    own = [field.name for field in dataclasses.fields(Tables)]
    plugged = ("source", "reference", "sinks")
    kinds = typing.get_type_hints(Tables)
    tables = [name for name in own if dataclasses.is_dataclass(kinds[name])]
    lines += _entries(Tables, leave_out=(*tables, *plugged))
    notes = field_notes(Tables)
    lines += ["", *_rule("what listens"), *_comment(notes["source"])]
    for name in installed(SOURCES):
        lines += _plugin(SOURCES, name, "source")
    lines += ["", *_comment(f"[reference] is a table like [source]. {notes['reference']}")]
    lines += ["", *_rule("what follows")]
    for name in tables:
        lines += _table(kinds[name], name)
    lines += ["", *_rule("who is told"), *_comment(notes["sinks"])]
    for name in installed(SINKS):
        lines += _plugin(SINKS, name, f"sinks.{name}")
    return "\n".join(lines).rstrip() + "\n"


def _plugin(group: str, name: str, table: str) -> list[str]:
    try:
        module = installed(group)[name].load()
        summary, settings = module.SUMMARY, module.Settings
    except (ImportError, AttributeError) as error:
        return ["", *_comment(f"{name}: cannot be loaded ({error})")]
    lines = ["", *_comment(f"{summary}"), f"# [{table}]", f"# kind = {json.dumps(name)}"]
    return lines + list(_entries(settings))


def _table(cls: type[Any], name: str) -> list[str]:
    summary = _plain((inspect.getdoc(cls) or "").partition("\n\n")[0])
    lines = ["", *_comment(summary), f"# [{name}]", *_entries(cls)]
    for field, kind in typing.get_type_hints(cls).items():
        if dataclasses.is_dataclass(kind):
            lines += _table(typing.cast("type[Any]", kind), f"{name}.{field}")
        if typing.get_origin(kind) is Mapping:
            lines += ["", *_comment(field_notes(cls)[field]), f"# [{name}.{field}.ID]"]
            lines += _entries(typing.get_args(kind)[1])
    return lines


def _entries(cls: type[Any], leave_out: tuple[str, ...] = ()) -> Iterator[str]:
    notes = field_notes(cls)
    kinds = typing.get_type_hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        kind = kinds[field.name]
        if field.name in leave_out or typing.get_origin(kind) is Mapping or dataclasses.is_dataclass(kind):
            continue
        yield from _comment(notes.get(field.name, ""), indent="  ")
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if default is dataclasses.MISSING:
            yield f"# {field.name} = ...    # must be given"
        else:
            yield f"# {field.name} = {_value(default)}{_choices(kinds[field.name])}"


def _choices(kind: Any) -> str:
    """Return what an entry may be, as a comment behind it, where that is a choice or a range."""
    if typing.get_origin(kind) is typing.Literal:
        return "    # one of " + ", ".join(json.dumps(one) for one in typing.get_args(kind))
    for limits in getattr(kind, "__metadata__", ()):
        return f"    # from {limits.low:,g} to {limits.high:,g}"
    return ""


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return json.dumps(value)


def _comment(text: str, indent: str = "") -> list[str]:
    return [
        f"# {indent}{line}".rstrip() for part in text.split("\n") for line in textwrap.wrap(part, _WIDTH - len(indent))
    ]


def _rule(title: str) -> list[str]:
    return [f"# {'-' * (_WIDTH - len(title) - 1)} {title}"]
