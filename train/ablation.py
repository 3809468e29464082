"""What each part of a training earns: trainings without it, against the one that has all; without TensorFlow."""

from collections.abc import Mapping, Sequence
from typing import Any

from train.paired import paired_differences
from train.studies import Learner, Outcome
from train.study_file import AGAIN, BASE, LEAST_STEPS

__all__ = ["ablation_table", "against_base", "seed_difference", "verdict"]


def against_base(learner: Learner, outcomes: Mapping[str, Outcome], *, rounds: int = 500) -> dict[str, dict[str, Any]]:
    """Tell how far each change is from the base, on the same resamples of the dev set.

    Parameters
    ----------
    learner : Learner
    outcomes : mapping
        By name; :data:`train.study_file.BASE` is among them. What diverged is left out.
    rounds : int
        Resamples.

    Returns
    -------
    dict
        As :func:`train.paired.paired_differences` returns it; empty if the base diverged.
    """
    scores = {name: one.scores for name, one in outcomes.items() if one.scores is not None}
    if BASE not in scores:
        return {}
    return paired_differences(
        scores,
        BASE,
        lambda said, chosen: learner.error(said, chosen),
        learner.clusters,
        rounds=rounds,
    )


def seed_difference(apart: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Return how far the base is from itself with another seed, percentage points; None if one of them diverged.

    Two trainings tell little of the spread of seeds: what is no larger is chance, and what is larger may be.
    """
    return abs(float(apart[AGAIN]["points"])) if AGAIN in apart else None


def verdict(one: Outcome, apart: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what a change means for the part that it leaves out or adds.

    Parameters
    ----------
    one : Outcome
        Of the training with the change.
    apart : mapping
        From :func:`against_base`, of all trainings.

    Returns
    -------
    str
        ``worse`` or ``better`` if the interval of the difference leaves out 0, which is about the clips of dev, and the
        difference is larger than that of another seed; ``no difference`` if the interval holds 0, and ``as another
        seed`` if only the interval would do. ``too few steps`` below :data:`train.study_file.LEAST_STEPS`,
        ``diverged``, and ``unknown`` if the base diverged, with its seed or with the other one.
    """
    if one.fault:
        return "diverged"
    chance = seed_difference(apart)
    if one.name not in apart or chance is None:
        return "unknown"
    if one.figures.get("steps", LEAST_STEPS) < LEAST_STEPS:
        return "too few steps"
    low, high = apart[one.name]["interval_95"]
    if low <= 0 <= high:
        return "no difference"
    if abs(apart[one.name]["points"]) <= chance:
        return "as another seed"
    return "worse" if low > 0 else "better"


def ablation_table(
    outcomes: Sequence[Outcome], told: Mapping[str, str], apart: Mapping[str, Mapping[str, Any]], said: str
) -> str:
    """Return a Markdown table of all changes, the base first.

    Parameters
    ----------
    outcomes : sequence of Outcome
        In the order of the table.
    told : mapping
        By name, what the change is.
    apart : mapping
        From :func:`against_base`.
    said : str
        A sentence below the table: metric and budget.
    """
    lines = ["| training | error on dev (95 %) | against base, points (95 %) | |", "|---|---|---|---|"]
    for one in outcomes:
        low, high = one.interval
        error = (one.fault and "-") or f"{100 * one.error:.2f} % ({100 * low:.2f} to {100 * high:.2f})"
        difference = apart.get(one.name)
        cells = [told[one.name], error, "-", ""]
        if difference is not None:
            cells[2] = "{:+.2f} ({:+.2f} to {:+.2f})".format(difference["points"], *difference["interval_95"])
        if one.name not in (BASE, AGAIN):
            cells[3] = verdict(one, apart)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", said]) + "\n"
