"""A teacher that knows speech, in a folder: the speech embedding, and a classifier of the words behind it."""

import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataError, UsageError
from edge.json_reading import read_object
from train.atomic_file import put_bytes, writing
from train.embedding_words import N_WEIGHTS, EmbeddingWords, fits
from train.speech_embedding import FILES, SpeechEmbedding, read_part

__all__ = ["SpeechTeacher", "read_speech_teacher", "save_speech_teacher"]

_REMEDY = "give the folder that 'vivavoce train teacher' wrote"


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
    record: dict[str, Any]
    """How it was trained."""


def save_speech_teacher(out: Path, embedding: Path, classifier: EmbeddingWords, record: dict[str, Any]) -> None:
    """Write classifier and record beside a copy of the files of the embedding.

    Parameters
    ----------
    out : Path
        The folder; it may be `embedding`.
    embedding : Path
        Folder with :data:`train.speech_embedding.FILES`.
    classifier : EmbeddingWords
    record : dict
        As JSON can hold it; ``settings`` has the ``words``.

    Raises
    ------
    DataError
        If they cannot be read or written.
    """
    # The record goes first and comes last: a folder that has one holds a whole teacher.
    with writing(out):
        (out / "record.json").unlink(missing_ok=True)
    for name in FILES:
        if (embedding / name).resolve() != (out / name).resolve():
            put_bytes(out / name, read_part(embedding / name))
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
    settings = record.get("settings")
    named = settings.get("words") if isinstance(settings, dict) else None
    if not isinstance(named, list) or not named or not all(isinstance(word, str) for word in named):
        raise DataError(f"{path / 'record.json'}: got no words, expected those that a teacher tells; {_REMEDY}")
    told, weights = tuple(named), _weights(path / "words.npz")
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
    return SpeechTeacher(path, told, classifier, identity, record)


def _weights(path: Path) -> tuple[npt.NDArray[np.float32], ...]:
    """Read the arrays of a classifier, of shapes that fit together."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as packed:
            weights = tuple(np.asarray(packed[f"arr_{number}"], np.float32) for number in range(N_WEIGHTS))
    except OSError as error:
        said = error.strerror or error
        raise DataError(f"{path}: cannot be read ({said}), expected the classifier; {_REMEDY}") from error
    except (AttributeError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: got no classifier ({error}), expected {N_WEIGHTS} arrays; {_REMEDY}") from error
    shapes = [array.shape for array in weights]
    if not fits(shapes):
        raise DataError(
            f"{path}: got arrays of {', '.join(map(str, shapes))}, expected those of a classifier of embeddings; "
            f"{_REMEDY}"
        )
    if not all(np.isfinite(array).all() for array in weights):
        raise DataError(f"{path}: got NaN or infinite weights, expected finite ones; {_REMEDY}")
    return weights
