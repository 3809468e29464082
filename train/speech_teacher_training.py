"""Training a teacher that knows speech: a classifier of the words behind the speech embedding."""

from pathlib import Path

import numpy as np

from train.corpus import data_hash, licences, load_manifest
from train.embedding_words import EmbeddingWordsSettings, chosen_moments, fit_embedding_words
from train.engines.choice import Engine
from train.fitting import RunRecord, checked_out
from train.speech_embedding import LICENCE, SpeechEmbedding
from train.speech_teacher import save_speech_teacher
from train.wake_embeddings import build_wake_embeddings
from train.wake_material import spoken, taught_words, wake_scenes
from train.wake_scenes import RECIPE_VERSION, other_words
from train.wake_settings import WakeSettings

__all__ = ["train_speech_teacher"]


def train_speech_teacher(
    settings: EmbeddingWordsSettings,
    scenes_of: WakeSettings,
    *,
    embedding: Path,
    data: Path,
    cache: Path,
    out: Path,
    engine: Engine | None = None,
    seed: int = 1,
) -> None:
    """Render, compute embeddings, fit the classifier, and write the folder.

    Parameters
    ----------
    settings : EmbeddingWordsSettings
    scenes_of : WakeSettings
        Of the network to be taught: it is taught on the scenes that the classifier learns from.
    embedding : Path
        Folder with :data:`train.speech_embedding.FILES`.
    data, cache, out : Path
        Folder with a manifest; what was rendered; the folder to write.
    engine : Engine, optional
        Who renders.
    seed : int
        Of the renderings and of the classifier.

    Raises
    ------
    DataError
        If the data or the embedding cannot be used, or `out` cannot be written.
    UsageError
        If a word is to be left out that is not there, or all are.
    """
    checked_out(out)
    network = SpeechEmbedding(embedding)
    said = taught_words(data, scenes_of.without)
    words = tuple(sorted(said))
    told = (*words, *other_words(data))
    synthetic = spoken(scenes_of, sorted(said.values()), cache)
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
    record = RunRecord(
        seed=seed,
        data_hash=data_hash(data),
        licences=[
            *licences((*(clip for clip in load_manifest(data) if clip.split == "train"), *synthetic)),
            LICENCE,
        ],
        settings={
            **settings.to_dict(), "words": told, "embedding": network.sha256, "moments_taken": len(moments),
            "scenes_of": scenes_of.to_dict(), "spoken": len(synthetic), "rendered": {"train": len(scenes["word"])},
            "scene_recipe": RECIPE_VERSION,
        },
    )  # fmt: skip
    classifier = fit_embedding_words(moments, heard, settings, seed=seed)
    save_speech_teacher(out, embedding, classifier, record.to_dict())
