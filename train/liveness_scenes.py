"""Clips that the liveness network learns from: live and replayed renderings of the same recordings.

Both classes are made from the same source clips, so that neither the word, the talker nor the level tells them
apart; what the device would look back on after a detection is cut out by the device's own code.
"""

import hashlib
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edge.cues import CueSettings, liveness_cues
from edge.endpoint import LOOK_BACK_SAMPLES, loudest_window, speech_span
from edge.errors import DataError
from edge.sample_time import SAMPLE_RATE_HZ
from train.corpus import Clip, content_hash, load_manifest, read_clip
from train.engines.choice import Engine
from train.population import Population
from train.shards import Arrays, build_shards
from train.simulator.chain import LABELS, Simulator, clip_rng
from train.simulator.levels import to_int16
from train.simulator.loudspeakers import Loudspeakers, load_curves
from train.simulator.noise import NoisePool
from train.simulator.recipe import Recipe, shipped_recipe
from train.simulator.rooms import load_room_bank
from train.sound_way import WAY_VERSION, quantised_way, spoken_in, way_size
from train.speeds import Speeds

__all__ = [
    "CONDITIONS",
    "NAMED_CONDITIONS",
    "Kept",
    "build_liveness_clips",
    "clip_settings",
    "generator",
    "look_back",
    "looked_back",
    "padded",
    "render_raw",
    "said",
    "sources",
    "world",
]

CONDITIONS = ("distance_m", "snr_db", "t60_s", "level_dbfs", "idle_db", "tv_ratio_db", "first_distance_m")
"""Conditions of a rendering that are numbers; NaN where there is none, as in a recording as it is."""

NAMED_CONDITIONS = (
    "kind",
    "variant",
    "loudspeaker",
    "brand",
    "room",
    "first_room",
    "codec",
    "noise",
    "tv_programme",
    "tv_loudspeaker",
    "limiter",
)
"""Conditions of a rendering that are names."""

Kept = Literal["cues", "heard", "whole"]

_CLIPS_PER_SHARD = 200
_RAW_VERSION = 2
"""Raised whenever the rendering of recordings as they are changes."""
_AS_RECORDED = Speeds()
_EXCLUDED = frozenset({"librispeech"})
"""Went through MP3: a codec's traces on one class of source would teach the codec."""


def sources(clips: list[Clip]) -> list[Clip]:
    """Choose the recordings that may stand for a live talker: nothing that a loudspeaker has played already."""
    return [
        clip
        for clip in clips
        if clip.role in ("wake", "speech") and clip.source != "replay" and clip.corpus not in _EXCLUDED
    ]


def generator(purpose: str, seed: int | str, number: int) -> np.random.Generator:
    """Return the generator of one draw: those of other purposes, seeds and numbers have nothing to do with it."""
    return np.random.default_rng(list(hashlib.sha256(f"{purpose}|{seed!r}|{number}".encode()).digest()))


def look_back(samples: np.ndarray, stop: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """Cut what the device looks back on when a word that ends at ``stop`` is detected.

    The detection comes 50 to 350 ms after the end of the word.
    """
    return samples[looked_back(samples.size, stop, rng)]


def looked_back(size: int, stop: int, rng: np.random.Generator | None = None) -> slice:
    """Return where in a clip of some size that lies which :func:`look_back` cuts."""
    delay = 0.2 if rng is None else rng.uniform(0.05, 0.35)
    decided = min(size, stop + round(delay * SAMPLE_RATE_HZ))
    return slice(max(0, decided - LOOK_BACK_SAMPLES), decided)


def padded(heard: np.ndarray) -> np.ndarray:
    """Put silence before what was looked back on, so that all of it has the same length: ``(LOOK_BACK_SAMPLES,)``."""
    return np.pad(heard, (LOOK_BACK_SAMPLES - heard.size, 0))


def render_raw(clip: Clip, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Put a recording as it is, at a varied level, between a second of noise floor on either side.

    Returns
    -------
    samples : (n,) int16
    stop : int
        Where its speech ends, samples.
    """
    x = read_clip(clip)
    x = x / max(1e-6, float(np.abs(x).max())) * 10 ** (rng.uniform(-24, -1) / 20)
    pad = SAMPLE_RATE_HZ
    floor = 10 ** (rng.uniform(-84, -66) / 20)
    y = rng.standard_normal(x.size + 2 * pad).astype(np.float32) * np.float32(floor)
    y[pad : pad + x.size] += x
    samples = to_int16(y)
    # The recording may go on long after the word; a detection would not wait for its end.
    return samples, speech_span(samples).stop


@lru_cache(maxsize=2)
def world(
    data: Path, population: Population, cache: Path, recipe: Recipe, content: str
) -> tuple[list[Clip], Simulator]:
    """Return the recordings of a population, and the simulator that renders them; kept for the next shard.

    Parameters
    ----------
    content : str
        :func:`train.corpus.content_hash` of the data: other content is another world.

    Raises
    ------
    DataError
        If there are no recordings, or what the simulator needs cannot be read.
    """
    clips = load_manifest(data)
    recordings = population.recordings_of(sources(clips))
    if not recordings:
        raise DataError(f"{data}: holds no speech of the split {population.talkers}; add some to its manifest")
    simulator = Simulator(
        population.loudspeakers,
        load_room_bank(cache, population.rooms, ranges=recipe.rooms),
        Loudspeakers(recipe, load_curves(data)),
        NoisePool([clip for clip in clips if clip.split == population.rooms], recipe.background),
        kinds=population.kinds,
    )
    return recordings, simulator


def said(clip: Clip, speeds: Speeds, seed: int | str, number: int) -> np.ndarray:
    """Return the recording that a rendering is made of, at the speed that was drawn for it: ``(n,) float32``.

    Parameters
    ----------
    clip : Clip
    speeds, seed
        As of :func:`build_liveness_clips`.
    number : int
        Of the rendering. Both renderings of a pair are of one speed, as they are of one recording.
    """
    return speeds.apply(read_clip(clip), generator("speed", seed, number // 2))


def _render(
    clips: list[Clip], simulator: Simulator, number: int, seed: int | str, raw_share: float, speeds: Speeds
) -> tuple[dict[str, Any], np.ndarray, int, Clip, str, int, np.ndarray | None]:
    # Pairs of one source: an even number is its live rendering, the odd one behind it its replay.
    clip = clips[generator("source", seed, number // 2).integers(len(clips))]
    rng = clip_rng(clip.path, seed, number, recipe=simulator.recipe)
    label = "live" if number % 2 == 0 else "replay"
    if label == "live" and rng.random() < raw_share:
        samples, stop = render_raw(clip, rng)
        return {"kind": "raw", "variant": "raw"}, samples, stop, clip, label, 0, None
    try:
        recording = said(clip, speeds, seed, number)
        rendered = simulator.render(recording, LABELS[number % 2], rng)
    except ValueError as error:
        raise DataError(f"{clip.file}: cannot be rendered ({error}); replace it or drop its row") from error
    start, stop = rendered.speech_start, rendered.speech_stop
    return rendered.conditions, rendered.samples, stop, clip, label, start, recording


def _make_shard(
    index: int,
    *,
    data: Path,
    population: Population,
    cache: Path,
    seed: int | str,
    n: int,
    cues: CueSettings,
    raw_share: float,
    speeds: Speeds,
    keep: Kept,
    ways: bool,
    recipe: Recipe,
    content: str,
) -> Arrays:
    clips, simulator = world(data, population, cache, recipe, content)
    rows: dict[str, list[Any]] = {}
    wholes: list[np.ndarray] = []
    for number in range(index * _CLIPS_PER_SHARD, min(n, (index + 1) * _CLIPS_PER_SHARD)):
        conditions, samples, stop, clip, label, start, recording = _render(
            clips, simulator, number, seed, raw_share, speeds
        )
        row: dict[str, Any] = {
            "live": np.int8(label == "live"),
            "talker": clip.talker,
            "corpus": clip.corpus,
            "source": clip.path,
            "television": np.int8(conditions.get("tv_ratio_db") is not None),
            **{name: str(conditions.get(name, "none")) for name in NAMED_CONDITIONS},
            **{name: np.float32(_number(conditions.get(name))) for name in CONDITIONS},
        }
        if keep == "whole":
            wholes.append(samples)
            row |= {"size": np.int32(samples.size), "speech_start": np.int32(start), "speech_stop": np.int32(stop)}
        else:
            cut = looked_back(samples.size, stop, generator("look back", seed, number))
            heard = samples[cut]
            if keep == "heard":
                row["audio"] = padded(heard)
                row["audio_size"] = np.int32(heard.size)
            else:
                span = loudest_window(heard, cues.window_samples)
                row["cues"] = np.round(liveness_cues(heard[span.start : span.stop], cues) * 255).astype(np.uint8)
                if ways:
                    row["way"] = np.zeros(way_size(cues), np.int8)
                    if recording is not None:
                        spoken = spoken_in(recording, recipe.layout, size=samples.size, start=start, stop=stop)[cut]
                        judged = slice(span.start, span.stop)
                        row["way"] = quantised_way(spoken[judged], heard[judged], cues)
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    arrays = {name: np.array(values) for name, values in rows.items()}
    return arrays if keep != "whole" else {**arrays, "samples": np.concatenate(wholes)}


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def clip_settings(
    data: Path,
    population: Population | str,
    *,
    n: int,
    seed: int | str,
    cues: CueSettings,
    raw_share: float = 0.0,
    speeds: Speeds = _AS_RECORDED,
    keep: Kept = "cues",
    ways: bool = False,
    recipe: Recipe | None = None,
) -> dict[str, Any]:
    """Return all that clips depend on, as plain data; takes what :func:`build_liveness_clips` takes."""
    recipe = recipe or shipped_recipe()
    settings: dict[str, Any] = {
        "recipe": recipe.hash, "recipe_version": recipe.version,
        "raw_recipe": _RAW_VERSION, "data": content_hash(data), "population": asdict(_population(population)), "n": n,
        "seed": seed, "cues": cues.to_dict() if keep == "cues" else None, "raw_share": raw_share, "keep": keep,
    }  # fmt: skip
    if speeds != _AS_RECORDED:
        settings["speeds"] = asdict(speeds)
    if ways:
        settings["ways"] = WAY_VERSION
    return settings


def _population(population: Population | str) -> Population:
    return Population.of_split(population) if isinstance(population, str) else population


def build_liveness_clips(
    data: Path,
    population: Population | str,
    cache: Path,
    *,
    n: int,
    seed: int | str,
    cues: CueSettings,
    raw_share: float = 0.0,
    speeds: Speeds = _AS_RECORDED,
    keep: Kept = "cues",
    ways: bool = False,
    recipe: Recipe | None = None,
    engine: Engine | None = None,
) -> Arrays:
    """Render clips and compute their cues, or read them from the cache.

    Parameters
    ----------
    population : Population or str
        Whose voices, which loudspeakers, which rooms; the name of a split stands for all of that split.
    n : int
        Clips, half of them live.
    seed : int or str
        Other seeds draw other clips; numbers are what users give.
    raw_share : float
        Share of the live clips that are recordings as they are, without simulated room.
    speeds : Speeds
        At which speeds the recordings are played before they are rendered; as they are by default.
    keep : str
        ``cues``; or ``heard``, the looked-back audio in place of its cues, for an evaluation that runs the device's
        own stage; or ``whole``, the clips as rendered.
    ways : bool
        Whether the way from the recording to what is heard is told beside the cues: what a network may be taught, and
        no device knows.
    recipe : Recipe, optional
        The shipped one by default.

    Returns
    -------
    dict
        ``cues`` ``(n, rows, bands) uint8`` (1/255); or ``audio`` ``(n, 25600) int16`` whose last ``audio_size`` samples
        count; or ``samples`` ``(sum of size,) int16``, one clip behind the other, with ``size``, ``speech_start`` and
        ``speech_stop``. ``live`` ``(n,) int8``; ``talker``, ``corpus``, ``source`` (its path) and
        :data:`NAMED_CONDITIONS` as strings; ``television`` ``(n,) int8``; :data:`CONDITIONS` ``(n,) float32``.
        With `ways` also ``way`` ``(n, way_size) int8``: see :func:`train.sound_way.quantised_way`; of a recording as it
        is all zeros.
    """
    population = _population(population)
    recipe = recipe or shipped_recipe()
    settings = clip_settings(
        data, population, n=n, seed=seed, cues=cues, raw_share=raw_share, speeds=speeds, keep=keep, ways=ways,
        recipe=recipe,
    )  # fmt: skip
    make = partial(
        _make_shard,
        data=data,
        population=population,
        cache=cache,
        seed=seed,
        n=n,
        cues=cues,
        raw_share=raw_share,
        speeds=speeds,
        keep=keep,
        ways=ways,
        recipe=recipe,
        content=settings["data"],
    )
    n_shards = -(-n // _CLIPS_PER_SHARD)
    return build_shards(cache, f"liveness-{population.name}", settings, n_shards, make, engine=engine, unit="clips")
