"""What the page is told: JSON of the demo's state, of decisions and of what they are compared with.

Text is sent as text and never as HTML; numbers that are not there are null.
"""

import base64
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle import Bundle
from edge.decay import DecayReference, Envelope
from edge.live_demo.state import COLUMN_FRAMES, FLOOR_DBFS, Ruled, State
from edge.live_web.what_if import Miss
from edge.policy import REASONS
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["columns_record", "decision_record", "hello_record", "miss_record", "state_record"]

_FRAME_S = 0.01


def hello_record(state: State, bundle: Bundle, reference: DecayReference) -> dict[str, Any]:
    """Return what a page has to know before anything else.

    Parameters
    ----------
    state : State
    bundle : Bundle
        Of which the words' phrases are told.
    reference : DecayReference
    """
    phrases = {word.id: word.phrase for word in bundle.words}
    return {
        "type": "hello",
        "mode": state.mode,
        "words": [
            {"id": word, "phrase": phrases[word], "cutoff": cutoff, "mark": mark, "listened": cutoff <= 1.0}
            for word, cutoff, mark in zip(state.words, state.cutoffs, state.marks, strict=True)
        ],
        "listens_again": state.candidates is not None,
        "accept_cutoff": state.accept_cutoff,
        "reject_cutoff": state.reject_cutoff,
        "channels": state.channels,
        "column_s": COLUMN_FRAMES * _FRAME_S,
        "floor_dbfs": FLOOR_DBFS,
        "decay": {
            "frequencies_hz": _numbers(reference.frequencies_hz, 1),
            "live": _envelope(reference.live),
            "replay": _envelope(reference.replay),
            "live_right": reference.live_right,
            "replay_right": reference.replay_right,
            "source": reference.source,
        },
    }


def state_record(state: State, hears: bool) -> dict[str, Any]:
    """Return what changes all the time.

    Parameters
    ----------
    state : State
    hears : bool
        Whether sound comes.
    """
    return {
        "type": "state",
        "heard_s": _number(state.heard_s, 2),
        "level_dbfs": _number(state.level_dbfs, 1),
        "peak_dbfs": _number(state.peak_dbfs, 1),
        "scores": _numbers(state.scores, 3),
        "best_scores": _numbers(state.best_scores, 3),
        "waiting": state.waiting,
        "hears": hears,
        "source": state.source,
        "note": state.note,
        "queue_s": _number(state.queue_s, 2),
    }


def columns_record(columns: Sequence[npt.NDArray[np.float32]]) -> str:
    """Return columns of the spectrogram, ``(channels,) float32`` from 0 to 1 each: a byte a value, in Base64."""
    if not columns:
        return ""
    values = np.rint(np.clip(np.stack(columns), 0.0, 1.0) * 255.0).astype(np.uint8)
    return base64.b64encode(values.tobytes()).decode("ascii")


def decision_record(number: int, ruled: Ruled) -> dict[str, Any]:
    """Return one decision, with its number in this run, from 1."""
    quality = ruled.quality
    placement = ruled.placement
    return {
        "id": number,
        "at_s": _number(ruled.at_sample / SAMPLE_RATE_HZ, 2),
        "word": ruled.word,
        "verdict": ruled.verdict,
        "reasons": list(ruled.reasons),
        "told": [REASONS.get(reason, reason) for reason in ruled.reasons],
        "wake_score": _number(ruled.wake_score, 3),
        "probability": _number(ruled.probability, 3),
        "quality": None if quality is None else quality.to_dict(),
        "delay_s": _number(ruled.delay_s, 3),
        "judging_ms": _number(1000.0 * ruled.judging_s, 1),
        "curve": None if ruled.curve is None else _numbers(ruled.curve, 4),
        "placement": None
        if placement is None
        else {
            name: _number(value, 3) if isinstance(value, float) else value
            for name, value in placement._asdict().items()
        },
        "kept": ruled.sound is not None,
    }


def miss_record(miss: Miss) -> dict[str, Any]:
    """Return a word that was nearly heard."""
    return {
        "at_s": _number(miss.at_sample / SAMPLE_RATE_HZ, 2),
        "word": miss.word,
        "score": _number(miss.score, 3),
    }


def _envelope(envelope: Envelope) -> dict[str, Any]:
    return {
        "low": _numbers(envelope.low, 4),
        "middle": _numbers(envelope.middle, 4),
        "high": _numbers(envelope.high, 4),
        "clips": envelope.clips,
    }


def _number(value: float, digits: int) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None


def _numbers(values: Sequence[float] | npt.NDArray[np.float64], digits: int) -> list[float | None]:
    return [_number(float(value), digits) for value in values]
