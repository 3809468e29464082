"""The wake stage of a model for ESPHome: feature frames in, detections of its word out, as on the device.

What the component does, in its order, for every feature frame:

1. The frame is quantised by :func:`edge.frontend.quantise_features` and put behind the last one. When as many are
   there as the network's input holds, the network runs, and its output (0 to 255) replaces the oldest one in
   the sliding window.
2. If the newest output is below the cut-off, the wait before the next detection becomes one frame shorter. After the
   start and after each detection it is 100 frames, so that one utterance is heard once, and only when the output
   has been low again for as long.
3. If the network has run since the window was last looked at, and the wait is over, a word is heard where the sum of
   the window exceeds the cut-off times its length: integers both, with the cut-off rounded down to 1/255. Then
   the window is cleared, and the wait begins.

pymicro-wakeword 2.5.0, which runs the same models on Linux, differs in five things. It quantises features with
the scale of the model (26/255) where the component takes 256/666 of the frontend's integer, so that many are a step
apart. It has the optimised kernels of TensorFlow Lite, the component those of TensorFlow Lite for Microcontrollers. It
compares real numbers (an output is n/256) with the cut-off as it is written. It waits for a full window after the
start instead of 100 frames. And it goes on reporting for as long as the mean is above the cut-off. Where the two
differ, this is the component; ``results/esphome_models.json`` says what that changes.

The component also runs the network on what is in memory before the first window of sound is full (two frames, at a
step of 10 ms). Here the first frame is the first that was heard.

References
----------
.. [1] ESPHome, ``esphome/components/micro_wake_word/streaming_model.cpp`` and ``micro_wake_word.cpp`` of 2025
   (behaviour only).
.. [2] pymicro-wakeword 2.5.0, ``pymicro_wakeword/microwakeword.py`` (behaviour only).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from edge.frontend import quantise_features
from edge.interpreter import Model, Operators, check_abi, load_model
from edge.wake import WakeDetection

__all__ = ["WAIT_FRAMES", "EsphomeStage", "StreamingNetwork"]

WAIT_FRAMES = 100
"""Frames with a low output that must pass after the start and after each detection."""

_ONE = 255
"""The output that the component takes for a probability of 1."""


class StreamingNetwork:
    """A network that keeps what it has heard in variables of its own.

    Parameters
    ----------
    content : bytes
        The .tflite file.
    name : str
        What error messages call it.
    channels : int
        Channels of the frontend.
    runtime : str, optional
        ``"litert"`` or ``"tflite"``; the best that is installed by default.
    kernels : Operators, optional
        The reference kernels give the outputs of TensorFlow Lite for Microcontrollers (one step of difference in 7
        of 236,362), and cost 0.03 ms a run on x86-64. The others are up to 21 of 255 steps away, because a state
        adds up how ties are rounded; ``builtin`` gives every output of pymicro-wakeword.

    Raises
    ------
    ModelAbiError
        If it does not have one int8 input ``(1, stride, channels)`` and one uint8 output ``(1, 1)``.
    """

    def __init__(
        self, content: bytes, *, name: str, channels: int, runtime: str | None = None, kernels: Operators = "reference"
    ) -> None:
        self._content = content
        self._name = name
        self._runtime = runtime
        self._kernels: Operators = kernels
        self._model = self._load()
        role = next(iter(self._model.inputs), "features")
        given = self._model.inputs[role].shape if self._model.inputs else ()
        self.stride_frames = max(1, given[1]) if len(given) == 3 else 1
        """Frames of each run."""
        check_abi(
            self._model,
            inputs={role: ((1, self.stride_frames, channels), (np.int8,))},
            outputs=(((1, 1), (np.uint8,)),),
        )
        self._input = role
        self._output = self._model.outputs[0].name
        self._is_new = True

    def _load(self) -> Model:
        return load_model(self._content, runtime=self._runtime, name=self._name, kernels=self._kernels)

    def run(self, frames: npt.NDArray[np.int8]) -> int:
        """Hear the next frames.

        Parameters
        ----------
        frames : (stride_frames, channels) int8

        Returns
        -------
        int
            Probability that the word ends here, in steps of 1/255.

        Raises
        ------
        ModelAbiError
            If the interpreter gives up.
        """
        self._is_new = False
        result: npt.NDArray[Any] = self._model.run({self._input: frames[None]})[self._output]
        return int(result[0, 0])

    def reset(self) -> None:
        """Forget everything that was heard."""
        # In neither interpreter does reset_all_variables() reach the variables of a network; a new one has new
        # ones. It takes 0.3 ms.
        if not self._is_new:
            self._model = self._load()
            self._is_new = True


class EsphomeStage:
    """Run a network over feature frames, and compare the mean of its outputs with a cut-off, as ESPHome does.

    Parameters
    ----------
    network : StreamingNetwork
    cutoff : float
        Probability above which the word counts as heard, 0 to 1. With 0 nothing is ever heard: the wait after the
        start does not end, as no output is below it.
    window_runs : int
        Runs of the network over which the probability is averaged.
    channels : int
        Channels of the frontend.
    """

    def __init__(self, network: StreamingNetwork, *, cutoff: float, window_runs: int, channels: int) -> None:
        self._network = network
        self._cutoff = int(cutoff * _ONE)
        self._frames: npt.NDArray[np.int8] = np.zeros((network.stride_frames, channels), np.int8)
        self._window = np.zeros(window_runs, np.int64)
        self._full = window_runs * _ONE
        self.max_scores = np.zeros(1)
        """Highest mean probability since the last reset, ``(1,) float64``."""
        self.reset()

    def reset(self) -> None:
        """Forget everything that was heard."""
        self._network.reset()
        self._window[:] = 0
        self._newest = 0
        self._is_news = False
        self._wait = WAIT_FRAMES
        self._heard = 0
        self.runs = 0
        """How often the network has run since the last reset."""
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
            Usually empty; the word is always 0.
        """
        detections: list[WakeDetection] = []
        if not features.shape[0]:
            return detections
        for row in quantise_features(features):
            self._hear(row)
            if self._newest < self._cutoff:
                self._wait = max(0, self._wait - 1)
            # Output of the time of the wait is still looked at when that is over, though it may be some frames old.
            if self._is_news and not self._wait:
                self._is_news = False
                total = int(self._window.sum())
                if total > self._cutoff * self._window.size:
                    detections.append(WakeDetection(0, total / self._full, self._heard - 1))
                    self._window[:] = 0
                    self._newest = 0
                    self._wait = WAIT_FRAMES
        return detections

    def _hear(self, row: npt.NDArray[np.int8]) -> None:
        """Take a quantised frame, and run the network if it is the last of a stride."""
        stride = self._frames.shape[0]
        self._frames[self._heard % stride] = row
        self._heard += 1
        if self._heard % stride:
            return
        self._newest = self._network.run(self._frames)
        self._window[self.runs % self._window.size] = self._newest
        self.runs += 1
        self._is_news = True
        self.max_scores[0] = max(self.max_scores[0], self._window.sum() / self._full)
