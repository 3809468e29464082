"""Read what pytest wrote with ``--junit-xml``."""

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["OUTCOMES", "file_of", "folder_of", "outcomes"]

OUTCOMES = ("passed", "skipped", "failed")


def file_of(name: str) -> str:
    """Return ``test_x`` for ``tests.edge.test_x.TestY``."""
    return next(part for part in name.split(".") if part.startswith("test_"))


def folder_of(name: str) -> str:
    """Return ``edge`` for ``tests.edge.test_x``."""
    return name.split(".")[1]


def outcomes(report: Path, *, root: str, by: Callable[[str], str]) -> dict[str, Any]:
    """Read a report.

    Parameters
    ----------
    report : Path
        JUnit XML.
    root : str
        Folder of the checkout, which is left out of reasons.
    by : callable
        Gives the group of a test, of its module's dotted name and its class's.

    Returns
    -------
    dict
        ``total`` and, by group, ``groups``: how many tests had which outcome; ``failures``, their names; ``skips``,
        each reason and how many tests gave it.
    """
    groups: dict[str, dict[str, int]] = {}
    failures, skips = [], Counter[str]()
    for case in ET.parse(report).getroot().iter("testcase"):
        found = {child.tag: child for child in case}
        outcome = "failed" if found.keys() & {"failure", "error"} else "skipped" if "skipped" in found else "passed"
        # A module that could not be imported is a case without a class, whose name is the module.
        where = case.get("classname") or case.get("name", "")
        groups.setdefault(by(where), dict.fromkeys(OUTCOMES, 0))[outcome] += 1
        if outcome == "failed":
            failures.append(f"{file_of(where)}::{case.get('name')}")
        elif outcome == "skipped":
            skips[found["skipped"].get("message", "no reason").replace(root, ".")] += 1
    total = {outcome: sum(of[outcome] for of in groups.values()) for outcome in OUTCOMES}
    return {"total": total, "failures": sorted(failures), "skips": dict(sorted(skips.items())), "groups": groups}
