"""Scores of whole sources: of every word without judging liveness, and of liveness without needing a word."""

from collections.abc import Sequence
from typing import Any

from edge.bundle import Bundle
from edge.endpoint import loudest_stretch
from edge.esphome import EsphomeModel
from edge.gate import Gate
from edge.hearing import Heard
from edge.quality import QualityMeter, flags_of_rate, merged
from edge.sample_time import seconds
from edge.sources import AudioSource
from edge.stages import judging, listening

__all__ = ["LivenessScorer", "WakeScorer"]


class WakeScorer:
    """Score every word of a bundle, or of models for ESPHome, over whole sources, without judging liveness.

    Parameters
    ----------
    bundle : Bundle
    models : sequence of EsphomeModel, optional
    runtime : str, optional
        See :class:`edge.pipeline.Pipeline`.

    Raises
    ------
    UsageError
        If two models have the same word.
    BundleError, ModelAbiError
        If a model does not fit its role.
    """

    def __init__(self, bundle: Bundle, *, models: Sequence[EsphomeModel] = (), runtime: str | None = None) -> None:
        self._hearing = listening(bundle, models=models, runtime=runtime)

    def score(self, source: AudioSource) -> dict[str, Any]:
        """Score one source, from a clean start.

        Returns
        -------
        dict
            ``seconds``, and ``words``: for each id ``max_score`` and ``detections`` (``end_s``, ``score``),
            where ``end_s`` is the moment up to which the detection had heard; ``quality``, flags of the source.

        Raises
        ------
        AudioError
            If the source cannot be read to its end.
        """
        self._hearing.reset()
        heard: list[Heard] = []
        meter = QualityMeter()
        n = 0
        for block in source.blocks():
            n += block.size
            meter.push(block)
            heard += self._hearing.push(block)
        heard += self._hearing.finish()
        found: dict[str, list[dict[str, float]]] = {word: [] for word in self._hearing.words}
        for word, score, decided in heard:
            found[word].append({"end_s": seconds(decided), "score": round(score, 4)})
        return {
            "seconds": seconds(n),
            "quality": list(merged(meter.flags, flags_of_rate(source.native_rate_hz))),
            "words": {
                word: {"max_score": round(score, 4), "detections": found[word]}
                for word, score in self._hearing.max_scores.items()
            },
        }


class LivenessScorer:
    """Judge the loudest moment of whole sources, without needing a wake word.

    Parameters
    ----------
    bundle : Bundle
    runtime : str, optional
        See :class:`edge.pipeline.Pipeline`.

    Raises
    ------
    BundleError, ModelAbiError
        If the model does not fit its role.
    """

    def __init__(self, bundle: Bundle, *, runtime: str | None = None) -> None:
        self._stage = judging(bundle, runtime)
        self._gate = Gate(bundle.liveness.accept_cutoff, bundle.liveness.reject_cutoff)

    def score(self, source: AudioSource) -> dict[str, Any]:
        """Judge one source; of a source without a sample the answer is *unsure*.

        Memory does not grow with the source: only the loudest stretch so far is kept.

        Returns
        -------
        dict
            ``seconds``, ``live_probability``, ``score`` (logit), ``decision``, ``reasons``, ``quality``.

        Raises
        ------
        AudioError
            If the source cannot be read to its end.
        """
        heard, n = loudest_stretch(source.blocks(), self._stage.window_samples)
        evidence = self._stage.judge(heard)
        of_source = flags_of_rate(source.native_rate_hz)
        ruling = self._gate.rule(evidence, of_source)
        quality = evidence.quality.to_dict()
        quality["flags"] = list(merged(evidence.quality.flags, of_source))
        return {
            "seconds": seconds(n),
            "live_probability": round(evidence.probability, 4),
            "score": round(evidence.score, 4),
            "decision": ruling.decision,
            "reasons": list(ruling.reasons),
            "quality": quality,
        }
