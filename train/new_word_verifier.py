"""A new word for a verifier: a classifier of its own beside that of the other words, behind the same speech embedding.

The embedding was made to tell thousands of keywords apart, so that a few dozen recordings are enough to learn one more.
Both classifiers become one: their units stand side by side, with no weights between them, and so the words that were
there before keep their logits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from edge.json_reading import read_object
from edge.log_mel import samples_of_mel_frames
from train.corpus import data_hash
from train.embedding_words import (
    EMBEDDING_SCALE,
    EmbeddingWords,
    EmbeddingWordsSettings,
    chosen_moments,
    fit_embedding_words,
)
from train.engines.choice import Engine
from train.fitting import RunRecord, read_representative, save_checkpoint
from train.new_word_learning import Learnt, licences_with
from train.new_word_scenes import Given, WordMix, build_word_embeddings
from train.run_clock import RunClock
from train.speech_embedding import DIMENSIONS, SpeechEmbedding
from train.verifier_network import verifier_network
from train.verifier_training import VERIFIER_CLASSIFIER, stretch_of
from train.wake_network import saved_weights
from train.wake_traces import in_noise_floor

__all__ = [
    "WORD_CLASSIFIER",
    "VerifierCheckpoint",
    "append_to_verifier",
    "beside",
    "check_verifier",
    "read_verifier_checkpoint",
]

WORD_CLASSIFIER = replace(VERIFIER_CLASSIFIER, hidden=48, epochs=12, batch=256)
"""What the classifier of one word is: a third of the units that six words share."""

_STRETCHES = 48
"""Stretches of the new word that calibrate the quantisation, beside those of the verifier."""
_REMEDY = "give the folder that 'vivavoce train verifier' or 'train word' wrote"


@dataclass(frozen=True, slots=True)
class VerifierCheckpoint:
    """What ``vivavoce train verifier`` or ``train word`` wrote."""

    path: Path
    spec: dict[str, Any]
    record: dict[str, Any]
    classifier: EmbeddingWords

    @property
    def words(self) -> tuple[str, ...]:
        """Ids of the words, in the order of the logits."""
        return tuple(word["id"] for word in self.spec["words"])

    @property
    def embeddings(self) -> int:
        """By how many embeddings it judges a moment."""
        return int(self.classifier.weights[0].shape[0]) // DIMENSIONS


def read_verifier_checkpoint(path: Path) -> VerifierCheckpoint:
    """Read a checkpoint of the role verifier.

    Raises
    ------
    DataError
        If it is none, or not a whole one.
    """
    spec, record = (read_object(path / f"{name}.json", error=DataError, remedy=_REMEDY) for name in ("spec", "record"))
    if spec.get("role") != "verifier":
        raise DataError(f"{path}: got a checkpoint of the role {spec.get('role')!r}, expected 'verifier'; {_REMEDY}")
    saved = saved_weights(path / "model")
    try:
        # Convolutions of a verifier have no names of their own when they are saved: its classifier is the last three.
        (first, second, head), (bias, second_bias, head_bias) = (saved[name][-3:] for name in ("kernel:0", "bias:0"))
        taps, one, dimensions, units = first.shape
        words = [str(word["id"]) for word in spec["words"]]
        if one != 1 or dimensions != DIMENSIONS or head_bias.shape != (len(words),):
            raise ValueError(f"{len(words)} words, and arrays of {first.shape} and {head.shape}")
        flat = first.reshape(taps * DIMENSIONS, units)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path / 'model'}: got another network than train.verifier_network makes ({error!r}); {_REMEDY}"
        ) from error
    # The network takes embeddings as they are, a classifier in units of their deviation.
    flat = flat * np.float32(EMBEDDING_SCALE)
    classifier = EmbeddingWords((flat, bias, second[0, 0], second_bias, head[0, 0], head_bias))
    return VerifierCheckpoint(path, spec, record, classifier)


def check_verifier(checkpoint: VerifierCheckpoint, embedding: Path, words: Sequence[str]) -> None:
    """Check, before anything is trained, that a word can be added to a verifier.

    Parameters
    ----------
    checkpoint : VerifierCheckpoint
    embedding : Path
        Folder of the speech embedding.
    words : sequence of str
        Ids of the words of the wake network that it stands behind.

    Raises
    ------
    DataError
        If it is for other words, or `embedding` does not hold what it was trained with.
    """
    if checkpoint.words != tuple(words):
        raise DataError(
            f"{checkpoint.path}: got a verifier for {', '.join(checkpoint.words)}, expected one for "
            f"{', '.join(words)} in this order, as the wake network; give the one that was trained beside it"
        )
    sha256, known = SpeechEmbedding(embedding).sha256, checkpoint.record.get("settings", {}).get("embedding")
    if known != sha256:
        raise DataError(
            f"{embedding}: got another speech embedding ({sha256[:12]}), expected that of {checkpoint.path} "
            f"({str(known)[:12]}); give the folder that the verifier was trained with"
        )


def beside(one: EmbeddingWords, other: EmbeddingWords) -> EmbeddingWords:
    """Return both classifiers as one, whose words are those of the first and behind them those of the second.

    Parameters
    ----------
    one, other : EmbeddingWords
        Without normalisation, of as many embeddings.
    """
    first, bias, second, second_bias, head, head_bias = zip(one.weights, other.weights, strict=True)
    return EmbeddingWords(
        (
            np.concatenate(first, axis=1),
            np.concatenate(bias),
            _apart(*second),
            np.concatenate(second_bias),
            _apart(*head),
            np.concatenate(head_bias),
        )
    )


def _apart(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return both matrices along a diagonal, with zeros beside them."""
    out = np.zeros((one.shape[0] + other.shape[0], one.shape[1] + other.shape[1]), np.float32)
    out[: one.shape[0], : one.shape[1]] = one
    out[one.shape[0] :, one.shape[1] :] = other
    return out


def append_to_verifier(
    checkpoint: VerifierCheckpoint,
    learnt: Learnt,
    *,
    embedding: Path,
    data: Path,
    cache: Path,
    out: Path,
    mix: WordMix | None = None,
    settings: EmbeddingWordsSettings = WORD_CLASSIFIER,
    seed: int = 1,
    engine: Engine | None = None,
    clock: RunClock | None = None,
) -> None:
    """Train the classifier of a word, and write the verifier with one word more.

    Parameters
    ----------
    checkpoint : VerifierCheckpoint
    learnt : Learnt
        The word as the wake network learnt it: both learn from the same scenes.
    embedding : Path
        Folder of the speech embedding.
    data, cache, out : Path
        Data folder, what is rendered, and the checkpoint to write.
    mix : WordMix, optional
        As the wake network's.
    settings : EmbeddingWordsSettings
        Its number of embeddings is that of the checkpoint.
    seed : int
    engine : Engine, optional
    clock : RunClock, optional
        Of the run, for its record; by default one that begins here.

    Raises
    ------
    DataError
        If `embedding` does not hold it, or something cannot be read or written.
    """
    clock = clock or RunClock()
    settings = replace(settings, embeddings=checkpoint.embeddings, normalised=False)
    mix = mix or WordMix()
    known_stretches = read_representative(checkpoint.path)["mel"]
    scenes = build_word_embeddings(embedding, data, cache, learnt.given, mix=mix, seed=seed, engine=engine)
    moments, said = chosen_moments(
        scenes["embedding"],
        scenes["end_sample"],
        np.where(scenes["end_sample"] >= 0, 0, -1).astype(np.int8),
        settings=settings,
        n_words=1,
        rng=np.random.default_rng([seed, 5]),
    )
    word = fit_embedding_words(moments, said, settings, seed=seed)
    classifier = beside(checkpoint.classifier, word)
    device = verifier_network(embedding, classifier, len(checkpoint.words) + 1)
    record = RunRecord(
        clock=clock,
        seed=seed,
        data_hash=data_hash(data),
        licences=licences_with(checkpoint.record.get("licences", []), learnt.given, data),
        settings={
            "base": checkpoint.record.get("settings", {}),
            "embedding": SpeechEmbedding(embedding).sha256,
            "word": {
                "phrase": learnt.phrase,
                "moments_taken": len(moments),
                **settings.to_dict(),
                "mix": mix.to_dict(),
            },
        },
    )
    record.metrics = {"parameters": int(device.count_params()), "classifier": classifier.sha256}
    added = {"id": learnt.phrase.replace(" ", "_"), "phrase": learnt.phrase}
    save_checkpoint(
        out,
        device,
        {"mel": np.concatenate((known_stretches, _stretches(learnt.given, checkpoint.spec["frames"], seed)))},
        record,
        {**checkpoint.spec, "words": [*checkpoint.spec["words"], added]},
    )


def _stretches(given: Given, frames: int, seed: int) -> npt.NDArray[np.float32]:
    """Return spectrograms with the word, or a part of it, for the ranges of the quantisation."""
    rng = np.random.default_rng([seed, 6])
    said = [*given.recorded, *given.spoken]
    chosen = [said[number] for number in rng.permutation(len(said))[:_STRETCHES]]
    least = samples_of_mel_frames(frames)
    return np.stack(
        [
            stretch_of(np.resize(samples, max(samples.size, least)), frames, rng)
            for samples in (in_noise_floor(clip) for clip in chosen)
        ]
    )
