"""Making all shards, though workers die."""

from collections import Counter
from collections.abc import Callable, Sequence

from edge.errors import DataError
from train.engines.work import Lost

__all__ = ["make_all"]

DEATHS = 3
"""Workers that a shard may cost before it is left out."""
BARREN = 3
"""Rounds in a row without one more shard before all of it is given up."""


def make_all(run_round: Callable[[Sequence[int], bool], list[Lost]], indices: Sequence[int]) -> None:
    """Run rounds until there is nothing left to make.

    A shard whose worker died goes behind the others, and when that has happened twice, it is made when nothing else is:
    where memory was short, one worker may have enough.

    Parameters
    ----------
    run_round : callable
        Takes the numbers of shards, and whether to make them one at a time; returns what it did not make.
    indices : sequence of int

    Raises
    ------
    DataError
        If workers die whatever is tried. All shards that could be made are there then.
    """
    deaths: Counter[int] = Counter()
    left_out: list[Lost] = []
    barren = 0
    left = list(indices)
    while left:
        lost = run_round(left, any(deaths[index] > 1 for index in left))
        deaths.update(one.index for one in lost if one.died)
        left_out += [one for one in lost if deaths[one.index] >= DEATHS]
        again = [one for one in lost if deaths[one.index] < DEATHS]
        barren = barren + 1 if len(lost) == len(left) else 0
        if again and barren >= BARREN:
            raise DataError(
                f"{len(again)} shards were not made in {BARREN} attempts: {again[0].cause}; finished shards are kept"
            )
        left = [one.index for one in sorted(again, key=lambda one: deaths[one.index])]
    if left_out:
        more = f", and so do {len(left_out) - 1} more" if len(left_out) > 1 else ""
        raise DataError(
            f"shard {left_out[0].index} cost {DEATHS} workers{more}: {left_out[0].cause}; finished shards are kept. If "
            "memory ran out, run again where there is more"
        )
