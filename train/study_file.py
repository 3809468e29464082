"""What a study tries, read from TOML: the budget of each training, named changes of settings, and a search space.

The file has a table for each network. ``budget`` is what every training of a study has in place of the default
settings, so that many of them are affordable; ``dev`` is what the settings have, besides, by which the dev set is
rendered, once for all trainings. ``changes`` are tried one at a time by ``vivavoce train ablate``, ``space`` is what
``vivavoce train search`` draws from.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from edge.errors import UsageError
from edge.strict_toml import from_tables, load_tables, overlaid

__all__ = [
    "AGAIN",
    "BASE",
    "LEAST_STEPS",
    "PLAN_FILE",
    "Change",
    "Dimension",
    "Plan",
    "Settings",
    "changed",
    "in_full",
    "nested",
    "plan_from",
    "read_plan",
]

PLAN_FILE = Path(__file__).with_name("studies.toml")
"""The studies that come with the package."""

BASE = "base"
"""Name of the training without any change."""

AGAIN = f"{BASE}-again"
"""Name of the same training with another seed."""

LEAST_STEPS = 1000
"""Of a training: with fewer, the running statistics of batch normalisation (momentum 0.99) have not forgotten their
beginning, and the error on dev tells of them."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}")
_TABLES = ("budget", "dev", "changes", "space")


class Settings(Protocol):
    """Settings of a training: :class:`train.wake_settings.WakeSettings` and the like."""

    budget: ClassVar[tuple[str, ...]]
    """Names of what a study makes small: see :class:`train.training_settings.TrainingSettings`."""

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain data."""

    @classmethod
    def from_dict(cls, given: Mapping[str, Any], where: str = ...) -> Self:
        """Return settings from plain data."""


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True, slots=True)
class Dimension:
    """A range, or some values, that a setting may have in a search."""

    low: int | float = 0
    high: int | float = 0
    """Both included. Whole numbers are drawn where both are written as such."""
    log: bool = False
    """Whether the logarithm is what is drawn evenly."""
    choices: tuple[str | bool | int | float, ...] = ()
    """In place of a range."""

    def __post_init__(self) -> None:
        """Check that it is one of both, and not empty."""
        if self.choices:
            if self.low or self.high or self.log:
                raise ValueError("got choices and a range, expected one of them")
            if len(set(self.choices)) != len(self.choices) or len(self.choices) < 2:
                raise ValueError(f"choices: got {list(self.choices)}, expected two or more that differ")
            return
        if not self.low < self.high:
            raise ValueError(f"got low = {self.low} and high = {self.high}, expected low below high, or choices")
        if self.log and self.low <= 0:
            raise ValueError(f"got low = {self.low} with log, expected a number above 0")

    @property
    def ends(self) -> tuple[Any, ...]:
        """Return values that stand for all: if a training takes these, it takes what lies between."""
        return self.choices or (self.low, self.high)

    def holds(self, value: Any) -> bool:
        """Tell whether a value can be drawn."""
        if self.choices:
            return value in self.choices
        return isinstance(value, (int, float)) and self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Change(Generic[S]):
    """Settings that differ from the base in one thing."""

    told: str
    """What it is, in words."""
    settings: S


@dataclass(frozen=True, slots=True)
class Plan(Generic[S]):
    """What a study of one network tries."""

    base: S
    """The default settings with the budget of the study."""
    dev: S
    """By which the dev set is rendered."""
    budget: dict[str, Any]
    """What differs from the default settings in the base."""
    changes: dict[str, Change[S]]
    space: dict[str, Dimension]
    """By the dotted name of a setting."""


def read_plan(path: Path, role: str, settings: type[S], *, budget: Mapping[str, Any] | None = None) -> Plan[S]:
    """Read the studies of one network.

    Parameters
    ----------
    path : Path
        TOML; other networks may have tables in it, too.
    role : str
        ``"wake"`` or ``"liveness"``.
    settings : type
        Of this network.
    budget : mapping, optional
        In place of entries of its budget, by dotted name.

    Raises
    ------
    UsageError
        If it cannot be read, has nothing about this network, or names settings that a training does not take.
    """
    tables = load_tables(path)
    if not isinstance(tables.get(role), dict):
        raise UsageError(f"{path}: got no table [{role}], expected what a study of this network tries; add one")
    where = f"{path}: {role}"
    given = tables[role]
    if budget:
        given = {**given, "budget": overlaid(_table(given.get("budget", {}), f"{where}.budget"), nested(budget))}
    return plan_from(given, where, settings)


def plan_from(tables: Mapping[str, Any], where: str, settings: type[S]) -> Plan[S]:
    """Make a plan of the table of one network; see :func:`read_plan`.

    Raises
    ------
    UsageError
        If an entry is unknown, or no setting of a training.
    """
    unknown = sorted(set(tables) - set(_TABLES))
    if unknown:
        raise UsageError(f"{where}.{unknown[0]} is unknown; known are {', '.join(_TABLES)}")
    parts = {name: _table(tables.get(name, {}), f"{where}.{name}") for name in _TABLES}
    base = changed(settings.from_dict({}), parts["budget"], f"{where}.budget")
    dev = changed(base, parts["dev"], f"{where}.dev")
    changes: dict[str, Change[S]] = {}
    for name, given in parts["changes"].items():
        at = f"{where}.changes.{name}"
        change = _table(given, at)
        if not _NAME.fullmatch(name) or name in (BASE, AGAIN):
            raise UsageError(
                f"{at}: got this name, expected small letters, digits, - and _, and neither {BASE!r} nor {AGAIN!r}"
            )
        if set(change) != {"told", "settings"} or not isinstance(change["told"], str):
            raise UsageError(f"{at}: got {', '.join(change) or 'nothing'}, expected told (text) and settings (a table)")
        made = changed(base, _table(change["settings"], f"{at}.settings"), f"{at}.settings")
        if made == base:
            raise UsageError(f"{at}.settings: got what the base has already, expected a change")
        changes[name] = Change(change["told"], made)
    space = {
        name: from_tables(Dimension, _table(given, f"{where}.space.{name}"), where, name=f"space.{name}")
        for name, given in parts["space"].items()
    }
    for name, dimension in space.items():
        for value in dimension.ends:
            changed(base, nested({name: value}), f"{where}.space.{name}")
    return Plan(base, dev, parts["budget"], changes, space)


def changed(base: S, change: Mapping[str, Any], where: str) -> S:
    """Return settings with some of them changed, tables entry by entry.

    Raises
    ------
    UsageError
        If an entry is no setting, or out of its limits.
    """
    return type(base).from_dict(overlaid(base.to_dict(), change), where)


def in_full(base: S, found: Mapping[str, Any]) -> S:
    """Return what a search found, to be trained in full: settings of its base, but for those that are its budget.

    Parameters
    ----------
    base : Settings
        Of the trials.
    found : mapping
        What a trial had in place of entries of it, by dotted name; a setting of the budget that was searched counts.
    """
    full = type(base).from_dict({}).to_dict()
    kept = {**base.to_dict(), **{name: full[name] for name in base.budget}}
    return type(base).from_dict(overlaid(kept, nested(found)), "best")


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return tables of dotted names: ``{"variety.dropout": 0.2}`` is ``{"variety": {"dropout": 0.2}}``."""
    tables: dict[str, Any] = {}
    for name, value in values.items():
        *above, last = name.split(".")
        table = tables
        for part in above:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise UsageError(
                    f"{name}: got a value for {part} and one below it, expected one of them; leave one out"
                )
        table[last] = value
    return tables


def _table(given: Any, where: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise UsageError(f"{where}: got {type(given).__name__}, expected a table")
    return given
