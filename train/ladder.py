"""The ladder: the same detector, measured where more and more of what it hears is unseen.

Every rung is fitted on one population and measured on another, of which talkers, loudspeakers and rooms are named
apart (:mod:`train.population`). Recordings are unseen on every rung, also on the lowest. Backgrounds come with rooms.
Measured loudspeakers are split by maker, so unseen standalone loudspeakers are unseen brands, too.

A fit has met nearly all loudspeakers of the small populations and fewer of the large ones, so leaving out what it has
not met would leave fewer clips of some kinds on some rungs, and a rung would be easier or harder by its kinds. All
rungs are therefore measured at the mix of kinds that was rendered.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from train.population import Population

__all__ = ["FITTED", "SEEN_OR_NOT", "Rung", "check_enough", "kind_rungs", "mix_kept", "rungs", "seen_where_claimed"]

SEEN_OR_NOT = ("talkers", "loudspeakers", "rooms")

_LEAST = 10
"""Clips of a class: of fewer, an equal error rate moves by a tenth with every clip."""
_COLUMNS = dict(zip(SEEN_OR_NOT, ("talker", "loudspeaker", "room"), strict=True))

FITTED = Population("train", "train", "train", recordings="fitting")
"""What every rung is fitted on, but for those that leave a kind of loudspeakers out."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung.

    Attributes
    ----------
    name : str
    fitted, measured : Population
    unseen : tuple of str
        Of :data:`SEEN_OR_NOT`, what is measured and was not fitted on.
    """

    name: str
    fitted: Population
    measured: Population
    unseen: tuple[str, ...]


def rungs(split: str) -> list[Rung]:
    """Return the ladder up to a split, from everything seen over one thing unseen to all unseen.

    Parameters
    ----------
    split : str
        ``dev`` or ``test``: where what is unseen comes from.
    """

    def rung(name: str, *unseen: str) -> Rung:
        talkers, loudspeakers, rooms = (split if what in unseen else "train" for what in SEEN_OR_NOT)
        # Talkers who were fitted on are measured on others of their recordings.
        recordings: Literal["all", "held_out"] = "all" if talkers == split else "held_out"
        return Rung(name, FITTED, Population(talkers, loudspeakers, rooms, recordings=recordings), unseen)

    return [
        rung("seen"),
        *(rung(f"unseen {what}", what) for what in SEEN_OR_NOT),
        rung("all unseen", *SEEN_OR_NOT),
    ]


def kind_rungs(split: str, kinds: Sequence[str]) -> list[Rung]:
    """Return rungs that leave a kind of loudspeakers out: fitted on all others, measured on that kind, all unseen.

    Parameters
    ----------
    split : str
    kinds : sequence of str
        Kinds of the recipe, two or more.
    """
    return [
        Rung(
            f"{kind} left out",
            Population("train", "train", "train", tuple(other for other in kinds if other != kind), "fitting"),
            Population(split, split, split, (kind,)),
            SEEN_OR_NOT,
        )
        for kind in kinds
    ]


def seen_where_claimed(
    fitted: dict[str, np.ndarray], measured: dict[str, np.ndarray], unseen: Collection[str]
) -> npt.NDArray[np.bool_]:
    """Tell of which clips everything was fitted on that is not claimed to be unseen.

    A fit draws from its population and need not have met all of it: a talker of ``train`` who was not drawn is unseen.

    Parameters
    ----------
    fitted, measured : dict
        As :func:`train.liveness_scenes.build_liveness_clips` returns them.
    unseen : collection of str
        Of :data:`SEEN_OR_NOT`.

    Returns
    -------
    (clips,) bool
        One for each measured clip; a live clip has no loudspeaker that could be unseen.
    """
    kept = np.ones(measured["live"].size, bool)
    for what, column in _COLUMNS.items():
        if what not in unseen:
            met = np.isin(measured[column], fitted[column])
            kept &= met | (measured["live"] == 1) if what == "loudspeakers" else met
    return kept


def mix_kept(measured: dict[str, np.ndarray], kept: npt.NDArray[np.bool_], *, seed: int) -> npt.NDArray[np.bool_]:
    """Leave out further replays, at random, until those that are kept have the mix of kinds of all that were rendered.

    Parameters
    ----------
    measured : dict
        As :func:`train.liveness_scenes.build_liveness_clips` returns it.
    kept : (clips,) bool
        Which clips may be measured.
    seed : int

    Returns
    -------
    (clips,) bool
        Live clips as they were. Where a kind has none left, there is no such mix, and no replay is kept.
    """
    rng = np.random.default_rng(seed)
    replayed = measured["live"] == 0
    of_kind = {kind: replayed & (measured["kind"] == kind) for kind in np.unique(measured["kind"][replayed])}
    share = min((float((kept & of).sum() / of.sum()) for of in of_kind.values()), default=0.0)
    result = kept & ~replayed
    for of in of_kind.values():
        # The kind with the fewest keeps all that it has; the dust of a product must not cost it one.
        number = int(np.floor(share * of.sum() + 1e-6))
        result[rng.choice(np.flatnonzero(kept & of), number, replace=False)] = True
    return result


def check_enough(name: str, measured: dict[str, np.ndarray], option: str) -> None:
    """Check that what is left to measure on is enough for a figure.

    Parameters
    ----------
    name : str
        The rung, for the message.
    measured : dict
        The clips that are left.
    option : str
        What asks for more of them.

    Raises
    ------
    DataError
        If a class has fewer than 10 clips.
    """
    live = int(np.count_nonzero(measured["live"]))
    counts = {"live": live, "replayed": int(measured["live"].size) - live}
    label = min(counts, key=lambda key: counts[key])
    if counts[label] < _LEAST:
        raise DataError(
            f"{name}: got {counts[label]} {label} clips of which all that counts as seen was fitted on, expected at "
            f"least {_LEAST}; nothing was fitted: give more with {option}, or fit on more with --clips"
        )
