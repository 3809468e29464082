"""Golden vectors: what the C code must compute, from implementations that are not ours where there are any.

================  ============================  ==================================================================
file              content                       made by
================  ============================  ==================================================================
``pcm.s16``       int16 ``(samples,)``          the recordings, at 16 kHz
``features.u16``  uint16 ``(frames, channels)`` pymicro-features, TensorFlow's C frontend
``input.s8``      int8 ``(frames, channels)``   :func:`edge.frontend.quantise_features`
``logits.s8``     int8 ``(runs, words)``        the reference kernels of TensorFlow Lite
``words.u32``     uint32 ``(detections, 3)``    :class:`edge.wake.WakeStage`: frame, word, probability (30 bits)
================  ============================  ==================================================================

All little-endian, row by row.
"""

import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle import Bundle
from edge.errors import DataError, MissingExtraError
from edge.frontend import Frontend, quantise_features
from edge.frontend_tables import FrontendSettings
from edge.interpreter import Model
from edge.wake import WakeStage
from firmware_bridge.export.abi import PROBABILITY_BITS

__all__ = ["golden_vectors", "read_recordings", "reference_features", "wake_logits"]

_MAX_SAMPLES = 16000 * 3600
_FEATURE_STEP = 25.6
"""pymicro-features returns features times 10/256."""


def read_recordings(paths: Iterable[Path]) -> npt.NDArray[np.int16]:
    """Return recordings one behind the other, ``(n,) int16``, 16 kHz mono, cut to whole steps of 10 ms.

    Raises
    ------
    AudioError
        If one cannot be read.
    DataError
        If they are shorter than one window, or longer than an hour.
    """
    from edge.sample_time import SAMPLE_RATE_HZ
    from edge.sources import FileSource

    blocks: list[npt.NDArray[np.int16]] = []
    for path in paths:
        blocks.extend(FileSource(path).blocks())
        if sum(map(len, blocks)) > _MAX_SAMPLES:
            raise DataError(
                f"{path}: got more than an hour of golden sound, expected a minute or two; give fewer files"
            )
    pcm = np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
    hop = SAMPLE_RATE_HZ // 100
    pcm = pcm[: len(pcm) // hop * hop]
    if len(pcm) < 3 * hop:
        raise DataError(
            f"--golden: got {len(pcm)} samples, expected at least {3 * hop}, one window; give a longer file"
        )
    return pcm


def reference_features(pcm: npt.NDArray[np.int16], settings: FrontendSettings) -> npt.NDArray[np.uint16]:
    """Return the features of TensorFlow's C frontend, ``(frames, channels) uint16``.

    Raises
    ------
    MissingExtraError
        If pymicro-features is not installed.
    DataError
        If the settings are not the ones that are built into it.
    """
    if settings != FrontendSettings():
        raise DataError(
            "golden vectors: got a bundle with frontend settings of its own, expected those of microWakeWord, which "
            "are built into the reference; export without --golden"
        )
    if importlib.util.find_spec("pymicro_features") is None:
        raise MissingExtraError("the reference of the features", "micro")
    from pymicro_features import MicroFrontend

    micro, hop = MicroFrontend(), settings.step_ms * 16
    rows = (micro.process_samples(pcm[at : at + hop].tobytes()).features for at in range(0, len(pcm) - hop + 1, hop))
    found = [row for row in rows if row]
    return np.rint(np.array(found, np.float64).reshape(-1, settings.channels) * _FEATURE_STEP).astype(np.uint16)


class _Recorder:
    """A network that keeps what it said."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.name, self.inputs, self.outputs = model.name, model.inputs, model.outputs
        self.said: list[dict[str, npt.NDArray[Any]]] = []

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Run it."""
        self.said.append(self._model.run(inputs))
        return self.said[-1]


def golden_vectors(bundle: Bundle, wake: Model, pcm: npt.NDArray[np.int16]) -> dict[str, bytes]:
    """Return the golden vectors by the names of their files.

    Parameters
    ----------
    bundle : Bundle
    wake : Model
        Its wake network, with the reference kernels.
    pcm : (n,) int16
        What is heard; whole steps of 10 ms.

    Raises
    ------
    MissingExtraError, DataError
        See :func:`reference_features`; also if this program's own features differ from the reference.
    """
    settings = FrontendSettings.from_dict(bundle.frontend)
    features = reference_features(pcm, settings)
    if not np.array_equal(features, Frontend(settings).push(pcm)):
        raise DataError(
            "golden vectors: features of edge differ from those of pymicro-features, whose tables depend on the "
            "machine (aarch64, and the GNU C library from 2.41 on, round otherwise); export them on x86-64 with an "
            "older one, as Debian 12 has, and report it if they differ there, too"
        )
    logits, found = wake_logits(bundle, wake, features)
    return {
        "pcm.s16": pcm.astype("<i2").tobytes(),
        "features.u16": features.astype("<u2").tobytes(),
        "input.s8": quantise_features(features).tobytes(),
        "logits.s8": logits.tobytes(),
        "words.u32": np.array(found, "<u4").reshape(-1, 3).tobytes(),
    }


def wake_logits(
    bundle: Bundle, wake: Model, features: npt.NDArray[np.uint16]
) -> tuple[npt.NDArray[np.int8], list[tuple[int, int, int]]]:
    """Return what the wake network says of features, and what is detected by it.

    Parameters
    ----------
    bundle : Bundle
    wake : Model
        Its wake network, with the reference kernels.
    features : (frames, channels) uint16

    Returns
    -------
    logits : (runs, words) int8
    detections : list of (frame, word, probability)
        The probability has :data:`firmware_bridge.export.abi.PROBABILITY_BITS` fraction bits.
    """
    settings, part = FrontendSettings.from_dict(bundle.frontend), bundle.wake
    recorder = _Recorder(wake)
    stage = WakeStage(
        recorder,  # type: ignore[arg-type]  # all of a Model that a stage uses
        list(bundle.wake_cutoffs.values()),
        channels=settings.channels,
        stride_frames=part.stride_frames,
        context_frames=part.context_frames,
        smoothing_steps=part.smoothing_steps,
        refractory_frames=part.refractory_ms // settings.step_ms,
    )
    found = [(d.frame, d.word, round(d.score * (1 << PROBABILITY_BITS))) for d in stage.push(features)]
    role = next(spec.name for spec in wake.outputs if spec.shape == (1, len(bundle.words)))
    logits = np.array([said[role][0] for said in recorder.said], np.int8).reshape(-1, len(bundle.words))
    return logits, found
