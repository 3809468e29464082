"""What a classifier behind the speech embedding learns from: moments of the scenes of a wake network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from train.clip import Clip
from train.corpus import licences, load_manifest
from train.embedding_words import Embeddings, EmbeddingWordsSettings, Floats, chosen_moments
from train.engines.choice import Engine
from train.wake_embeddings import build_wake_embeddings
from train.wake_material import spoken, taught_words, wake_scenes
from train.wake_scenes import RECIPE_VERSION, other_words
from train.wake_settings import WakeSettings

__all__ = ["EmbeddingMaterial", "embedding_material"]


@dataclass(frozen=True, slots=True)
class EmbeddingMaterial:
    """Moments, and what they were taken from."""

    phrases: dict[str, str]
    """By the id of each wake word what is said."""
    words: tuple[str, ...]
    """Ids of the wake words, sorted."""
    told: tuple[str, ...]
    """Ids of all words that are told apart: behind the wake words stand the others."""
    synthetic: tuple[Clip, ...]
    """What synthesisers said."""
    moments: Embeddings
    """See :func:`train.embedding_words.chosen_moments`."""
    said: Floats
    """What was just said at each."""
    licences: list[dict[str, str]]
    """Of all recordings that the scenes are made of."""
    record: dict[str, Any]
    """How it came to be, for the record of a training."""


def embedding_material(
    settings: EmbeddingWordsSettings,
    scenes_of: WakeSettings,
    *,
    embedding: Path,
    data: Path,
    cache: Path,
    engine: Engine | None,
    seed: int,
) -> EmbeddingMaterial:
    """Render scenes and compute embeddings, or read what was kept of both, and choose moments.

    Raises
    ------
    DataError
        If the data or the embedding cannot be used.
    UsageError
        If a word is to be left out that is not there, or all are.
    """
    said = taught_words(data, scenes_of.without)
    words = tuple(sorted(said))
    # Other words are told, too, while it is trained: what they share with the wake words is no wake word.
    told = (*words, *other_words(data))
    synthetic = tuple(spoken(scenes_of, sorted(said.values()), cache))
    scenes = wake_scenes(
        scenes_of, told, data=data, cache=cache, engine=engine, seed=seed, synthetic=synthetic, splits=("train",)
    )["train"]
    embeddings = build_wake_embeddings(
        embedding, data, "train", cache,
        mix=scenes_of.mix(), seed=seed, words=told, synthetic=synthetic, engine=engine,
    )  # fmt: skip
    moments, heard = chosen_moments(
        embeddings, scenes["end_sample"], scenes["word"],
        settings=settings, n_words=len(told), rng=np.random.default_rng([seed, 5]),
    )  # fmt: skip
    return EmbeddingMaterial(
        phrases=said,
        words=words,
        told=told,
        synthetic=synthetic,
        moments=moments,
        said=heard,
        licences=licences((*(clip for clip in load_manifest(data) if clip.split == "train"), *synthetic)),
        record={
            "moments_taken": len(moments), "scenes_of": scenes_of.to_dict(), "spoken": len(synthetic),
            "rendered": {"train": len(scenes["word"])}, "scene_recipe": RECIPE_VERSION,
        },
    )  # fmt: skip
