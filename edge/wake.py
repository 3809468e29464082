"""The wake stage: feature frames in, detections of words out."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from edge.errors import ModelAbiError
from edge.frontend import FEATURE_SCALE, FEATURE_ZERO_POINT, quantise_features
from edge.interpreter import Model, TensorSpec, check_abi, dequantise
from edge.wake_native import CompiledNetwork

__all__ = ["WakeDetection", "WakeNetwork", "WakeStage", "takes_features"]


def takes_features(spec: TensorSpec) -> bool:
    """Tell whether an int8 input means by a step what :func:`edge.frontend.quantise_features` means by it."""
    return (np.float32(spec.scale), spec.zero_point) == (np.float32(FEATURE_SCALE), FEATURE_ZERO_POINT)


_RUNS_BEFORE_MOVING = 32
"""So many windows follow each other in memory before the last frames are moved to the beginning: a window is a place in
an array, and costs no copy. 8 kB with windows of 5 frames, every third frame."""


class WakeDetection(NamedTuple):
    """A word was heard."""

    word: int
    """Index of the word."""
    score: float
    """Smoothed score, 0 to 1."""
    frame: int
    """Index, since the last reset, of the newest frame that the detection rests on."""


class WakeNetwork(Protocol):
    """What runs the network of a :class:`WakeStage`, and holds its state."""

    def bind(self, frames: npt.NDArray[np.uint16]) -> None:
        """Let every step from now on be shown features of this array, ``(1, n, channels) uint16``."""

    def reset(self) -> None:
        """Forget everything that was shown."""

    def step(self, first: int = 0) -> npt.NDArray[Any]:
        """Run once, on the window that begins with a frame; return the logits, ``(words,)``."""


class _InterpretedNetwork:
    """The interpreter, which is given the state, and returns the next one."""

    def __init__(self, model: Model, logits_name: str, context: int) -> None:
        self._model = model
        self._context = context
        self._logits_name = logits_name
        self._state_name = next(spec.name for spec in model.outputs if spec.name != logits_name)
        self._is_float = model.inputs["features"].dtype == np.float32

    def bind(self, frames: npt.NDArray[np.uint16]) -> None:
        self._frames = frames

    def reset(self) -> None:
        spec = self._model.inputs["state"]
        # The state holds outputs of a ReLU: silence is zero, which is the zero point of its quantisation.
        self._state: npt.NDArray[Any] = np.full(spec.shape, spec.zero_point, spec.dtype)

    def step(self, first: int = 0) -> npt.NDArray[Any]:
        shown: npt.NDArray[Any] = quantise_features(self._frames[:, first : first + self._context])
        if self._is_float:
            shown = (shown.astype(np.float32) - FEATURE_ZERO_POINT) * np.float32(FEATURE_SCALE)
        result = self._model.run({"features": shown, "state": self._state})
        self._state = result[self._state_name]
        logits: npt.NDArray[Any] = result[self._logits_name][0]
        return logits


class WakeStage:
    """Run the wake network over feature frames, smooth its scores and compare them with the cut-offs.

    Parameters
    ----------
    model : Model or CompiledNetwork
        Inputs ``features`` ``(1, context, channels)`` and ``state``; outputs: logits ``(1, words)`` and the
        next state. See :func:`edge.wake_native.load_wake_network`.
    cutoffs : sequence of float
        For each word, in the order of the network's outputs; above 1 for a word that is not listened for.
    stride_frames : int
        Frames between two runs of the network.
    context_frames : int
        Frames that each run is shown.
    smoothing_steps : int
        The score is the mean probability of this many runs, as in ESPHome's component.
    refractory_frames : int
        After a detection nothing is detected for this long.

    Raises
    ------
    ModelAbiError
        If the tensors of the model are not those of a wake network with so many words, or its int8 features
        are not quantised as the frontend quantises them.
    """

    def __init__(
        self,
        model: Model | CompiledNetwork,
        cutoffs: Sequence[float],
        *,
        channels: int,
        stride_frames: int,
        context_frames: int,
        smoothing_steps: int,
        refractory_frames: int,
    ) -> None:
        self._cutoffs = np.asarray(cutoffs, np.float64)
        self._stride = stride_frames
        self._context = context_frames
        self._refractory = refractory_frames
        state = model.inputs.get("state")
        state_shape = state.shape if state is not None and len(state.shape) == 3 else (1, 1, 1)
        kinds = (np.int8, np.float32)
        check_abi(
            model,
            inputs={"features": ((1, context_frames, channels), kinds), "state": (state_shape, kinds)},
            outputs=(((1, len(cutoffs)), kinds), (state_shape, kinds)),
            feedback=("state",),
        )
        features = model.inputs["features"]
        if features.dtype == np.int8 and not takes_features(features):
            raise ModelAbiError(
                f"{model.name}: input 'features': got {features}, expected scale {FEATURE_SCALE:.6g}, "
                f"zero point {FEATURE_ZERO_POINT}; quantise the model with samples that reach from 0 to "
                f"{255 * FEATURE_SCALE:.6g}"
            )
        logits = next(spec for spec in model.outputs if spec.shape == (1, len(cutoffs)))
        self.network: WakeNetwork = (
            model if isinstance(model, CompiledNetwork) else _InterpretedNetwork(model, logits.name, context_frames)
        )
        """What runs the network."""
        self._probabilities = _probabilities(logits) if logits.dtype == np.int8 else None
        self._recent = np.zeros((smoothing_steps, len(cutoffs)))
        self._runs_in_mean = np.full(len(cutoffs), float(smoothing_steps))
        # Windows lie one after the other; what the next one needs when there is room for no more is moved to the front.
        self._size = max(context_frames, stride_frames)
        # The first and the last of them do not overlap.
        capacity = self._size + stride_frames * max(_RUNS_BEFORE_MOVING - 1, -(-context_frames // stride_frames))
        self._window = np.zeros((1, capacity, channels), np.uint16)
        self.network.bind(self._window)
        self.scores: npt.NDArray[np.float64] = np.zeros(len(cutoffs))
        """Smoothed score of each word after the newest run of the network, ``(words,) float64``."""
        self.max_scores = np.zeros(len(cutoffs))
        """Highest smoothed score of each word since the last reset, ``(words,) float64``."""
        self.reset()

    def set_cutoffs(self, cutoffs: Sequence[float]) -> None:
        """Detect by other cut-offs from now on; what was heard stays."""
        self._cutoffs = np.asarray(cutoffs, np.float64)

    def reset(self) -> None:
        """Forget everything that was heard."""
        self.network.reset()
        self._recent[:] = 0
        self._filled = self._size - self._context
        self._due = self._size
        self.runs = 0
        """How often the network has run since the last reset."""
        self._frames = 0
        self._deaf_until = 0
        self.scores = np.zeros_like(self.max_scores)  # a new array: the last one may be held by a caller
        self.max_scores[:] = 0

    def push(self, features: npt.NDArray[np.uint16]) -> list[WakeDetection]:
        """Take feature frames, and return what they complete.

        Parameters
        ----------
        features : (k, channels) uint16
            Frames of the frontend.

        Returns
        -------
        list of WakeDetection
            Usually empty.
        """
        detections: list[WakeDetection] = []
        if not features.shape[0]:
            return detections
        n_frames, taken = len(features), 0
        while taken < n_frames:
            end = min(self._filled + n_frames - taken, self._due)
            count = end - self._filled
            part = features if count == n_frames else features[taken : taken + count]
            self._window[0, self._filled : end] = part
            self._filled = end
            self._frames += count
            taken += count
            if self._filled == self._due:
                scores = self._run()
                if self._frames > self._deaf_until:
                    detection = self._detect(scores)
                    if detection is not None:
                        detections.append(detection)
        return detections

    def _run(self) -> npt.NDArray[np.float64]:
        first = self._due - self._context
        # Before the network is run, so that a run that fails costs no more than its own scores. What is moved stays
        # where it was, too.
        if self._due == self._window.shape[1]:
            kept = self._size - self._stride
            self._window[:, :kept] = self._window[:, self._due - kept :]
            self._filled, self._due = kept, self._size
        else:
            self._due += self._stride
        logits = self.network.step(first)
        recent = self._recent[self.runs % len(self._recent)]
        if self._probabilities is None:
            recent[:] = _sigmoid(logits)
        else:
            self._probabilities.take(logits, out=recent, mode="wrap")
        self.runs += 1
        # The very numbers of mean(), without its detour through Python.
        scores: npt.NDArray[np.float64] = np.add.reduce(self._recent, axis=0) / self._runs_in_mean
        self.scores = scores
        np.maximum(self.max_scores, scores, out=self.max_scores)
        return scores

    def _detect(self, scores: npt.NDArray[np.float64]) -> WakeDetection | None:
        if True not in (scores > self._cutoffs).tolist():  # half the instructions of any()
            return None
        over = scores - self._cutoffs
        # Two similar words may pass at once: the one that is further above its own cut-off was said.
        word = int(np.argmax(over / np.maximum(1.0 - self._cutoffs, 1e-3)))
        self._deaf_until = self._frames + self._refractory
        self._recent[:] = 0
        return WakeDetection(word, float(scores[word]), self._frames - 1)


def _probabilities(spec: TensorSpec) -> npt.NDArray[np.float64]:
    """Return the probability of every int8 logit; of a negative one at its place from the end."""
    return _sigmoid(dequantise(np.arange(256, dtype=np.uint8).view(np.int8), spec))


def _sigmoid(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    with np.errstate(over="ignore"):  # 1 / (1 + inf) is 0, as it should be
        probabilities: npt.NDArray[np.float64] = 1.0 / (1.0 + np.exp(-logits.astype(np.float64)))
    return probabilities
