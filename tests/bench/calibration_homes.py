"""Simulated homes, each with one room, one microphone, two talkers and four loudspeakers, as calibration meets them.

What a home keeps is drawn once: the room, the device's microphone, the background and about how loud it is, who lives
there, their telephone and their television. Everything else is drawn for every clip by the recipe, as for any other
rendering. Live clips are ``plain`` (a talker in the room), replays ``recorded`` (a recording made in that room).

Clips of a home, by group:

``owner``      live, the talker who calibrates
``own``        replays of the talker by the home's telephone and television, in turn
``others``     live, another talker of the home
``strangers``  replays of the talker by two loudspeakers that calibration never hears (laptop, standalone)
``voices``     replays of the other talker by the home's television and by the strange laptop, in turn
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

GROUPS = ("owner", "own", "others", "strangers", "voices")
_KINDS = {"own": ("phone", "tv"), "strangers": ("laptop", "standalone"), "voices": ("tv", "laptop")}
COUNTS = {"owner": 32, "own": 32, "others": 12, "strangers": 12, "voices": 12}
"""Clips of each group and home: of the first two, 20 to calibrate with and 12 to measure on."""
_LEAST_RECORDINGS = 3
_SNR_DB = (10.0, 38.0)
_SNR_SPREAD_DB = 3.0
_LEVEL_DBFS = (-40.0, -20.0)
_LEVEL_SPREAD_DB = 5.0
_STAGES = ("layout", "first", "coding", "playing", "placing", "behind", "hearing")


class _Draws:
    """Stands in for the generator of a clip: some stages of the simulator draw what they drew for the last clip."""

    def __init__(self, clip: np.random.Generator, kept: dict[str, list[int]]) -> None:
        self._clip, self._kept = clip, kept

    def spawn(self, count: int) -> list[np.random.Generator]:
        own = self._clip.spawn(count)
        assert count == len(_STAGES), "the simulator has other stages than this was written for"
        return [
            np.random.default_rng(self._kept[name]) if name in self._kept else stream
            for name, stream in zip(_STAGES, own, strict=True)
        ]


def _clips(
    home: int, split: str, seed: int, counts: dict[str, int], data: Path, cache: Path
) -> Iterator[tuple[str, str, npt.NDArray[np.int16], str]]:
    """Yield group, loudspeaker, what the device looks back on, and the path of the recording."""
    from train.corpus import content_hash, read_clip
    from train.liveness_scenes import generator, look_back, world
    from train.population import Population
    from train.simulator.chain import Simulator
    from train.simulator.recipe import shipped_recipe
    from train.simulator.rooms import RoomBank

    recordings, whole = world(data, Population.of_split(split), cache, shipped_recipe(), content_hash(data))
    of_talker: dict[str, list[Any]] = {}
    for clip in recordings:
        of_talker.setdefault(clip.talker, []).append(clip)
    talkers = sorted(name for name, clips in of_talker.items() if len(clips) >= _LEAST_RECORDINGS)
    rng = generator(f"home {split}", seed, home)
    # Talkers and rooms go round, so that as many as there are take part.
    order = generator(f"talkers {split}", seed, 0).permutation(len(talkers))
    owner, other = (talkers[order[(2 * home + i) % len(talkers)]] for i in range(2))
    room = generator(f"rooms {split}", seed, 0).permutation(len(whole.bank))[home]
    simulator = Simulator(split, RoomBank([whole.bank.rooms[room]]), whole.loudspeakers, whole.noise_pool, kinds=())
    snr_db, level_dbfs = rng.uniform(*_SNR_DB), rng.uniform(*_LEVEL_DBFS)
    hearing, behind = rng.integers(2**32, size=2).tolist()
    loudspeakers = {kind: int(rng.integers(2**32)) for kind in ("phone", "tv", "laptop", "standalone")}
    for group in GROUPS:
        sources = of_talker[other if group in ("others", "voices") else owner]
        for number in range(counts[group]):
            clip = sources[number % len(sources)]
            draw = generator(f"{split} {home} {group}", seed, number)
            kinds = _KINDS.get(group, _KINDS["own"])
            kind = kinds[number % 2]
            live = group in ("owner", "others")
            conditions = {
                "variant": "plain" if live else "recorded",
                "kind": kind,
                "snr_db": snr_db + draw.normal(0.0, _SNR_SPREAD_DB),
                "level_dbfs": level_dbfs + draw.normal(0.0, _LEVEL_SPREAD_DB),
                "tv_ratio_db": float(draw.choice([20.0, 10.0, 5.0])) if draw.random() < 0.1 else None,
            }
            kept = {"hearing": [hearing], "behind": [behind], "playing": [loudspeakers[kind]]}
            rendered = simulator.render(
                read_clip(clip), "live" if live else "replay", _Draws(draw, kept), conditions=conditions
            )
            yield group, "" if live else kind, look_back(rendered.samples, rendered.speech_stop, draw), clip.path


def score_homes(
    split: str, homes: int, counts: dict[str, int], *, seed: int, data: Path, cache: Path, kept: Path
) -> dict[str, npt.NDArray[Any]]:
    """Score the clips of homes with the shipped bundle's liveness network, or read what an earlier run kept.

    Parameters
    ----------
    split : str
        Whose talkers, loudspeakers and rooms.
    homes : int
        Each in a room of its own.
    counts : dict
        Clips of each group and home.

    Returns
    -------
    dict
        ``home`` ``(n,) int``, ``group``, ``kind``, ``flags`` (those with which the gate gives no answer) and ``source``
        ``(n,) str``, ``score`` ``(n,) float64``: the network's logit.
    """
    from tqdm import tqdm

    from edge.bundle import open_bundle
    from edge.gate import UNSURE_FLAGS
    from edge.stages import judging

    if kept.exists():
        with np.load(kept, allow_pickle=False) as held:
            return dict(held)
    stage = judging(open_bundle(), None)
    rows: dict[str, list[Any]] = {name: [] for name in ("home", "group", "kind", "source", "score", "flags")}
    with tqdm(total=homes * sum(counts.values()), desc=split, unit="clip", mininterval=2) as bar:
        for home in range(homes):
            for group, kind, heard, path in _clips(home, split, seed, counts, data, cache):
                found = stage.judge(heard)
                flags = ",".join(flag for flag in found.quality.flags if flag in UNSURE_FLAGS)
                for name, value in zip(rows, (home, group, kind, path, found.score, flags), strict=True):
                    rows[name].append(value)
                bar.update()
    arrays = {name: np.array(values) for name, values in rows.items()}
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez(kept, **arrays)
    return arrays


if __name__ == "__main__":
    _split, _homes, _data, _cache, _kept = sys.argv[1:6]
    score_homes(
        _split,
        int(_homes),
        COUNTS,
        seed=1,
        data=Path(_data),
        cache=Path(_cache),
        kept=Path(_kept),
    )
