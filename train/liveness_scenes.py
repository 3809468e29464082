"""Clips that the liveness network learns from: live and replayed renderings of the same recordings.

Both classes are made from the same source clips, so that neither the word, the talker nor the level tells them
apart; what the device would look back on after a detection is cut out by the device's own code.
"""

from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from edge.cues import CueSettings, liveness_cues
from edge.endpoint import LOOK_BACK_SAMPLES, loudest_window, speech_span
from edge.events import SAMPLE_RATE_HZ
from train.corpus import Clip, data_hash, load_manifest, read_clip
from train.engines.choice import Engine
from train.shards import Arrays, build_shards
from train.simulator import RECIPE_VERSION
from train.simulator.chain import Rendered, Simulator
from train.simulator.levels import to_int16
from train.simulator.loudspeakers import load_curves
from train.simulator.noise import NoisePool
from train.simulator.rooms import load_room_bank

__all__ = ["CONDITIONS", "build_liveness_clips", "look_back", "render_raw", "sources"]

CONDITIONS = ("distance_m", "snr_db", "t60_s")
"""Conditions of a rendering that are kept as numbers; NaN for a recording as it is."""

_CLIPS_PER_SHARD = 200
_RAW_VERSION = 2
"""Raised whenever the rendering of recordings as they are changes."""
_EXCLUDED = frozenset({"librispeech"})
"""Went through MP3: a codec's traces on one class of source would teach the codec."""


def sources(clips: list[Clip]) -> list[Clip]:
    """Choose the recordings that may stand for a live talker: nothing that a loudspeaker has played already."""
    return [
        clip
        for clip in clips
        if clip.role in ("wake", "speech") and clip.source != "replay" and clip.corpus not in _EXCLUDED
    ]


def look_back(samples: np.ndarray, stop: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """Cut what the device looks back on when a word that ends at ``stop`` is detected.

    The detection comes 50 to 350 ms after the end of the word.
    """
    delay = 0.2 if rng is None else rng.uniform(0.05, 0.35)
    decided = min(samples.size, stop + round(delay * SAMPLE_RATE_HZ))
    return samples[max(0, decided - LOOK_BACK_SAMPLES) : decided]


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


@dataclass(frozen=True, slots=True)
class _Setup:
    clips: list[Clip]
    simulator: Simulator


@lru_cache(maxsize=1)
def _setup(data: Path, split: str, cache: Path) -> _Setup:
    clips = [clip for clip in load_manifest(data) if clip.split == split]
    simulator = Simulator(
        split,
        load_room_bank(cache, split),
        load_curves(data),
        NoisePool(clips),
    )
    return _Setup(sources(clips), simulator)


def _render(
    setup: _Setup, number: int, seed: int, raw_share: float
) -> tuple[Rendered | None, np.ndarray, int, Clip, str]:
    rng = np.random.default_rng([seed, 5, number])
    # Pairs of one source: an even number is its live rendering, the odd one behind it its replay.
    clip = setup.clips[np.random.default_rng([seed, 4, number // 2]).integers(len(setup.clips))]
    label = "live" if number % 2 == 0 else "replay"
    if label == "live" and rng.random() < raw_share:
        samples, stop = render_raw(clip, rng)
        return None, samples, stop, clip, label
    rendered = setup.simulator.render(read_clip(clip), label, rng)
    return rendered, rendered.samples, rendered.speech_stop, clip, label


def _make_shard(
    index: int,
    *,
    data: Path,
    split: str,
    cache: Path,
    seed: int,
    n: int,
    cues: CueSettings,
    raw_share: float,
    audio: bool,
) -> Arrays:
    setup = _setup(data, split, cache)
    rows: dict[str, list[Any]] = {}
    for number in range(index * _CLIPS_PER_SHARD, min(n, (index + 1) * _CLIPS_PER_SHARD)):
        rendered, samples, stop, clip, label = _render(setup, number, seed, raw_share)
        heard = look_back(samples, stop, np.random.default_rng([seed, 6, number]))
        conditions = rendered.conditions if rendered is not None else {"kind": "raw", "variant": "raw"}
        row: dict[str, Any] = {
            "live": np.int8(label == "live"),
            "kind": str(conditions["kind"]),
            "variant": str(conditions["variant"]),
            "loudspeaker": str(conditions.get("loudspeaker", "none")),
            "talker": clip.talker,
            "corpus": clip.corpus,
            "television": np.int8(conditions.get("tv_ratio_db") is not None),
            "conditions": np.array([conditions.get(name, np.nan) for name in CONDITIONS], np.float32),
        }
        if audio:
            row["audio"] = np.concatenate((np.zeros(LOOK_BACK_SAMPLES - heard.size, np.int16), heard))
            row["audio_size"] = np.int32(heard.size)
            row["room"] = str(conditions.get("room", "none"))
        else:
            span = loudest_window(heard, cues.window_samples)
            row["cues"] = np.round(liveness_cues(heard[span.start : span.stop], cues) * 255).astype(np.uint8)
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in rows.items()}


def build_liveness_clips(
    data: Path,
    split: str,
    cache: Path,
    *,
    n: int,
    seed: int,
    cues: CueSettings,
    raw_share: float = 0.0,
    audio: bool = False,
    engine: Engine | None = None,
) -> Arrays:
    """Render clips of a split and compute their cues, or read them from the cache.

    Parameters
    ----------
    n : int
        Clips, half of them live.
    raw_share : float
        Share of the live clips that are recordings as they are, without simulated room.
    audio : bool
        Return the looked-back audio instead of its cues, for an evaluation that runs the device's own stage.

    Returns
    -------
    dict
        ``cues`` ``(n, rows, bands) uint8`` (1/255), or ``audio`` ``(n, 25600) int16`` whose last ``audio_size`` samples
        count, and ``room``; ``live`` ``(n,) int8``; ``kind``, ``variant``, ``loudspeaker``, ``talker``, ``corpus`` as
        strings; ``television`` ``(n,) int8``; ``conditions`` ``(n, 3)`` in the order of :data:`CONDITIONS`.
    """
    settings: dict[str, Any] = {
        "recipe": RECIPE_VERSION,
        "raw_recipe": _RAW_VERSION, "data": data_hash(data), "split": split, "n": n, "seed": seed,
        "cues": cues.to_dict(), "raw_share": raw_share, "audio": audio,
    }  # fmt: skip
    make = partial(
        _make_shard,
        data=data,
        split=split,
        cache=cache,
        seed=seed,
        n=n,
        cues=cues,
        raw_share=raw_share,
        audio=audio,
    )
    return build_shards(
        cache, f"liveness-{split}", settings, -(-n // _CLIPS_PER_SHARD), make, engine=engine, unit="clips"
    )
