"""Cut-offs of words on the dev split: of the wake network alone, and of a verifier behind it.

Each word has a cut-off of its own for the wake network, whose scores differ between words. The verifier has one for all
of them: a few hours without the words say little of each by itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle import Bundle
from edge.sensitivity import moved_by
from train.calibration import ChooseCutoffs, WordCutoff, choose_common_cutoff, choose_word_cutoffs
from train.cutoff_folds import out_of_fold
from train.wake_traces import Trace, trace, wake_trace

__all__ = ["CANDIDATE_SHIFT", "MARGINS", "Heard", "WordCutoffs", "choose_cutoffs"]

CANDIDATE_SHIFT = -3.0
"""How far the log-odds of a candidate's cut-off lie from those of the wake network alone.

On dev, -2 misses one word in 20 more in noise, and -4 looks twice as often for hardly a word more
(``results/verifier_dev.json``).
"""

MARGINS = tuple(step / 10 for step in range(31))
"""By how much the log-odds of the verifier's cut-off are moved up: the least that keeps the stated rate out of fold."""

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
    margin: float
    """How far the log-odds of the verifier's cut-off were moved; 0 where there is none."""
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

    def traces(run: Callable[[Bundle, Samples], Trace], of: Bundle) -> tuple[list[list[Trace]], list[Trace]]:
        positives = [[run(of, samples) for samples in some] for some in heard.words]
        return positives, [run(of, samples) for samples in heard.background]

    def chosen(on: tuple[list[list[Trace]], list[Trace]], choose: ChooseCutoffs) -> list[WordCutoff]:
        hours = sum(one.seconds for one in on[1]) / 3600
        return choose(*on, refractory_s=refractory_s, false_accepts=int(per_hour * hours))

    def beyond(on: tuple[list[list[Trace]], list[Trace]], choose: ChooseCutoffs) -> dict[str, Any] | None:
        return out_of_fold(
            [word.id for word in bundle.words],
            on[0],
            heard.talkers,
            on[1],
            heard.streams,
            refractory_s=refractory_s,
            per_hour=per_hour,
            choose=choose,
        )

    refractory_s = bundle.wake.refractory_ms / 1000
    progress("the wake network over dev")
    of_wake = traces(wake_trace, bundle)
    alone = chosen(of_wake, choose_word_cutoffs)
    if bundle.verifier is None:
        return WordCutoffs(alone, [], [], 0.0, beyond(of_wake, choose_word_cutoffs))
    candidates = [moved_by(one.cutoff, CANDIDATE_SHIFT) for one in alone]
    offered = {word.id: cutoff for word, cutoff in zip(bundle.words, candidates, strict=True)}
    progress("the verifier over dev")
    verified = traces(trace, replace(bundle, verifier=replace(bundle.verifier, candidates=offered)))
    for margin in MARGINS:
        choose = partial(choose_common_cutoff, margin=margin)
        told = beyond(verified, choose)
        if told is None or told["false_accepts"]["per_hour"] <= per_hour:
            break
    return WordCutoffs(alone, chosen(verified, choose), candidates, margin, told)
