"""The same words through one room and through two, without a loudspeaker: both are live, and must be taken for live.

What tells replays by the echo of a second room hears the attacker's room and no loudspeaker.
"""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from train.corpus import content_hash, read_clip
from train.engines.choice import Engine
from train.liveness_scenes import generator, look_back, padded, world
from train.metrics import paired_interval
from train.population import Population
from train.shards import Arrays, build_shards
from train.simulator.recipe import Recipe, shipped_recipe

__all__ = ["ONE_OR_TWO", "build_room_pairs", "compare_rooms"]

ONE_OR_TWO = ("plain", "two_rooms")
"""Variants of live clips, in the order in which they come."""

_PAIRS_PER_SHARD = 100


def _make_shard(
    index: int,
    *,
    data: Path,
    population: Population,
    cache: Path,
    seed: int,
    pairs: int,
    recipe: Recipe,
    content: str,
) -> Arrays:
    clips, simulator = world(data, population, cache, recipe, content)
    rows: dict[str, list[Any]] = {name: [] for name in ("audio", "audio_size", "talker", "room", "variant", "source")}
    for number in range(index * _PAIRS_PER_SHARD, min(pairs, (index + 1) * _PAIRS_PER_SHARD)):
        clip = clips[generator("source of a pair", seed, number).integers(len(clips))]
        for variant in ONE_OR_TWO:
            # Generators in the same state: all but the first room and its recorder is the same.
            rendered = simulator.render(
                read_clip(clip), "live", generator("pair", seed, number), conditions={"variant": variant}
            )
            heard = look_back(rendered.samples, rendered.speech_stop, generator("look back", seed, number))
            rows["audio"].append(padded(heard))
            rows["audio_size"].append(np.int32(heard.size))
            for name, value in (
                ("talker", clip.talker), ("room", rendered.conditions["room"]), ("variant", variant),
                ("source", clip.path),
            ):  # fmt: skip
                rows[name].append(value)
    return {name: np.array(values) for name, values in rows.items()}


def build_room_pairs(
    data: Path,
    population: Population,
    cache: Path,
    *,
    pairs: int,
    seed: int,
    recipe: Recipe | None = None,
    engine: Engine | None = None,
) -> Arrays:
    """Render words through one room and through two, or read them from the cache.

    Parameters
    ----------
    population : Population
    pairs : int
    recipe : Recipe, optional
        The shipped one by default.

    Returns
    -------
    dict
        ``audio`` ``(2 pairs, 25600) int16`` whose last ``audio_size`` samples count, ``talker``, ``room``, ``variant``
        and ``source``. An even row went through one room, the odd one behind it through two; all else is the same.

    Raises
    ------
    DataError
        If the population has no recordings, or the cache cannot be written.
    """
    recipe = recipe or shipped_recipe()
    content = content_hash(data)
    settings = {
        "recipe": recipe.hash, "recipe_version": recipe.version, "data": content,
        "population": asdict(population), "pairs": pairs, "seed": seed,
    }  # fmt: skip
    make = partial(
        _make_shard, data=data, population=population, cache=cache, seed=seed, pairs=pairs, recipe=recipe,
        content=content,
    )  # fmt: skip
    return build_shards(
        cache, f"rooms-{population.name}", settings, -(-pairs // _PAIRS_PER_SHARD), make, engine=engine, unit="clips"
    )


def compare_rooms(clips: Arrays, accepted: npt.NDArray[np.bool_], *, rounds: int = 1000) -> dict[str, Any]:
    """Return how often the words are called live through one room and through two.

    Parameters
    ----------
    clips : dict
        As :func:`build_room_pairs` returns them.
    accepted : (2 pairs,) bool
    rounds : int
        Resamples of talkers and rooms.

    Returns
    -------
    dict
        ``pairs``; shares called live, ``one_room`` and ``two_rooms``; ``difference`` (two less one) with a 95 %
        interval that resamples talkers and rooms; ``at_least_as_often``: the difference is not below 0;
        ``significantly_less_often``: the whole interval is.
    """
    one, two = accepted[::2], accepted[1::2]
    gain = two.astype(np.float64) - one
    ways = [list(clips["talker"][::2]), list(clips["room"][::2])]
    low, high = paired_interval(lambda index: float(gain[index].mean()), ways, rounds=rounds)
    return {
        "pairs": int(gain.size),
        "one_room": float(one.mean()),
        "two_rooms": float(two.mean()),
        "difference": float(gain.mean()),
        "difference_interval_95": [low, high],
        "at_least_as_often": bool(gain.mean() >= 0.0),
        "significantly_less_often": bool(high < 0.0),
    }
