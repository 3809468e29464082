"""What a converted network says of the simulated dev set, and how many errors it makes there; without TensorFlow."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge.frontend import FEATURE_SCALE, FEATURE_ZERO_POINT
from edge.interpreter import Model, Operators, dequantise, quantise
from train.metrics import equal_error_rate

__all__ = [
    "Judge",
    "LivenessJudge",
    "WakeJudge",
    "mean_equal_error",
    "mean_recall",
    "parity",
    "scene_clusters",
    "scene_scores",
]

Logits = npt.NDArray[np.float32]


class Judge(Protocol):
    """Runs networks of one role over a dev set."""

    kernels: Operators
    """Which code of the interpreter a device runs networks of this role with."""
    clusters: Sequence[str]
    """The talker of each example: what intervals are resampled by."""

    def logits(self, model: Model) -> Logits:
        """Run a network over all examples, ``(examples, runs, words) float32``."""

    def equal_error(self, logits: Logits, chosen: npt.NDArray[np.intp]) -> float:
        """Return the equal error rate over some of the examples."""

    def told(self, logits: Logits) -> dict[str, Any]:
        """Return what else is told of all examples."""


class LivenessJudge:
    """The equal error rate of live and replayed renderings.

    Parameters
    ----------
    clips : dict
        From :func:`train.liveness_scenes.build_liveness_clips`.
    """

    kernels: Operators = "auto"

    def __init__(self, clips: dict[str, np.ndarray]) -> None:
        self._cues = clips["cues"]
        self._live = clips["live"].astype(bool)
        self.clusters: Sequence[str] = [str(name) for name in clips["talker"]]

    def logits(self, model: Model) -> Logits:
        """Run a network over all clips, ``(clips, 1, 1) float32``."""
        given, (said,) = model.inputs["cues"], model.outputs
        found = np.empty((len(self._cues), 1, 1), np.float32)
        for number, row in enumerate(tqdm(self._cues, desc=model.name, unit="clip", leave=False)):
            x = row[None].astype(np.float32) / 255
            found[number, 0] = _float(model.run({"cues": _as(x, given)})[said.name], said)
        return found

    def equal_error(self, logits: Logits, chosen: npt.NDArray[np.intp]) -> float:
        """Return the equal error rate of some of the clips."""
        scores, live = logits[chosen, 0, 0], self._live[chosen]
        return equal_error_rate(scores[live], scores[~live])

    def told(self, logits: Logits) -> dict[str, Any]:
        """Return nothing more."""
        return {}


class WakeJudge:
    """The equal error rate of scenes with a word and of those without it, mean over the words.

    The score of a scene is the highest smoothed probability in it, so that this stands for recall against false
    accepts; it is no figure of long streams, which ``vivavoce train evaluate`` measures.

    Parameters
    ----------
    scenes : dict
        From :func:`train.wake_scenes.build_wake_scenes`.
    spec : dict
        Of the checkpoint.
    """

    # As edge.pipeline runs it: they compute the same integers in every interpreter.
    kernels: Operators = "reference"

    def __init__(self, scenes: dict[str, np.ndarray], spec: dict[str, Any]) -> None:
        self._features = scenes["features"]
        self._word = scenes["word"]
        self._spec = spec
        self.clusters: Sequence[str] = scene_clusters(scenes["talker"])

    def logits(self, model: Model) -> Logits:
        """Run a network over all scenes, its state fed back, ``(scenes, runs, words) float32``."""
        context, stride = self._spec["context_frames"], self._spec["stride_frames"]
        words = len(self._spec["words"])
        state_in = model.inputs["state"]
        said = next(spec for spec in model.outputs if spec.shape == (1, words))
        back = next(spec for spec in model.outputs if spec.shape == state_in.shape)
        starts = range(0, self._features.shape[1] - context + 1, stride)
        found = np.empty((len(self._features), len(starts), words), np.float32)
        as_float = model.inputs["features"].dtype == np.float32
        for number, scene in enumerate(tqdm(self._features, desc=model.name, unit="scene", leave=False)):
            shown = (scene.astype(np.float32) - FEATURE_ZERO_POINT) * np.float32(FEATURE_SCALE) if as_float else scene
            state = np.full(state_in.shape, 0 if as_float else state_in.zero_point, state_in.dtype)
            for run, at in enumerate(starts):
                result = model.run({"features": shown[None, at : at + context], "state": state})
                state = result[back.name]
                found[number, run] = _float(result[said.name], said)
        return found

    def equal_error(self, logits: Logits, chosen: npt.NDArray[np.intp]) -> float:
        """Return the mean over words of the equal error rate of some of the scenes."""
        return mean_equal_error(self._scores(logits[chosen]), self._word[chosen])

    def told(self, logits: Logits) -> dict[str, Any]:
        """Return the mean recall where one in a hundred scenes without the word is accepted."""
        return {"recall_at_1_percent_of_other_scenes": mean_recall(self._scores(logits), self._word)}

    def _scores(self, logits: Logits) -> npt.NDArray[np.float64]:
        return scene_scores(logits, self._spec["smoothing_steps"])


def scene_clusters(talkers: Sequence[str] | npt.NDArray[Any]) -> list[str]:
    """Return the talker of each scene; a scene without a word has no talker that others share."""
    return [str(name) or f"scene {n}" for n, name in enumerate(talkers)]


def scene_scores(logits: Logits, smoothing_steps: int) -> npt.NDArray[np.float64]:
    """Return the highest score of each scene and word, smoothed as the device does.

    Parameters
    ----------
    logits : (scenes, runs, words) float
    smoothing_steps : int
        Runs whose probabilities are averaged.

    Returns
    -------
    (scenes, words) float64
    """
    sums = np.cumsum(1 / (1 + np.exp(-logits.astype(np.float64))), axis=1)
    sums[:, smoothing_steps:] -= sums[:, :-smoothing_steps].copy()
    highest: npt.NDArray[np.float64] = sums.max(axis=1) / smoothing_steps
    return highest


def mean_equal_error(scores: npt.NDArray[np.floating], word: npt.NDArray[np.integer]) -> float:
    """Return the mean over words of the equal error rate of scenes; NaN if no word is in some and not in others.

    Parameters
    ----------
    scores : (scenes, words) float
        From :func:`scene_scores`.
    word : (scenes,) int
        Index of the word in each scene; others than those of `scores` are none of them.
    """
    rates = [equal_error_rate(scores[word == one, one], scores[word != one, one]) for one in _shown(scores, word)]
    return float(np.mean(rates)) if rates else float("nan")


def mean_recall(scores: npt.NDArray[np.floating], word: npt.NDArray[np.integer], *, accepted: float = 0.01) -> float:
    """Return the mean over words of the recall where this share of the scenes without the word is accepted."""
    recalls = [
        float(np.mean(scores[word == one, one] > np.quantile(scores[word != one, one], 1 - accepted)))
        for one in _shown(scores, word)
    ]
    return float(np.mean(recalls)) if recalls else float("nan")


def _shown(scores: npt.NDArray[np.floating], word: npt.NDArray[np.integer]) -> list[int]:
    return [one for one in range(scores.shape[1]) if 0 < np.count_nonzero(word == one) < word.size]


def parity(as_int8: Logits, as_float: Logits) -> dict[str, float]:
    """Tell how far the integers are from the float network.

    Returns
    -------
    dict
        ``rms_difference`` and ``max_difference`` (of the logits), ``rms_share`` (the first as a share of the standard
        deviation of the float logits), ``agreement`` (share of logits on the same side of 0).
    """
    difference = as_int8.astype(np.float64) - as_float
    rms, spread = float(np.sqrt(np.mean(difference**2))), float(as_float.std())
    return {
        "rms_difference": rms,
        "max_difference": float(np.abs(difference).max()),
        "rms_share": rms / spread if spread else float("inf"),
        "agreement": float(np.mean((as_int8 > 0) == (as_float > 0))),
    }


def _as(x: npt.NDArray[np.float32], spec: Any) -> npt.NDArray[Any]:
    return x if spec.dtype == np.float32 else quantise(x, spec)


def _float(x: npt.NDArray[Any], spec: Any) -> npt.NDArray[np.float32]:
    return x if spec.dtype == np.float32 else dequantise(x, spec)
