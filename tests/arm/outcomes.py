"""What came of tests on emulated boards, laid out for ``docs/arm.md``."""

from collections.abc import Mapping
from typing import Any

from junit import OUTCOMES

__all__ = ["MADE_BY", "outcomes_page"]

MADE_BY = "make arm-tests"
"""What writes the table, as its mark on the page says."""


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
