"""Cut-offs of words on the dev split: of the wake network alone, and of a verifier behind it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle import Bundle
from edge.sensitivity import moved_by
from train.calibration import WordCutoff, choose_word_cutoffs
from train.cutoff_folds import out_of_fold
from train.wake_traces import Trace, trace, wake_trace

__all__ = ["CANDIDATE_SHIFT", "Heard", "WordCutoffs", "choose_cutoffs"]

CANDIDATE_SHIFT = -3.0
"""How far the log-odds of a candidate's cut-off lie from those of the wake network alone.

On dev, -2 misses one word in 20 more in noise, and -4 has twice the looks and no word more
(``results/verifier_dev.json``).
"""

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Heard:
    """What cut-offs are chosen on."""

    words: Sequence[Sequence[Samples]]
    """For each word its recordings, 16 kHz."""
    talkers: Sequence[Sequence[str]]
    """Who speaks in each."""
    background: Sequence[Samples]
    """Recordings that hold none of the words."""
    streams: Sequence[str]
    """Which recording each of them is of: one at other speeds is held out with it."""


@dataclass(frozen=True, slots=True)
class WordCutoffs:
    """What was chosen."""

    alone: list[WordCutoff]
    """Of the wake network alone, in the order of the words."""
    verified: list[WordCutoff]
    """Of the verifier; empty where the bundle has none."""
    candidates: list[float]
    """Of the wake network before a verifier; empty where there is none."""
    out_of_fold: dict[str, Any] | None
    """What such a choice gives on talkers and streams that it was not made on, for the scores that decide."""

    @property
    def deciding(self) -> list[WordCutoff]:
        """Return the cut-offs of the scores that decide."""
        return self.verified or self.alone


def choose_cutoffs(
    bundle: Bundle, heard: Heard, *, per_hour: float, progress: Callable[[str], object] = lambda line: None
) -> WordCutoffs:
    """Choose the cut-offs of the words of a bundle.

    Parameters
    ----------
    bundle : Bundle
        Its own cut-offs do not matter.
    heard : Heard
    per_hour : float
        False accepts that all words together may have in an hour of the background.
    progress : callable, optional
        Told what is being done.
    """
    refractory_s = bundle.wake.refractory_ms / 1000

    def chosen(run: Callable[[Bundle, Samples], Trace], of: Bundle) -> tuple[list[WordCutoff], dict[str, Any] | None]:
        positives = [[run(of, samples) for samples in some] for some in heard.words]
        background = [run(of, samples) for samples in heard.background]
        hours = sum(one.seconds for one in background) / 3600
        cutoffs = choose_word_cutoffs(
            positives, background, refractory_s=refractory_s, false_accepts=int(per_hour * hours)
        )
        beyond = out_of_fold(
            [word.id for word in bundle.words],
            positives,
            heard.talkers,
            background,
            heard.streams,
            refractory_s=refractory_s,
            per_hour=per_hour,
        )
        return cutoffs, beyond

    progress("the wake network over dev")
    alone, beyond = chosen(wake_trace, bundle)
    if bundle.verifier is None:
        return WordCutoffs(alone, [], [], beyond)
    candidates = [moved_by(one.cutoff, CANDIDATE_SHIFT) for one in alone]
    offered = {word.id: cutoff for word, cutoff in zip(bundle.words, candidates, strict=True)}
    progress("the verifier over dev")
    verified, beyond = chosen(trace, replace(bundle, verifier=replace(bundle.verifier, candidates=offered)))
    return WordCutoffs(alone, verified, candidates, beyond)
