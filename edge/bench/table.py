"""A table of results that people sent."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, TypeGuard

from edge.bench.comparing import NOT_RECORDED, name_of, read, version_of
from edge.bench.stages import STAGES

__all__ = ["table"]

_LONGEST = 60
_MOST = 1e12
"""Of a number that somebody sent, without its sign."""


def table(paths: Sequence[Path]) -> str:
    """Return a table in Markdown, one line for each file, interpreter, and kind of numbers.

    Of the stages there are the medians, us; of the whole chain its share of one core in per cent, and the delay of the
    slower decision from the end of its word, ms. *wake by* is who ran the wake network. The load is that of the minute
    before: what else the machine did.

    Raises
    ------
    DataError
        If a file holds no results.
    """
    head = [
        "machine", "measured", "vivavoce", "bundle", "network", "wake by", "load", *STAGES, "% of a core", "delay, ms"
    ]  # fmt: skip
    words = head.index("load")
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * words}{'---:|' * (len(head) - words)}"]
    for path in paths:
        found = read(path)
        for run in found["runs"]:
            cells = [
                _name(found, path),
                str(found.get("date") or "")[:10],
                version_of(found, run),
                _bundle(found),
                name_of((run["interpreter"], run["numbers"])),
                run.get("wake_run_by", NOT_RECORDED),
                _load(found.get("before")),
                *(_median(run["stages"], stage) for stage in STAGES),
                _number(run.get("cpu_percent"), ".2f"),
                _delay(run.get("decisions")),
            ]
            lines.append(f"| {' | '.join(map(_plain, cells))} |")
    return "\n".join(lines)


def _median(stages: dict[str, Any], stage: str) -> str:
    return f"{median(stages[stage]['p50_us_of_repetitions']):.1f}" if stage in stages else ""


def _name(found: dict[str, Any], path: Path) -> str:
    """Say what machine it was: its board or processor, and its architecture; else what the file is called."""
    machine = found.get("machine")
    if not isinstance(machine, dict):
        return path.stem
    told = [machine.get("board") or machine.get("processor"), machine.get("machine")]
    return ", ".join(one for one in told if isinstance(one, str)) or path.stem


def _bundle(found: dict[str, Any]) -> str:
    bundle = found.get("bundle")
    told = [bundle.get("version"), str(bundle.get("sha256"))[:8]] if isinstance(bundle, dict) else []
    return " ".join(one for one in told if isinstance(one, str))


def _load(before: Any) -> str:
    load = before.get("load_1min") if isinstance(before, dict) else None
    return _number(load, ".1f")


def _delay(decisions: Any) -> str:
    delays = [one.get("delay_ms") for one in decisions if isinstance(one, dict)] if isinstance(decisions, list) else []
    numbers = [one for one in delays if _is_number(one)]
    return _number(max(numbers, default=None), ".0f")


def _number(value: Any, form: str) -> str:
    return format(value, form) if _is_number(value) else ""


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _MOST


def _plain(text: str) -> str:
    """Return text of somebody else so that it stays in its cell, and is nothing but text."""
    kept = "".join(one if one.isalnum() or one in " ()@.,-+/:" else "_" for one in text)
    return kept[:_LONGEST]
