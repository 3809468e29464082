"""What the speech embedding hears in the scenes that the wake network learns from."""

from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from train.clip import Clip
from train.engines.choice import Engine
from train.shards import Arrays, build_shards
from train.speech_embedding import DIMENSIONS, SpeechEmbedding
from train.wake_scenes import SceneMix, n_shards, rendered, scene_settings

__all__ = ["EMBEDDING_STEP", "SCENE_HOP_FRAMES", "build_wake_embeddings"]

SCENE_HOP_FRAMES = 4
"""Frames of 10 ms between two embeddings of a scene."""

EMBEDDING_STEP = 0.5
"""What one step of the quantised embeddings is worth: they reach to 60, with a deviation of 15."""


@lru_cache(maxsize=1)
def _embedding(folder: Path) -> SpeechEmbedding:
    return SpeechEmbedding(folder)


def _make_shard(index: int, *, folder: Path, **scenes: Any) -> Arrays:
    embedding = _embedding(folder)
    of_scenes = [embedding.embed(one.samples, hop_frames=SCENE_HOP_FRAMES) for one in rendered(index, **scenes)]
    steps = np.round(np.stack(of_scenes) / EMBEDDING_STEP)
    return {"embedding": np.clip(steps, -128, 127).astype(np.int8)}


def build_wake_embeddings(
    folder: Path,
    data: Path,
    split: str,
    cache: Path,
    *,
    mix: SceneMix,
    seed: int,
    words: tuple[str, ...],
    synthetic: tuple[Clip, ...] = (),
    engine: Engine | None = None,
) -> np.ndarray:
    """Compute the embeddings of the scenes of a split, or read them from the cache.

    Parameters
    ----------
    folder : Path
        Of the speech embedding.
    data, split, cache, mix, seed, words, synthetic, engine
        As for :func:`train.wake_scenes.build_wake_scenes`, which gives the features of the same scenes in the same order.

    Returns
    -------
    (n, m, DIMENSIONS) int8
        In steps of :data:`EMBEDDING_STEP`; see :func:`train.speech_embedding.heard_samples`.

    Raises
    ------
    DataError
        If `folder` does not hold the embedding.
    """
    scenes: dict[str, Any] = {
        "data": data, "synthetic": synthetic, "split": split, "cache": cache, "mix": mix, "seed": seed, "words": words,
    }  # fmt: skip
    settings = {
        **scene_settings(data, synthetic, split, mix, seed, words),
        "embedding": SpeechEmbedding(folder).sha256, "hop_frames": SCENE_HOP_FRAMES, "dimensions": DIMENSIONS,
        "step": EMBEDDING_STEP,
    }  # fmt: skip
    make = partial(_make_shard, folder=folder, **scenes)
    found = build_shards(
        cache, f"wake-embeddings-{split}", settings, n_shards(**scenes), make, engine=engine, unit="scenes"
    )
    return found["embedding"]
