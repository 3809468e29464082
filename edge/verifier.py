"""The verifier: listen again, with a larger network, to what the wake network took for a word.

A cascade [1]_: the wake network runs all the time and is small; at a low cut-off it misses few words, and takes many
other things for one. Each of those *candidates* is looked back on by a network that hears a stretch of 1.7 s at once
and is run for nothing else, some hundred times in an hour of speech. Its score decides.

A word that was begun, or is still being said, may be a candidate too early. A look therefore waits a little, takes the
best of several moments before it, and the wake network offers the word again as long as it hears it.

References
----------
.. [1] A. Gruenstein, R. Alvarez, C. Thornton, M. Ghodrat, "A cascade architecture for keyword spotting on mobile
   devices", 2017, https://arxiv.org/abs/1712.03603.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.errors import ModelAbiError
from edge.interpreter import Model, check_abi, dequantise, quantise
from edge.log_mel import MEL_BANDS, log_mel, samples_of_mel_frames
from edge.ring import Ring
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["Look", "Verifier"]

_MOST_FRAMES = 3000
_PIECE_SAMPLES = SAMPLE_RATE_HZ // 10  # that are kept beyond what a look rests on, so that more may have come


class Look(NamedTuple):
    """What came of a candidate."""

    word: int
    """Index of the word."""
    score: float
    """What the verifier is sure by that it was said, 0 to 1."""
    at: int
    """Samples that had been heard when it became a candidate."""
    heard: bool
    """Whether the score is above the cut-off of the word."""


class _Candidate(NamedTuple):
    word: int
    at: int


class Verifier:
    """Look back on candidates, each a little later.

    Parameters
    ----------
    model : Model
        Input ``mel`` ``(1, frames, MEL_BANDS)``; output logits ``(1, moments, words)``, one row for each moment at
        which a word may have ended, the last of them at the end of the stretch.
    cutoffs : sequence of float
        For each word, in the order of the network's outputs; above 1 for a word that is not listened for.
    candidates : sequence of float
        For each word, smoothed score of the wake network above which it is a candidate.
    delay_samples : int
        How long a look waits.
    refractory_samples : int
        After a word was heard, candidates are dropped for this long.

    Raises
    ------
    ModelAbiError
        If the tensors of the model are not those of a verifier with so many words.
    """

    def __init__(
        self,
        model: Model,
        cutoffs: Sequence[float],
        *,
        candidates: Sequence[float],
        delay_samples: int,
        refractory_samples: int,
    ) -> None:
        self._model = model
        self._cutoffs = np.asarray(cutoffs, np.float64)
        self._candidates = np.asarray(candidates, np.float64)
        self._delay = delay_samples
        self._refractory = refractory_samples
        self._spec_in = model.inputs.get("mel")
        shape = self._spec_in.shape if self._spec_in is not None else ()
        frames = shape[1] if len(shape) == 3 else 1
        moments = model.outputs[0].shape[1] if model.outputs and len(model.outputs[0].shape) == 3 else 1
        kinds = (np.int8, np.float32)
        check_abi(
            model,
            inputs={"mel": ((1, frames, MEL_BANDS), kinds)},
            outputs=(((1, moments, len(cutoffs)), kinds),),
        )
        self._spec_out = model.outputs[0]
        if frames > _MOST_FRAMES:
            raise ModelAbiError(
                f"{model.name}: input 'mel': got {frames} frames, expected at most {_MOST_FRAMES}; use a verifier of "
                "this program's"
            )
        self.stretch_samples = samples_of_mel_frames(frames)
        """What a look rests on, samples."""
        self._ring = Ring(self.stretch_samples + _PIECE_SAMPLES)
        self._waiting: deque[_Candidate] = deque()
        self.max_scores: npt.NDArray[np.float64] = np.zeros(len(cutoffs))
        """Highest score of each word in any look since the last reset, ``(words,) float64``; 0 without one."""
        self.looks = 0
        """How often it looked since the last reset."""
        self.reset()

    @property
    def delay_samples(self) -> int:
        """How long a look waits, samples."""
        return self._delay

    @property
    def candidates(self) -> list[float]:
        """Cut-offs for the wake network; above 1 for a word that is not listened for."""
        return [float(one) for one in np.where(self._cutoffs > 1.0, self._cutoffs, self._candidates)]

    @property
    def waiting(self) -> bool:
        """Whether a candidate has not been looked at yet."""
        return bool(self._waiting)

    def set_cutoffs(self, cutoffs: Sequence[float]) -> None:
        """Judge by other cut-offs from now on; what was heard stays."""
        self._cutoffs = np.asarray(cutoffs, np.float64)

    def reset(self) -> None:
        """Forget everything that was heard."""
        self._ring.reset()
        self._waiting.clear()
        self.max_scores = np.zeros_like(self.max_scores)
        self._deaf_until = 0
        self.looks = 0

    def offer(self, word: int, at: int) -> None:
        """Take a candidate: the wake network took something for this word when so many samples had been heard."""
        self._waiting.append(_Candidate(word, at))

    def push(self, samples: npt.NDArray[np.int16]) -> list[Look]:
        """Take samples, and look at the candidates for which it is time.

        Parameters
        ----------
        samples : (n,) int16

        Returns
        -------
        list of Look
            Usually empty.
        """
        if samples.size <= _PIECE_SAMPLES:  # what comes 100 times a second
            self._ring.write(samples)
            return self._due(self._ring.head - self._delay) if self._waiting else []
        looks: list[Look] = []
        for at in range(0, samples.size, _PIECE_SAMPLES):
            self._ring.write(samples[at : at + _PIECE_SAMPLES])
            if self._waiting:
                looks += self._due(self._ring.head - self._delay)
        return looks

    def finish(self) -> list[Look]:
        """Look at what still waits: the stream has ended, and more will not be heard."""
        return self._due(self._ring.head)

    def _due(self, latest: int) -> list[Look]:
        looks = []
        while self._waiting and self._waiting[0].at <= latest:
            word, at = self._waiting.popleft()
            if at < self._deaf_until or self._cutoffs[word] > 1.0:
                continue
            score = self._look(word, min(at + self._delay, self._ring.head))
            heard = bool(score > self._cutoffs[word])
            if heard:
                self._deaf_until = at + self._refractory
            looks.append(Look(word, score, at, heard))
        return looks

    def scores(self, samples: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
        """Look once: return what the verifier is sure by that each word was said at the end of a sound.

        Parameters
        ----------
        samples : (n,) int16
            At most :attr:`stretch_samples`; before fewer there was silence.

        Returns
        -------
        (words,) float64
            0 to 1: of each word the best of the moments at which it may have ended.
        """
        if samples.size < self.stretch_samples:  # at the beginning of a stream
            samples = np.concatenate((np.zeros(self.stretch_samples - samples.size, np.int16), samples))
        assert self._spec_in is not None
        mel = log_mel(samples)[None]
        is_float = self._spec_in.dtype == np.float32
        raw = self._model.run({"mel": mel if is_float else quantise(mel, self._spec_in)})[self._spec_out.name]
        logits = raw if is_float else dequantise(raw, self._spec_out)
        best = np.max(logits[0], axis=0).astype(np.float64)
        found: npt.NDArray[np.float64] = 1.0 / (1.0 + np.exp(-best))
        return found

    def _look(self, word: int, end: int) -> float:
        samples = self._ring.read(max(self._ring.tail, end - self.stretch_samples), end)
        score = float(self.scores(samples)[word])
        self.max_scores[word] = max(self.max_scores[word], score)
        self.looks += 1
        return score
