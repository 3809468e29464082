"""Answers for tests of the monitor: a home in which nothing changes, until a test says so."""

import numpy as np

from edge.answers import Answer, new_id
from edge.quality import Quality

START_S = 1_790_000_000.0 // 86_400 * 86_400


def answer(at_s=START_S, *, accepted=True, live=1.0, wake=0.97, level=-30.0, snr=30.0, **changes):
    """Return an answer; with quality None what could not be judged."""
    said = {
        "id": new_id(at_s), "at_s": at_s, "origin": "source", "word": "smart_mirror", "phrase": "smart mirror",
        "action": "pass" if accepted else "block", "decision": "accept" if accepted else "reject",
        "reasons": ("live",) if accepted else ("loudspeaker",), "wake_score": wake, "live_probability": 0.5,
        "live_score": live, "quality": Quality(snr, level, 0.0, 0.6, 8000.0, 0.0, ()), "start_sample": 0,
        "end_sample": 16_000, "decided_sample": 17_600, "bundle": "3.0",
    }  # fmt: skip
    return Answer(**{**said, **changes})


def home(days, seed=0, *, start_s=START_S, a_day=12, gain=0.0, refused=0.2, bundle="3.0"):
    """Return the answers of some days, two hours apart."""
    rng = np.random.default_rng([seed, days])
    found = []
    for number in range(days * a_day):
        at_s = start_s + number * 86_400 / a_day
        accepted = bool(rng.random() >= refused)
        found.append(
            answer(
                at_s,
                accepted=accepted,
                live=float(rng.normal(1.0 if accepted else -1.0)),
                wake=float(rng.uniform(0.95, 1.0)),
                level=float(rng.normal(-30.0, 6.0)) + gain,
                snr=float(rng.normal(30.0, 5.0)),
                bundle=bundle,
            )
        )
    return found
