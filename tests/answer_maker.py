"""An answer for tests of those who are told: known in every part, and changed where a test says so."""

import time

from edge.answers import Answer

__all__ = ["answer"]


def answer(**changes):
    """Return an answer of now."""
    known = {
        "id": "0abc",
        "at_s": time.time(),
        "origin": "source",
        "word": "smart_mirror",
        "phrase": "smart mirror",
        "action": "pass",
        "decision": "accept",
        "reasons": ("live",),
        "wake_score": 0.9,
        "live_probability": 0.8,
        "live_score": 1.5,
        "quality": None,
        "start_sample": 2000,
        "end_sample": 9000,
        "decided_sample": 10_000,
    }
    return Answer(**{**known, **changes})
