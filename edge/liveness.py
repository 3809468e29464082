"""The liveness stage: tell whether a second of speech came from a mouth or from a loudspeaker."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.cues import CueSettings, liveness_cues
from edge.endpoint import frame_levels_db, loudest_window
from edge.interpreter import Model, check_abi, dequantise, quantise
from edge.quality import Quality, assess

__all__ = ["LivenessScore", "LivenessStage", "judged_window"]

_LEAST_FLOOR_DB = -84.0
"""The quietest floor of the simulated rooms that the network was trained in, dB re full scale."""


class LivenessScore(NamedTuple):
    """What the liveness stage found."""

    probability: float
    """Calibrated probability that the speech is live, 0 to 1."""
    score: float
    """Output of the network before calibration (a logit): positive for live."""
    quality: Quality
    """Whether the audio carries enough evidence."""


class LivenessStage:
    """Judge looked-back audio.

    Parameters
    ----------
    model : Model
        Input ``cues`` ``(1, rows, bands)``, output one logit ``(1, 1)``.
    settings : CueSettings
        What the cues are.
    slope, offset : float
        Calibration: probability = sigmoid(slope * logit + offset) (Platt scaling, fitted on dev).

    Raises
    ------
    ModelAbiError
        If the tensors of the model are not those of a liveness network for these cues.
    """

    def __init__(self, model: Model, settings: CueSettings, *, slope: float, offset: float) -> None:
        kinds = (np.int8, np.float32)
        check_abi(model, inputs={"cues": ((1, *settings.shape), kinds)}, outputs=(((1, 1), kinds),))
        self._model = model
        self._settings = settings
        self._slope, self._offset = slope, offset
        self._spec_in = model.inputs["cues"]
        self._spec_out = model.outputs[0]

    @property
    def window_samples(self) -> int:
        """Length of the audio that a judgement rests on, samples."""
        return self._settings.window_samples

    def judge(self, samples: npt.NDArray[np.int16]) -> LivenessScore:
        """Judge the loudest window of some audio.

        Parameters
        ----------
        samples : (n,) int16
            Audio that ends shortly after the word; what stands before the word shows the noise floor.

        Returns
        -------
        LivenessScore
        """
        quality = assess(samples)
        cues = liveness_cues(judged_window(samples, self._settings), self._settings)[None]
        is_float = self._spec_in.dtype == np.float32
        result = self._model.run({"cues": cues if is_float else quantise(cues, self._spec_in)})
        raw = result[self._spec_out.name]
        logit = float((raw if is_float else dequantise(raw, self._spec_out)).reshape(-1)[0])
        probability = 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, self._slope * logit + self._offset))))
        return LivenessScore(probability, logit, quality)


def judged_window(samples: npt.NDArray[np.int16], settings: CueSettings) -> npt.NDArray[np.int16]:
    """Return what is judged of some audio: its loudest window; the whole, extended at the front, if it is shorter.

    Parameters
    ----------
    samples : (n,) int16
    settings : CueSettings

    Returns
    -------
    (settings.window_samples,) int16
    """
    if samples.size < settings.window_samples:
        samples = _with_floor(samples, settings.window_samples)
    span = loudest_window(samples, settings.window_samples)
    return samples[span.start : span.stop]


def _with_floor(samples: npt.NDArray[np.int16], size: int) -> npt.NDArray[np.int16]:
    """Extend audio at the front, at the level of its own quietest moment.

    A word at the very start of a stream has nothing before it. Digital silence there would be a thing that the network
    has never seen; noise at the floor is what it knows.
    """
    levels = frame_levels_db(samples)
    level_db = float(levels.min()) if levels.size else _LEAST_FLOOR_DB
    rms = 32768.0 * 10 ** (max(level_db, _LEAST_FLOOR_DB) / 20)
    floor = np.random.default_rng(0).standard_normal(size - samples.size) * rms
    return np.concatenate((np.clip(np.rint(floor), -32768, 32767).astype(np.int16), samples))
