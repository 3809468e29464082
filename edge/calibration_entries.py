"""Entries of a calibration's file: shares that are expected, and what became of the cut-off of a word."""

import math
from dataclasses import dataclass
from typing import Any

from edge.strict_json import Table, is_line

__all__ = ["Expectation", "WordCutoff", "read_expectation", "read_word", "told_expectation", "told_word"]

_MOST_TAKES = 100_000
_MOST_AN_HOUR = 1e4
_LEAST_CUTOFF = 1e-6
"""Written with six digits; one of 0 hears everything, whoever speaks."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """Shares that are expected, with the limits of a 90 % credible interval, each ``(low, middle, high)``, 0 to 1."""

    before: tuple[float, float, float]
    """By the bundle as it is."""
    after: tuple[float, float, float]
    """By the calibration."""


@dataclass(frozen=True, slots=True)
class WordCutoff:
    """The cut-off of a word in a home, and what it rests on."""

    cutoff: float
    """Smoothed score above which the word counts as heard: above 0, at most 1."""
    takes: int = 0
    """Takes of the word; 0 where somebody wrote the cut-off by hand, or an older version did."""
    heard: tuple[int, int] = (0, 0)
    """How many of them are heard, before and after."""
    missed: Expectation | None = None
    """Which share of such takes is missed; None where nobody knows."""
    false_accepts: tuple[float, float] | None = None
    """Of this word in an hour of other people's speech, before and after, as they were counted on recordings."""


def told_expectation(expected: Expectation | None) -> dict[str, list[float]] | None:
    """Return shares as they are written."""
    if expected is None:
        return None
    return {name: [round(x, 4) for x in getattr(expected, name)] for name in ("before", "after")}


def told_word(word: WordCutoff) -> dict[str, Any]:
    """Return the cut-off of a word as it is written."""
    return {
        "cutoff": word.cutoff,
        "takes": word.takes,
        "heard": list(word.heard),
        "missed": told_expectation(word.missed),
        "false_accepts_per_hour": None if word.false_accepts is None else list(word.false_accepts),
    }


def read_expectation(table: Table, key: str) -> Expectation | None:
    """Read shares.

    Raises
    ------
    VivavoceError
        That of the table, if they are none.
    """
    if table.null(key):
        return None
    entry = table.table(key)
    before, after = (_limits(entry, name) for name in ("before", "after"))
    entry.end()
    return Expectation(before, after)


def read_word(table: Table, key: str, *, number_alone: bool) -> WordCutoff:
    """Read the cut-off of a word; in the first version of the file it is a number and nothing else.

    Raises
    ------
    VivavoceError
        That of the table, if it is none, or its name is nothing that can be printed.
    """
    if not is_line(key):
        raise table.fault(key, "this name", "the id of a word of the bundle")
    if number_alone:
        return WordCutoff(table.number(key, _LEAST_CUTOFF, 1.0))
    entry = table.table(key)
    cutoff, takes = entry.number("cutoff", _LEAST_CUTOFF, 1.0), entry.integer("takes", 0, _MOST_TAKES)
    heard = _pair(entry, "heard", takes, (int,), f"two whole numbers from 0 to takes ({takes})")
    missed = read_expectation(entry, "missed")
    accepts = None
    if not entry.null("false_accepts_per_hour"):
        accepts = _pair(entry, "false_accepts_per_hour", _MOST_AN_HOUR, (int, float), "two numbers from 0")
    entry.end()
    return WordCutoff(cutoff, takes, (int(heard[0]), int(heard[1])), missed, accepts)


def _pair(table: Table, key: str, most: float, kinds: tuple[type, ...], what: str) -> tuple[float, float]:
    value = table.take(key)
    good = isinstance(value, list) and len(value) == 2 and all(type(one) in kinds for one in value)
    # Not a number compares as false.
    if not good or not all(0 <= one <= most for one in value):
        raise table.fault(key, repr(value)[:80], what)
    return value[0], value[1]


def _limits(table: Table, key: str) -> tuple[float, float, float]:
    value = table.take(key)
    good = isinstance(value, list) and len(value) == 3 and all(type(one) in (int, float) for one in value)
    if not good or not all(math.isfinite(one) for one in value) or not 0 <= value[0] <= value[1] <= value[2] <= 1:
        raise table.fault(key, repr(value)[:80], "three shares from 0 to 1, none below the one before it")
    low, middle, high = (float(one) for one in value)
    return low, middle, high
