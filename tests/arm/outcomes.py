"""What came of tests on an emulated board: read from pytest's report, and laid out for ``docs/arm.md``."""

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["MADE_BY", "OUTCOMES", "outcomes", "outcomes_page"]

OUTCOMES = ("passed", "skipped", "failed")
MADE_BY = "make arm-tests"
"""What writes the table, as its mark on the page says."""


def outcomes(report: Path, *, root: str) -> dict[str, Any]:
    """Read pytest's report.

    Parameters
    ----------
    report : Path
        JUnit XML.
    root : str
        Folder of the checkout, which is left out of reasons.

    Returns
    -------
    dict
        ``total`` and, by file, ``files``: how many tests had which outcome; ``failures``, their names; ``skips``, each
        reason and how many tests gave it.
    """
    files: dict[str, dict[str, int]] = {}
    failures, skips = [], Counter[str]()
    for case in ET.parse(report).getroot().iter("testcase"):
        found = {child.tag: child for child in case}
        outcome = "failed" if found.keys() & {"failure", "error"} else "skipped" if "skipped" in found else "passed"
        # A test outside of a class, or in one: tests.edge.test_x, or tests.edge.test_x.TestY.
        name = next(part for part in case.get("classname", "").split(".") if part.startswith("test_"))
        files.setdefault(name, dict.fromkeys(OUTCOMES, 0))[outcome] += 1
        if outcome == "failed":
            failures.append(f"{name}::{case.get('name')}")
        elif outcome == "skipped":
            skips[found["skipped"].get("message", "no reason").replace(root, ".")] += 1
    total = {outcome: sum(of[outcome] for of in files.values()) for outcome in OUTCOMES}
    return {"total": total, "failures": sorted(failures), "skips": dict(sorted(skips.items())), "files": files}


def outcomes_page(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay outcomes out: a table with a column for each processor and interpreter, and why tests were skipped."""
    runs = [
        (cpu.removeprefix("cortex-").upper(), runtime, of) for cpu, by in results.items() for runtime, of in by.items()
    ]
    lines = [
        f"| tests | {' | '.join(f'{cpu}, {runtime}' for cpu, runtime, _ in runs)} |",
        "|---" * (len(runs) + 1) + "|",
    ]
    lines += [f"| {name} | {' | '.join(str(of['total'][name]) for *_, of in runs)} |" for name in OUTCOMES]
    reasons = sorted({reason for *_, of in runs for reason in of["skips"]})
    if reasons:
        lines += ["", "Skipped were:", ""]
    for reason in reasons:
        counts = [of["skips"].get(reason, 0) for *_, of in runs]
        if len(set(counts)) == 1:
            where = f"{counts[0]} in each"
        else:
            where = ", ".join(
                f"{n} on {cpu} with {runtime}" for n, (cpu, runtime, _) in zip(counts, runs, strict=True) if n
            )
        lines.append(f"* {reason} ({where})")
    return "\n".join(lines)
