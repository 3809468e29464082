"""What each part of a training earns: trainings without it, against the one that has all; without TensorFlow."""

from collections.abc import Mapping, Sequence
from typing import Any

from train.paired import paired_differences
from train.studies import Learner, Outcome
from train.study_file import BASE

__all__ = ["ablation_table", "against_base", "verdict"]


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


def verdict(apart: Mapping[str, Any] | None) -> str:
    """Return what a change means for the part that it leaves out or adds: ``worse``, ``better`` or ``no difference``.

    A change is worse or better if the interval of its difference leaves out 0. That is about the clips of dev: what
    another seed would give is not in the interval.
    """
    if apart is None:
        return "diverged"
    low, high = apart["interval_95"]
    if low > 0:
        return "worse"
    return "better" if high < 0 else "no difference"


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
        if one.name != BASE:
            cells[3] = verdict(difference) if difference is not None or one.fault else "-"
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", said]) + "\n"
