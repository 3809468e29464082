"""What the speech embedding hears in the scenes that the wake network learns from."""

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from train.clip import Clip
from train.engines.choice import Engine
from train.shards import Arrays, build_shards
from train.speech_embedding import SpeechEmbedding
from train.wake_scenes import SceneMix, n_shards, rendered, scene_settings

__all__ = [
    "EMBEDDING_STEP",
    "SCENE_HOP_FRAMES",
    "build_wake_embeddings",
    "embedding_settings",
    "opened_embedding",
    "quantised_embeddings",
]

SCENE_HOP_FRAMES = 4
"""Frames of 10 ms between two embeddings of a scene."""

EMBEDDING_STEP = 0.5
"""What one step of the quantised embeddings is worth: they reach to 60, with a deviation of 15."""


def quantised_embeddings(embedding: SpeechEmbedding, samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int8]:
    """Return the embeddings of a recording, ``(m, DIMENSIONS)``, one every :data:`SCENE_HOP_FRAMES`, in whole steps."""
    steps = np.round(embedding.embed(samples, hop_frames=SCENE_HOP_FRAMES) / EMBEDDING_STEP)
    return np.clip(steps, -128, 127).astype(np.int8)


@lru_cache(maxsize=1)
def opened_embedding(folder: Path) -> SpeechEmbedding:
    """Open the embedding of a folder, and keep it for the next shard."""
    return SpeechEmbedding(folder)


def embedding_settings(folder: Path) -> dict[str, Any]:
    """Return all that quantised embeddings depend on beside the sound, as plain data.

    Raises
    ------
    DataError
        If `folder` does not hold the embedding.
    """
    return {"embedding": SpeechEmbedding(folder).sha256, "hop_frames": SCENE_HOP_FRAMES, "step": EMBEDDING_STEP}


def _make_shard(index: int, *, folder: Path, **scenes: Any) -> Arrays:
    embedding = opened_embedding(folder)
    return {"embedding": np.stack([quantised_embeddings(embedding, one.samples) for one in rendered(index, **scenes)])}


def build_wake_embeddings(
    folder: Path,
    data: Path,
    split: str,
    cache: Path,
    *,
    mix: SceneMix,
    seed: int,
    words: tuple[str, ...],
    synthetic: Sequence[Clip] = (),
    engine: Engine | None = None,
) -> npt.NDArray[np.int8]:
    """Compute the embeddings of the scenes of a split, or read them from the cache.

    Parameters
    ----------
    folder : Path
        Of the speech embedding: see :class:`train.speech_embedding.SpeechEmbedding`.
    data, split, cache, mix, seed, words, synthetic, engine
        As for :func:`train.wake_scenes.build_wake_scenes`, which gives features of the same scenes in the same order.

    Returns
    -------
    (n, m, DIMENSIONS) int8
        In steps of :data:`EMBEDDING_STEP`; up to which sample each has heard tells
        :func:`train.speech_embedding.heard_samples`.

    Raises
    ------
    DataError
        If `folder` does not hold the embedding.
    """
    scenes: dict[str, Any] = {
        "data": data, "synthetic": tuple(synthetic), "split": split, "cache": cache, "mix": mix, "seed": seed,
        "words": words,
    }  # fmt: skip
    settings = {
        **scene_settings(data, synthetic, split, mix, seed, words),
        **embedding_settings(folder),
    }  # fmt: skip
    make = partial(_make_shard, folder=folder, **scenes)
    found = build_shards(
        cache, f"wake-embeddings-{split}", settings, n_shards(**scenes), make, engine=engine, unit="scenes"
    )
    return found["embedding"]
