"""How well the words are heard, at the cut-offs that a bundle ships."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from edge.bundle import Bundle
from edge.events import SAMPLE_RATE_HZ
from edge.pipeline import hearing
from train.corpus import Clip, read_clip
from train.metrics import cluster_interval, poisson_upper, rate_interval
from train.simulator.levels import to_int16
from train.wake_traces import in_noise_floor

__all__ = ["detections", "evaluate_wake"]


def detections(bundle: Bundle, samples: np.ndarray) -> list[tuple[str, float]]:
    """Return the words that the device detects, each with the time up to which it had heard, s."""
    frontend, stage = hearing(bundle, [word.cutoff for word in bundle.words], None)
    settings = frontend.settings
    found = []
    for at in range(0, samples.size, SAMPLE_RATE_HZ):
        for hit in stage.push(frontend.push(samples[at : at + SAMPLE_RATE_HZ])):
            heard = settings.heard_samples(hit.frame)
            found.append((bundle.words[hit.word].id, heard / SAMPLE_RATE_HZ))
    return found


def _rate(hits: np.ndarray, talkers: Sequence[str]) -> dict[str, Any]:
    low, high = cluster_interval(lambda chosen: float(hits[chosen].mean()), [talkers])
    if hits.all() or not hits.any():
        # All talkers agree and the bootstrap is blind; the Wilson interval still knows how few clips there are.
        low, high = rate_interval(int(hits.sum()), hits.size)
    return {
        "rate": float(hits.mean()),
        "interval_95": [low, high],
        "clips": int(hits.size),
        "talkers": len(set(talkers)),
    }


def evaluate_wake(bundle: Bundle, clips: Sequence[Clip]) -> dict[str, Any]:
    """Evaluate the wake stage on the clips of one split.

    Every clip stands between stretches of noise at its own noise floor; long-form streams are taken as they are.

    Parameters
    ----------
    bundle : Bundle
    clips : sequence of Clip
        Clips of one split, all roles.

    Returns
    -------
    dict
        Recall of each word and their mean, with 95 % intervals over talkers; false accepts of all words
        together: per hour of long-form speech, on the clips of the other words, and on other speech.
    """
    ids = [word.id for word in bundle.words]
    said = [clip for clip in clips if clip.role == "wake" and clip.word in ids]
    heard = [detections(bundle, in_noise_floor(clip)) for clip in tqdm(said, desc="words", unit="clip")]
    hits = np.array([any(word == clip.word for word, _ in found) for clip, found in zip(said, heard, strict=True)])
    wrong = np.array([sum(word != clip.word for word, _ in found) for clip, found in zip(said, heard, strict=True)])
    words = {}
    for word in ids:
        chosen = np.array([clip.word == word for clip in said])
        if chosen.any():
            words[word] = _rate(hits[chosen], [c.talker for c, use in zip(said, chosen, strict=True) if use])
    label = np.array([clip.word for clip in said])

    def mean_recall(chosen: np.ndarray) -> float:
        return float(
            np.mean([hits[chosen][label[chosen] == word].mean() for word in words if (label[chosen] == word).any()])
        )

    low, high = cluster_interval(mean_recall, [[clip.talker for clip in said]])
    streams = [clip for clip in clips if clip.role == "longform"]
    false: list[dict[str, Any]] = []
    seconds = 0.0
    for clip in tqdm(streams, desc="long-form", unit="stream"):
        samples = to_int16(read_clip(clip))
        seconds += samples.size / SAMPLE_RATE_HZ
        false += [
            {"file": clip.path, "word": word, "heard_s": round(at, 2)} for word, at in detections(bundle, samples)
        ]
    other = [clip for clip in clips if clip.role == "speech"]
    on_other = [
        {"file": clip.path, "word": word} for clip in tqdm(other, desc="other speech", unit="clip")
        for word, _ in detections(bundle, in_noise_floor(clip))
    ]  # fmt: skip
    hours = seconds / 3600
    return {
        "cutoffs": {word.id: word.cutoff for word in bundle.words},
        "recall": words,
        "mean_recall": {
            "rate": mean_recall(np.arange(len(said))), "interval_95": [low, high], "clips": len(said),
            "talkers": len({clip.talker for clip in said}),
        },
        "missed": [clip.path for clip, hit in zip(said, hits, strict=True) if not hit],
        "false_accepts_longform": {
            "count": len(false), "hours": round(hours, 3), "per_hour": len(false) / hours if hours else None,
            "upper_95_per_hour": poisson_upper(len(false), hours) if hours else None, "events": false,
        },
        "false_accepts_other_words": {"count": int(wrong.sum()), "clips": len(said)},
        "false_accepts_other_speech": {"count": len(on_other), "clips": len(other), "events": on_other},
    }  # fmt: skip
