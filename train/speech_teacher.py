"""A teacher that knows speech, in a folder: the speech embedding, and a classifier of the words behind it."""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import DataError, UsageError
from edge.json_reading import read_object
from train.atomic_file import put_bytes, writing
from train.embedding_words import EmbeddingWords
from train.speech_embedding import SpeechEmbedding

__all__ = ["SpeechTeacher", "read_speech_teacher", "save_speech_teacher"]

_REMEDY = "give the folder that 'vivavoce train teacher' wrote"
_N_ARRAYS = 8


@dataclass(frozen=True, slots=True)
class SpeechTeacher:
    """What ``vivavoce train teacher`` wrote."""

    path: Path
    """The folder; the files of the embedding are in it, too."""
    words: tuple[str, ...]
    """Ids of what the classifier tells: the wake words, and behind them other words."""
    classifier: EmbeddingWords
    identity: dict[str, Any]
    """Hashes of classifier and embedding; for the record of the pupil."""


def save_speech_teacher(out: Path, classifier: EmbeddingWords, record: dict[str, Any]) -> None:
    """Write classifier and record beside the files of the embedding.

    Raises
    ------
    DataError
        If they cannot be written.
    """
    # The record goes first and comes last: a folder that has one holds a whole teacher.
    with writing(out):
        (out / "record.json").unlink(missing_ok=True)
    packed = io.BytesIO()
    np.savez(packed, *classifier.weights)  # type: ignore[arg-type]
    put_bytes(out / "words.npz", packed.getvalue())
    put_bytes(out / "record.json", (json.dumps(record, indent=1) + "\n").encode(), durable=True)


def read_speech_teacher(path: Path, words: tuple[str, ...] | None = None) -> SpeechTeacher:
    """Read a teacher.

    Parameters
    ----------
    path : Path
    words : tuple of str, optional
        Ids of what the pupil has outputs for.

    Raises
    ------
    DataError
        If it is none, or not a whole one.
    UsageError
        If it tells other words.
    """
    record = read_object(path / "record.json", error=DataError, remedy=_REMEDY)
    try:
        told = tuple(map(str, record["settings"]["words"]))
        with np.load(path / "words.npz") as packed:
            weights = tuple(packed[f"arr_{number}"] for number in range(_N_ARRAYS))
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: got no teacher, expected words.npz and record.json of one ({error}); {_REMEDY}"
        ) from error
    if weights[-1].shape != (len(told),):
        raise DataError(
            f"{path}: got {weights[-1].size} outputs in words.npz and {len(told)} words in record.json, expected as "
            f"many; {_REMEDY}"
        )
    if words is not None and told != words:
        raise UsageError(
            f"--speech-teacher {path}: got one for {', '.join(told)}, expected one for {', '.join(words)}; train it on "
            "the same data"
        )
    classifier = EmbeddingWords(weights)
    identity = {"classifier": classifier.sha256, "embedding": SpeechEmbedding(path).sha256}
    return SpeechTeacher(path, told, classifier, identity)
