"""Mean and spread of one training over seeds; without TensorFlow."""

import statistics
from collections.abc import Sequence
from typing import Any

from edge.errors import DataError
from train.studies import Outcome

__all__ = ["seed_spread", "seed_table"]


def seed_spread(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the mean of the errors on dev, their sample standard deviation, and both ends.

    Raises
    ------
    DataError
        If a training diverged: a mean without it would be of the lucky ones.
    """
    lost = [one for one in outcomes if one.fault]
    if lost:
        raise DataError(
            f"{lost[0].name}: {lost[0].fault}; {len(lost)} of {len(outcomes)} seeds have no error, and a mean of the "
            "others would flatter: lower the rate in the settings, and give another --out"
        )
    errors = [one.error for one in outcomes]
    return {
        "trainings": len(errors),
        "mean": statistics.fmean(errors),
        "standard_deviation": statistics.stdev(errors) if len(errors) > 1 else None,
        "lowest": min(errors),
        "highest": max(errors),
    }


def seed_table(outcomes: Sequence[Outcome], spread: dict[str, Any]) -> str:
    """Return a Markdown table of the seeds, and their mean and spread in a sentence."""
    lines = ["| seed | error on dev (95 %) | minutes |", "|---|---|---|"]
    for one in outcomes:
        low, high = one.interval
        lines.append(
            f"| {one.seed} | {100 * one.error:.2f} % ({100 * low:.2f} to {100 * high:.2f}) | {one.minutes:.1f} |"
        )
    deviation = spread["standard_deviation"]
    told = "" if deviation is None else f", standard deviation {100 * deviation:.2f} points"
    return "\n".join([*lines, "", f"Mean {100 * spread['mean']:.2f} %{told}."]) + "\n"
