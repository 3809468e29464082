"""Whether networks decide alike, clip by clip, wherever each of them was run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import DataError
from quantize.score_table import ScoreTable, read_table

__all__ = ["compare_decisions", "compare_files"]


def compare_files(paths: Sequence[Path]) -> dict[str, Any]:
    """Compare the first score file with each of the others.

    Returns
    -------
    dict
        ``role``, ``clips``, ``reference`` (what made the first) and ``compared``: for each other file what
        :func:`compare_decisions` returns, with its ``file``.

    Raises
    ------
    DataError
        If a file cannot be read, or two do not score the same things of the same clips.
    """
    first, *others = [read_table(path) for path in paths]
    for path, other in zip(paths[1:], others, strict=True):
        for what in ("role", "cutoffs"):
            if first.about.get(what) != other.about.get(what):
                raise DataError(
                    f"{path}: {what}: got {other.about.get(what)}, expected {first.about.get(what)} as in {paths[0]}; "
                    "score with the same networks and cut-offs"
                )
        if other.columns != first.columns or set(other.ids) != set(first.ids):
            odd = set(other.ids) ^ set(first.ids)
            raise DataError(
                f"{path}: got {len(other.ids)} clips with {', '.join(other.columns)}, expected the {len(first.ids)} of "
                f"{paths[0]} with {', '.join(first.columns)}"
                + (f" ({min(odd)} is in one of them)" if odd else "")
                + "; score the same clips"
            )
    return {
        "role": first.about.get("role", "unknown"),
        "clips": len(first.ids),
        "reference": {"file": str(paths[0]), **first.about},
        "compared": [
            {"file": str(path), **other.about, **compare_decisions(first, other)}
            for path, other in zip(paths[1:], others, strict=True)
        ],
    }


def compare_decisions(one: ScoreTable, other: ScoreTable) -> dict[str, Any]:
    """Compare what two networks said of the same clips.

    Parameters
    ----------
    one, other : ScoreTable
        With the same columns and clips, in any order.

    Returns
    -------
    dict
        ``agreement`` (share of equal decisions), ``differing`` (for each clip with another decision its ``id``, both
        ``decisions`` and the largest ``difference`` of its scores), and for each of ``outputs`` its ``max_difference``,
        ``rms_difference``, ``spread`` (standard deviation of the scores of `one`) and ``agreement``, which is None:
        a clip
        is decided as a whole.
    """
    place = {ident: at for at, ident in enumerate(other.ids)}
    order = [place[ident] for ident in one.ids]
    theirs, said = other.scores[order], [other.decisions[at] for at in order]
    difference = np.abs(theirs - one.scores)
    differing = [
        {"id": ident, "decisions": [mine, yours], "difference": float(far)}
        for ident, mine, yours, far in zip(one.ids, one.decisions, said, difference.max(axis=1), strict=True)
        if mine != yours
    ]
    return {
        "agreement": 1 - len(differing) / len(one.ids),
        "differing": differing,
        "outputs": {
            column: {
                "max_difference": float(difference[:, at].max()),
                "rms_difference": float(np.sqrt(np.mean(difference[:, at] ** 2))),
                "spread": float(one.scores[:, at].std()),
                "agreement": None,
            }
            for at, column in enumerate(one.columns)
        },
    }
