"""Training a teacher that knows speech: a classifier of the words behind the speech embedding."""

from pathlib import Path

from train.corpus import data_hash
from train.embedding_material import embedding_material
from train.embedding_words import EmbeddingWordsSettings, fit_embedding_words
from train.engines.choice import Engine
from train.fitting import RunRecord, checked_out
from train.run_clock import RunClock
from train.speech_embedding import LICENCE, SpeechEmbedding
from train.speech_teacher import save_speech_teacher
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
    clock: RunClock | None = None,
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
    clock : RunClock, optional
        Of the run, for its record; by default one that begins here.

    Raises
    ------
    DataError
        If the data or the embedding cannot be used, or `out` cannot be written.
    UsageError
        If a word is to be left out that is not there, or all are.
    """
    clock = clock or RunClock()
    checked_out(out)
    network = SpeechEmbedding(embedding)
    material = embedding_material(
        settings, scenes_of, embedding=embedding, data=data, cache=cache, engine=engine, seed=seed
    )
    record = RunRecord(
        clock=clock,
        seed=seed,
        data_hash=data_hash(data),
        licences=[*material.licences, LICENCE],
        settings={**settings.to_dict(), "words": material.told, "embedding": network.sha256, **material.record},
    )
    clock.of(record.trained())
    classifier = fit_embedding_words(material.moments, material.said, settings, seed=seed)
    save_speech_teacher(out, embedding, classifier, record.to_dict())
