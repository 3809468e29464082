"""What the simulated device plays: recordings one behind the other, and what the wake network says of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.bundle import Bundle
from edge.errors import DataError
from edge.files import write_whole
from edge.frontend import Frontend
from edge.frontend_tables import FrontendSettings
from edge.interpreter import load_model
from edge.sample_time import SAMPLE_RATE_HZ
from edge.sources import FileSource
from firmware_bridge.export.golden import wake_logits

__all__ = ["PAUSE_S", "Sound", "prepare", "read_sound"]

PAUSE_S = 2.0
"""Silence behind each recording, s: for the answer to its last word."""
_LONGEST_S = 3600


@dataclass(frozen=True, slots=True)
class Sound:
    """Files for the program."""

    pcm: Path
    """int16, 16 kHz."""
    logits: Path | None
    """int8 ``(runs, words)``; None where the device hears no words."""
    seconds: float
    """Length, s."""


def read_sound(paths: Iterable[Path], *, channel: int | None = None) -> npt.NDArray[np.int16]:
    """Return recordings one behind the other with silence behind each, ``(n,) int16``, 16 kHz mono.

    Raises
    ------
    AudioError
        If one cannot be read to its end.
    DataError
        If they are longer than an hour.
    """
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE_HZ), np.int16)
    pieces: list[npt.NDArray[np.int16]] = []
    size = 0
    for path in paths:
        for piece in (*FileSource(path, channel=channel).blocks(), pause):
            pieces.append(piece)
            size += len(piece)
        if size > _LONGEST_S * SAMPLE_RATE_HZ:
            raise DataError(f"{path}: got more than {_LONGEST_S} s of sound, expected at most that; give fewer files")
    return np.concatenate(pieces)


def prepare(bundle: Bundle, pcm: npt.NDArray[np.int16], folder: Path, *, hears: bool) -> Sound:
    """Write the files.

    Parameters
    ----------
    bundle : Bundle
    pcm : (n,) int16
    folder : Path
    hears : bool
        Whether the device detects wake words: then the network is run here, beforehand.

    Raises
    ------
    DataError
        If they cannot be written.
    """
    logits = None
    try:
        write_whole(folder / "pcm.s16", lambda file: file.write(pcm.tobytes()))
        if hears:
            wake = load_model(bundle.content(bundle.wake.file), name=bundle.wake.file, kernels="reference")
            features = Frontend(FrontendSettings.from_dict(bundle.frontend)).push(pcm)
            said, _ = wake_logits(bundle, wake, features)
            logits = folder / "logits.s8"
            write_whole(logits, lambda file: file.write(said.tobytes()))
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror}); free some space") from error
    return Sound(folder / "pcm.s16", logits, len(pcm) / SAMPLE_RATE_HZ)
