"""Google's speech embedding: a network that was trained to tell thousands of keywords apart, and so knows speech [1]_.

It is too large to run all the time on a device. It teaches the network that does, and is a part of the one that listens
again (:mod:`train.verifier_network`). The two files are those that the wheel of
openWakeWord 0.5.1 holds (:data:`FILES`). Of the second its description says that the model "is provided by Google as a
TFHub module under an Apache-2.0 license" (``speech_embedding``) and "was manually re-implemented"; the first computes
the spectrogram and holds nothing that was learnt. At its end the same text puts "all of the included pre-trained
models" under CC BY-NC-SA 4.0, because of data that they were trained on. That is taken here as said of its wake words,
which are not used: weights that Google gives under Apache-2.0 stay so in another file.

The network has no padding along time, so that one run over a whole recording gives what runs over every stretch of
0.78 s give one by one.

References
----------
.. [1] J. Lin, K. Kilgour, D. Roblek, M. Sharifi, "Training keyword spotters with limited and synthesized speech data",
   ICASSP 2020, https://arxiv.org/abs/2002.01322.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataError

__all__ = [
    "DIMENSIONS",
    "FILES",
    "FRAMES",
    "HOP_FRAMES",
    "LICENCE",
    "LICENCE_AS_A_PART",
    "REMEDY",
    "SpeechEmbedding",
    "heard_samples",
    "read_part",
]

FILES = ("melspectrogram.tflite", "embedding_model.tflite")
"""Names of the files in a folder of the embedding: samples to a mel spectrogram, spectrogram to embeddings."""

DIMENSIONS = 96
"""Length of an embedding."""

HOP_FRAMES = 8
"""Frames of the spectrogram between two embeddings of one run; other places come from runs that begin later."""

FRAMES = 76
"""Frames of the spectrogram that one embedding covers."""

LICENCE = {"material": "speech_embedding (Google, TensorFlow Hub), as a teacher", "licence": "Apache-2.0"}
"""As the manifest of a bundle lists it."""

LICENCE_AS_A_PART = {**LICENCE, "material": "speech_embedding (Google, TensorFlow Hub), a part of the network"}
"""The same for a network that has the weights of the embedding in it."""

_MEL_BANDS = 32
_STEP = 160  # samples between two frames of the spectrogram
_WINDOW = 512  # samples that one frame covers

REMEDY = (
    "unpack the wheel that 'pip download --no-deps openwakeword==0.5.1' fetches, and give its folder "
    "openwakeword/resources/models"
)
"""What to do where the files are missing or are others, for messages."""


def heard_samples(n: int, hop_frames: int) -> npt.NDArray[np.int64]:
    """Return up to which sample each of the first embeddings has heard, ``(n,) int64``."""
    return (np.arange(n) * hop_frames + FRAMES - 1) * _STEP + _WINDOW


class SpeechEmbedding:
    """The two networks, ready to run.

    Parameters
    ----------
    folder : Path
        Holds :data:`FILES`.

    Raises
    ------
    DataError
        If a file is missing, cannot be loaded, or holds another network.
    """

    def __init__(self, folder: Path) -> None:
        digest = hashlib.sha256()
        self._mel, self._embedding = (_loaded(folder / name, digest) for name in FILES)
        self.sha256 = digest.hexdigest()
        """Of both files, in hexadecimal."""
        # Two embeddings, not one: a network for a fixed length would do for that alone.
        frames = FRAMES + HOP_FRAMES
        silence = np.zeros((1, _WINDOW + (frames - 1) * _STEP), np.float32)
        heard = _tried(self._mel, silence, folder / FILES[0], "a spectrogram", (1, 1, frames, _MEL_BANDS))
        _tried(self._embedding, heard[0, ..., None], folder / FILES[1], "embeddings", (1, 2, 1, DIMENSIONS))

    def embed(self, samples: npt.NDArray[np.int16], *, hop_frames: int = HOP_FRAMES) -> npt.NDArray[np.float32]:
        """Return the embeddings of a recording.

        Parameters
        ----------
        samples : (n,) int16
            16 kHz.
        hop_frames : int
            Frames of 10 ms between two embeddings, a divisor of :data:`HOP_FRAMES`.

        Returns
        -------
        (m, DIMENSIONS) float32
            See :func:`heard_samples`; none for a recording shorter than 0.78 s.
        """
        if hop_frames < 1 or HOP_FRAMES % hop_frames:
            raise ValueError(f"hop_frames is {hop_frames}, expected a divisor of {HOP_FRAMES}")
        n_frames = (samples.size - _WINDOW) // _STEP + 1
        n = (n_frames - FRAMES) // hop_frames + 1
        if n < 1:
            return np.zeros((0, DIMENSIONS), np.float32)
        spectrogram = self._spectrogram(samples)
        found = np.zeros((n, DIMENSIONS), np.float32)
        for first in range(min(n, HOP_FRAMES // hop_frames)):
            of_this = _run(self._embedding, spectrogram[None, first * hop_frames :, :, None])
            found[first :: HOP_FRAMES // hop_frames] = of_this[0, :, 0]
        return found

    def _spectrogram(self, samples: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
        # Whole numbers, not full scale 1; and from decibels to what the network was trained on.
        found: npt.NDArray[np.float32] = _run(self._mel, samples[None].astype(np.float32))[0, 0] / 10 + 2
        return found


def read_part(path: Path) -> bytes:
    """Read one of :data:`FILES`.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}), expected a part of the embedding; {REMEDY}"
        ) from error


def _loaded(path: Path, digest: Any) -> Any:
    content = read_part(path)
    from ai_edge_litert.interpreter import Interpreter

    digest.update(content)
    try:
        # One thread, so that every machine and number of workers computes the same.
        return Interpreter(model_content=content, num_threads=1)
    except ValueError as error:
        raise DataError(
            f"{path}: is no network that LiteRT loads, expected a part of the embedding; {REMEDY}"
        ) from error


def _tried(
    network: Any, given: npt.NDArray[np.float32], path: Path, what: str, expected: tuple[int, ...]
) -> npt.NDArray[np.float32]:
    """Return what a network makes of an input, of the shape that is expected."""
    try:
        found = _run(network, given)
    except (IndexError, RuntimeError, ValueError) as error:  # what an interpreter has for another number of axes
        raise DataError(
            f"{path}: got a network that does not take {given.shape}, expected one that makes {what} of it (are the "
            f"two files swapped?); {REMEDY}"
        ) from error
    if found.shape != expected or found.dtype != np.float32:
        raise DataError(f"{path}: got {what} of {found.shape} {found.dtype}, expected {expected} float32; {REMEDY}")
    return found


def _run(network: Any, given: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    at = network.get_input_details()[0]["index"]
    network.resize_tensor_input(at, given.shape)
    network.allocate_tensors()
    network.set_tensor(at, given)
    network.invoke()
    found: npt.NDArray[np.float32] = network.get_tensor(network.get_output_details()[0]["index"])
    return found
