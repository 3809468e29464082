"""A table of results that people sent."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from edge.bench.comparing import read
from edge.bench.measuring import STAGES

__all__ = ["table"]

_LONGEST = 60


def table(paths: Sequence[Path]) -> str:
    """Return a table in Markdown, one line for each file and interpreter: medians of the stages, us.

    Raises
    ------
    DataError
        If a file holds no results.
    """
    lines = [
        f"| machine | interpreter | {' | '.join(STAGES)} |",
        f"|---|---|{'---:|' * len(STAGES)}",
    ]
    for path in paths:
        found = read(path)
        for run in found["runs"]:
            cells = [
                f"{median(run['stages'][stage]['p50_us_of_repetitions']):.1f}" if stage in run["stages"] else ""
                for stage in STAGES
            ]
            lines.append(f"| {' | '.join([_plain(_name(found, path)), _plain(run['interpreter']), *cells])} |")
    return "\n".join(lines)


def _name(found: dict[str, Any], path: Path) -> str:
    """Say what machine it was: its board or processor, and its architecture; else what the file is called."""
    machine = found.get("machine")
    if not isinstance(machine, dict):
        return path.stem
    told = [machine.get("board") or machine.get("processor"), machine.get("machine")]
    return ", ".join(one for one in told if isinstance(one, str)) or path.stem


def _plain(text: str) -> str:
    """Return text of somebody else so that it stays in its cell, and is nothing but text."""
    kept = "".join(one if one.isalnum() or one in " ()@.,-+/:" else "_" for one in text)
    return kept[:_LONGEST]
