"""How well the words are heard, at the cut-offs that a bundle ships.

The recordings of the words are heard as they are, and again in noise, faint and too loud (:data:`CONDITIONS`). What is
added is drawn from the path of the recording alone, so that two bundles hear the same.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge.bundle import Bundle
from edge.errors import DataError
from edge.sample_time import SAMPLE_RATE_HZ
from edge.stages import verified_hearing
from train.corpus import Clip, read_clip
from train.longform_corpora import by_corpus, false_accept_rate
from train.metrics import cluster_interval, poisson_upper, rate_interval
from train.simulator.levels import decibels_to_gain, rms, speech_rms, to_int16
from train.wake_traces import in_noise_floor

__all__ = ["CONDITIONS", "detections", "evaluate_wake", "in_condition", "recall_of", "words_and_noises"]

CONDITIONS = ("noise_10_db", "white_10_db", "gain_minus_30_db", "gain_plus_12_db")
"""What recordings of words are heard in, beside as they are: noise of the split and white noise, 10 dB below the speech
while it sounds; and two levels, of which the higher one clips."""

_SNR_DB = 10.0
_GAINS_DB = {"gain_minus_30_db": -30.0, "gain_plus_12_db": 12.0}

Samples = npt.NDArray[np.int16]


def detections(bundle: Bundle, samples: np.ndarray, cutoffs: Sequence[float] | None = None) -> list[tuple[str, float]]:
    """Return the words that the device detects, each with the time up to which it had heard, s.

    Parameters
    ----------
    bundle : Bundle
    samples : (n,) int16
    cutoffs : sequence of float, optional
        One for each word; by default those of the bundle.
    """
    stages = verified_hearing(bundle, list(cutoffs or [word.cutoff for word in bundle.words]))
    found = []
    for at in range(0, samples.size, SAMPLE_RATE_HZ):
        found += stages.push(samples[at : at + SAMPLE_RATE_HZ])
    return [(heard.word, heard.decided / SAMPLE_RATE_HZ) for heard in found + stages.finish()]


def in_condition(clip: Clip, condition: str, noises: Sequence[Clip] = ()) -> Samples:
    """Return a recording between stretches of its noise floor, in one of :data:`CONDITIONS`.

    Parameters
    ----------
    clip : Clip
    condition : str
    noises : sequence of Clip
        Of which ``noise_10_db`` takes one, repeated if it is shorter.

    Raises
    ------
    DataError
        If there is no noise to take, or that which was taken is digital silence.
    """
    quiet = in_noise_floor(clip).astype(np.float32) / 32768.0
    if condition in _GAINS_DB:
        return to_int16(quiet * np.float32(decibels_to_gain(_GAINS_DB[condition])))
    rng = np.random.default_rng([10, *clip.path.encode()])
    noise: npt.NDArray[np.floating]
    if condition == "white_10_db":
        noise = rng.standard_normal(quiet.size)
    elif condition == "noise_10_db":
        if not noises:
            raise DataError("the split has no recordings of role noise, expected some to hear words in; add some")
        taken = noises[int(rng.integers(len(noises)))]
        whole = read_clip(taken)
        start = int(rng.integers(whole.size))
        noise = np.resize(np.roll(whole, -start), quiet.size)
        if rms(noise) <= 0.0:
            raise DataError(f"{taken.file}: got digital silence, expected noise; replace it or drop its row")
    else:
        raise ValueError(f"no condition {condition!r}; known are {', '.join(CONDITIONS)}")
    wanted = speech_rms(read_clip(clip)) / decibels_to_gain(_SNR_DB)
    return to_int16(quiet + noise * (wanted / rms(noise)))


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


def _mean_rate(hits: np.ndarray, said: Sequence[Clip]) -> dict[str, Any]:
    """Return the mean of the recalls of the words, each of which weighs the same."""
    label = np.array([clip.word for clip in said])

    def mean_recall(chosen: np.ndarray) -> float:
        drawn, words = hits[chosen], label[chosen]
        return float(np.mean([drawn[words == word].mean() for word in np.unique(words)]))

    talkers = [clip.talker for clip in said]
    low, high = cluster_interval(mean_recall, [talkers])
    if hits.all() or not hits.any():
        low, high = rate_interval(int(hits.sum()), hits.size)
    return {
        "rate": mean_recall(np.arange(len(said))), "interval_95": [low, high], "clips": len(said),
        "talkers": len(set(talkers)),
    }  # fmt: skip


def recall_of(said: Sequence[Clip], found: Sequence[list[tuple[str, float]]]) -> dict[str, Any]:
    """Return the recall of each word, and their mean, with 95 % intervals over talkers.

    Parameters
    ----------
    said : sequence of Clip
        Recordings of words.
    found : sequence of list of (str, float)
        What was detected in each, as :func:`detections` returns it.

    Returns
    -------
    dict
        ``recall`` by word, ``mean_recall``, and the paths of those that were ``missed``.
    """
    hits = np.array([any(word == clip.word for word, _ in hit) for clip, hit in zip(said, found, strict=True)])
    words = {}
    for word in sorted({clip.word for clip in said}):
        chosen = np.array([clip.word == word for clip in said])
        words[word] = _rate(hits[chosen], [c.talker for c, use in zip(said, chosen, strict=True) if use])
    return {
        "recall": words,
        "mean_recall": _mean_rate(hits, said),
        "missed": [clip.path for clip, hit in zip(said, hits, strict=True) if not hit],
    }


def _on_streams(
    streams: Sequence[Clip], heard: Callable[[Samples], list[tuple[str, float]]], name: str
) -> dict[str, Any]:
    """Return the false accepts on long-form speech, of all of it and by corpus."""
    events: list[dict[str, Any]] = []
    heard_of: list[tuple[Clip, float]] = []
    for clip in tqdm(streams, desc=f"long-form, {name}", unit="stream"):
        samples = to_int16(read_clip(clip))
        heard_of.append((clip, samples.size / SAMPLE_RATE_HZ))
        events += [{"file": clip.path, "word": word, "heard_s": round(at, 2)} for word, at in heard(samples)]
    return {
        "upper_95_count": poisson_upper(len(events), 1.0),
        **false_accept_rate(len(events), sum(seconds for _, seconds in heard_of)),
        "by_corpus": by_corpus(heard_of, [event["file"] for event in events]),
        "events": events,
    }


def words_and_noises(
    bundle: Bundle, clips: Sequence[Clip], *, conditions: bool = True
) -> tuple[list[Clip], list[Clip]]:
    """Return the recordings of the words of a bundle, and the noises, of the clips of one split.

    Parameters
    ----------
    bundle : Bundle
    clips : sequence of Clip
    conditions : bool
        Whether noises are needed.

    Raises
    ------
    DataError
        If there are no words, or no noises where they are needed.
    """
    ids = [word.id for word in bundle.words]
    said = [clip for clip in clips if clip.role == "wake" and clip.word in ids]
    if not said:
        raise DataError(f"the split has no recordings of {', '.join(ids)}, expected some; add them to its manifest")
    noises = [clip for clip in clips if clip.role == "noise"]
    if conditions and not noises:
        raise DataError("the split has no recordings of role noise, expected some to hear words in; add some")
    return said, noises


def evaluate_wake(bundle: Bundle, clips: Sequence[Clip], *, conditions: bool = True) -> dict[str, Any]:
    """Evaluate the wake stage on the clips of one split.

    Every clip stands between stretches of noise at its own noise floor; long-form streams are taken as they are.

    Parameters
    ----------
    bundle : Bundle
    clips : sequence of Clip
        Clips of one split, all roles.
    conditions : bool
        Whether the words are heard in noise and at other levels as well.

    Returns
    -------
    dict
        Recall of each word and their mean, with 95 % intervals over talkers; false accepts of all words
        together: per hour of long-form speech (all of it, and ``by_corpus``), on the clips of the other words, and on
        other speech. ``conditions``: recall in each of :data:`CONDITIONS`.

    Raises
    ------
    DataError
        If the split has no recordings of the words, or none of noise where there are conditions.
    """
    said, noises = words_and_noises(bundle, clips, conditions=conditions)

    def hear(samples: Samples) -> list[tuple[str, float]]:
        return detections(bundle, samples)

    heard = [hear(in_noise_floor(clip)) for clip in tqdm(said, desc="words", unit="clip")]
    wrong = sum(word != clip.word for clip, found in zip(said, heard, strict=True) for word, _ in found)
    streams = [clip for clip in clips if clip.role == "longform"]
    other = [clip for clip in clips if clip.role == "speech"]
    on_other = [
        {"file": clip.path, "word": word} for clip in tqdm(other, desc="other speech", unit="clip")
        for word, _ in hear(in_noise_floor(clip))
    ]  # fmt: skip
    report = {
        "cutoffs": {word.id: word.cutoff for word in bundle.words},
        **recall_of(said, heard),
        "false_accepts_longform": _on_streams(streams, hear, "default"),
        "false_accepts_other_words": {
            "count": wrong, "clips": len(said), "upper_95_count": poisson_upper(wrong, 1.0),
        },
        "false_accepts_other_speech": {
            "count": len(on_other), "clips": len(other), "upper_95_count": poisson_upper(len(on_other), 1.0),
            "events": on_other,
        },
    }  # fmt: skip
    if not conditions:
        return report
    return report | {
        "conditions": {
            name: recall_of(said, [hear(in_condition(c, name, noises)) for c in tqdm(said, desc=name, unit="clip")])
            for name in CONDITIONS
        },
    }
