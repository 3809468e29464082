"""Recordings of a new word: rows of a manifest, or whatever audio lies in a folder."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from edge.errors import DataError
from edge.manifest_file import FILE_NAME, NOT_ONE_TALKER
from edge.sample_time import SAMPLE_RATE_HZ
from train.clip import Clip
from train.corpus import load_manifest
from train.importers.audio_copy import bring
from train.progress import with_progress

__all__ = ["LEAST_RECORDINGS", "at_most", "find_recordings", "refuse_few", "talkers"]

CORPUS = "recordings"
"""Name of the corpus of recordings that came without a manifest."""

LEAST_RECORDINGS = 10
"""Fewer, and nothing synthesised beside: what is learnt is those recordings, and not the word."""

_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3"})
_LONGEST_S = 5.0
_SILENT = 1e-4


def find_recordings(folder: Path, phrase: str, cache: Path, *, licence: str) -> list[Clip]:
    """Find the recordings of a word.

    Parameters
    ----------
    folder : Path
        With a ``manifest.csv``: its rows of the role ``wake`` and the split ``train`` whose label is the phrase.
        Without: every audio file below, each the word once, spoken by the person that the first sub-folder names.
    phrase : str
    cache : Path
        Folder in which ``recordings`` is made, for copies as 16 kHz mono FLAC.
    licence : str
        Of recordings without a manifest.

    Returns
    -------
    list of Clip
        Role ``wake``, split ``train``, sorted by path.

    Raises
    ------
    DataError
        If there is none; one is silent, or longer than a word is.
    AudioError
        If one cannot be read.
    """
    if (folder / FILE_NAME).is_file():
        every = load_manifest(folder)
        clips = [clip for clip in every if (clip.role, clip.split, clip.label) == ("wake", "train", phrase)]
        if not clips:
            known = sorted({clip.label for clip in every if clip.role == "wake" and clip.split == "train"})
            raise DataError(
                f"{folder / FILE_NAME}: got no row of the role 'wake' and the split 'train' with the label {phrase!r}, "
                f"expected recordings of the word; labels there: {', '.join(known) or 'none'}"
            )
        return clips
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder, expected one with recordings of {phrase!r}; check the path")
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in _SUFFIXES and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not files:
        raise DataError(
            f"{folder}: got no recordings ({', '.join(sorted(_SUFFIXES))}), expected one file for each time that "
            f"{phrase!r} is said; record some with 'vivavoce collect'"
        )
    return [_clip(file, folder, phrase, cache, licence) for file in with_progress(files, "reading")]


def _clip(file: Path, folder: Path, phrase: str, cache: Path, licence: str) -> Clip:
    about = file.stat()
    name = hashlib.sha256(f"{file.resolve()}\0{about.st_size}\0{about.st_mtime_ns}".encode()).hexdigest()[:24]
    copy = cache / "recordings" / f"{name}.flac"
    if not copy.is_file():
        bring(file, copy, channel=None, link=False)
    samples, _ = soundfile.read(copy, dtype="float32")
    seconds = samples.size / SAMPLE_RATE_HZ
    if seconds > _LONGEST_S:
        raise DataError(
            f"{file}: got {seconds:.1f} s, expected at most {_LONGEST_S:.0f} s with {phrase!r} in them once; cut it, "
            "one file for each time that the word is said"
        )
    if float(np.abs(samples).max()) < _SILENT:
        raise DataError(f"{file}: is silent, expected {phrase!r}; record it again or take it away")
    parts = file.relative_to(folder).parts
    return Clip(
        path=f"recordings/{copy.name}",
        file=copy,
        corpus=CORPUS,
        speaker=parts[0] if len(parts) > 1 else "unknown",
        split="train",
        role="wake",
        label=phrase,
        seconds=seconds,
        native_hz=SAMPLE_RATE_HZ,
        licence=licence,
    )


def talkers(clips: Sequence[Clip]) -> set[str]:
    """Return the talkers that are known; who is not named may be anybody."""
    return {clip.talker for clip in clips if clip.speaker not in NOT_ONE_TALKER}


def at_most(clips: Sequence[Clip], most: int, *, seed: int) -> list[Clip]:
    """Choose some recordings, evenly over their talkers."""
    rng = np.random.default_rng([seed, 11])
    by_talker: dict[str, list[Clip]] = {}
    for i in rng.permutation(len(clips)):
        by_talker.setdefault(clips[i].talker, []).append(clips[i])
    rounds = sorted((number, name) for name, said in by_talker.items() for number in range(len(said)))
    return [by_talker[name][number] for number, name in rounds[:most]]


def refuse_few(clips: Sequence[Clip], folder: Path, phrase: str) -> None:
    """Refuse recordings that alone make no word.

    Raises
    ------
    DataError
        If there are fewer than :data:`LEAST_RECORDINGS`.
    """
    if len(clips) < LEAST_RECORDINGS:
        raise DataError(
            f"{folder}: got {len(clips)} recordings of {phrase!r}, expected at least {LEAST_RECORDINGS} where nothing "
            "is synthesised; record more with 'vivavoce collect', or add --synth espeak-ng,flite"
        )
