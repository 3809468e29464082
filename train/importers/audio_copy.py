"""Bringing one recording into the data folder: as 16 kHz mono FLAC, or as a link to the file where it is."""

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from edge.errors import AudioError
from edge.sample_time import SAMPLE_RATE_HZ
from edge.sources import FileSource
from train.atomic_file import put_bytes, put_link

__all__ = ["LINKED_SUFFIXES", "SUFFIX", "Copied", "bring", "target_suffix"]

_BLOCK = 1 << 16
SUFFIX = ".flac"
"""Of recordings that are copied."""
LINKED_SUFFIXES = frozenset({".wav", ".flac", ".ogg"})
"""Of files that may be linked to, in lower case."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What is in the data folder now.

    Attributes
    ----------
    sha256 : str
        Of the bytes of the file, in hexadecimal.
    size : int
        Bytes.
    seconds : float
        Duration.
    native_hz : int
        Rate of the file that was read, Hz.
    """

    sha256: str
    size: int
    seconds: float
    native_hz: int


def target_suffix(file: Path, *, link: bool) -> str:
    """Return the suffix that a recording gets in the data folder: ``.flac`` unless it is linked to as it is."""
    return file.suffix if link and _is_ready(file) else SUFFIX


def bring(file: Path, target: Path, *, channel: int | None, link: bool, expected_sha256: str = "") -> Copied:
    """Read a recording from beginning to end, and put it in place.

    What is 16 kHz, mono and 16 bits keeps its samples; anything else is mixed, resampled and rounded as on the device
    (:mod:`edge.sources`). Equal samples give equal bytes.

    Parameters
    ----------
    file : Path
        Only read.
    target : Path
        With the suffix of :func:`target_suffix`.
    channel : int or None
        Channel to take, from 0; None for the mean of all.
    link : bool
        Make a symbolic link if the file can be used as it is.
    expected_sha256 : str
        Of the bytes of the file, or ``""``.

    Raises
    ------
    AudioError
        If the recording is missing, damaged, holds samples that are not numbers, or is not what was expected.
    DataError
        If the target cannot be written, e.g. because the disk is full.
    """
    source = FileSource(file, block=_BLOCK, channel=channel)
    # A damaged file raises at its end, so that nothing of it is imported.
    samples = np.concatenate([np.zeros(0, np.int16), *source.blocks()])
    if not samples.size:
        raise AudioError(f"{file}: got no samples at {SAMPLE_RATE_HZ} Hz, expected audio; record or copy it again")
    if expected_sha256 and _sha256(file) != expected_sha256:
        raise AudioError(
            f"{file}: got other bytes than those whose sha256 the manifest has, expected {expected_sha256}; restore "
            "the file, or correct its row"
        )
    if link and _is_ready(file):
        put_link(target, file.resolve())
        content = file.read_bytes()
    else:
        encoded = io.BytesIO()
        soundfile.write(encoded, samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
        content = encoded.getvalue()
        put_bytes(target, content)
    return Copied(
        hashlib.sha256(content).hexdigest(), len(content), samples.size / SAMPLE_RATE_HZ, source.native_rate_hz
    )


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_ready(file: Path) -> bool:
    """Say whether training can read a file as it is."""
    if file.suffix.lower() not in LINKED_SUFFIXES or not os.path.isfile(file):
        return False
    try:
        info = soundfile.info(file)
    except (soundfile.LibsndfileError, RuntimeError):
        return False  # reading it will say what is wrong
    return bool(info.samplerate == SAMPLE_RATE_HZ and info.channels == 1)
