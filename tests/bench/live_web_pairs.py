"""Pairs for the live page: a word that a person said, and the same recording played by a loudspeaker, in one WAV each.

Both takes are renderings of the frozen set of dev, where an even row is a recording as it is said in a room, and the
odd row behind it a replay of that recording. Each is set between stretches of its own background.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.sample_time import SAMPLE_RATE_HZ
from train.liveness_scenes import generator

__all__ = ["LABELS", "NOT_HEARD", "Decided", "Scene", "agreement", "became_of", "choose_pairs", "found_in", "scene_of"]

LABELS = ("live", "replay")
NOT_HEARD = "not heard"
LEAD_S = 3.0
"""Before the first take: a browser takes a moment until it passes on what its microphone hears."""
GAP_S = 1.0
"""Behind each take, and before the second; with what a clip has of it, a detection is over when the next word comes."""
_FADE = SAMPLE_RATE_HZ // 20
_GUARD = SAMPLE_RATE_HZ // 10
_TAIL = SAMPLE_RATE_HZ // 5
"""Of the end of a clip, what is repeated behind it: before that, the word dies away."""

Samples = npt.NDArray[np.int16]


class Decided(NamedTuple):
    """A decision of the gate, wherever it was read."""

    at: int
    """When, samples at 16 kHz since the start of the WAV."""
    word: str
    """Id of the word that was heard."""
    verdict: str
    probability: float | None
    """Of a mouth; None if it was not judged."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What one browser hears."""

    samples: Samples
    """``(n,) int16`` at 16 kHz."""
    spans: tuple[tuple[int, int], tuple[int, int]]
    """Where the clips of the two takes lie, samples; a live one, then its replay."""


def choose_pairs(rendered: Mapping[str, Any], recordings: Collection[str], count: int, seed: int) -> list[int]:
    """Draw pairs of the frozen set whose recording may be taken, no recording twice.

    Parameters
    ----------
    rendered : mapping
        The frozen set; see :func:`train.frozen_set.render_set`.
    recordings : collection of str
        Their paths in the manifest.
    count : int
    seed : int

    Returns
    -------
    list of int
        Rows of the live takes; each replay is the row behind.
    """
    first: dict[str, int] = {}
    for row in range(0, len(rendered["source"]) - 1, 2):
        source = str(rendered["source"][row])
        if (rendered["live"][row], rendered["live"][row + 1]) != (1, 0) or source != rendered["source"][row + 1]:
            raise AssertionError(f"row {row} of the frozen set: got no live clip with its replay behind it")
        if source in recordings:
            first.setdefault(source, row)
    rows = sorted(first.values())
    drawn = generator("live web", seed, 0).permutation(len(rows))[:count]
    return [rows[i] for i in drawn]


def scene_of(takes: Iterable[tuple[Samples, int]]) -> Scene:
    """Set two takes behind each other, given as clip ``(n,) int16`` and where in it the speech starts, samples."""
    sound, spans = np.zeros(0), []
    for clip, start in takes:
        before = round((GAP_S if spans else LEAD_S) * SAMPLE_RATE_HZ)
        quiet = max(start - _GUARD, 2)
        whole = clip.astype(np.float64)
        # Mirrored, again and again: no step where one stretch ends and the next begins.
        left = np.pad(whole[:quiet], (before, 0), mode="reflect")
        right = np.pad(whole[-_TAIL:], (0, round(GAP_S * SAMPLE_RATE_HZ)), mode="reflect")
        piece = np.concatenate([left, whole[quiet:-_TAIL], right])
        piece[:_FADE] *= np.linspace(0.0, 1.0, _FADE)
        piece[-_FADE:] *= np.linspace(1.0, 0.0, _FADE)
        joined = max(0, sound.size - _FADE)  # one background fades into the other
        sound = np.pad(sound, (0, joined + piece.size - sound.size))
        sound[joined:] += piece
        spans.append((joined + before, joined + before + clip.size))
    live, replay = spans
    return Scene(np.rint(np.clip(sound, -32768, 32767)).astype(np.int16), (live, replay))


def found_in(piece: npt.NDArray[np.float64], sent: npt.NDArray[np.float64]) -> tuple[int, float, float]:
    """Find a stretch in a longer one.

    Returns
    -------
    at : int
        Where it starts, samples.
    correlation : float
        With what is there; both without their means.
    gain : float
        By which it is louder than what is there, by least squares.
    """
    piece = piece - piece.mean()
    n = 1 << (piece.size + sent.size).bit_length()
    products = np.fft.irfft(np.fft.rfft(sent, n) * np.conj(np.fft.rfft(piece, n)), n)[: sent.size - piece.size + 1]
    sums, squares = (np.concatenate([[0.0], np.cumsum(sent**power)]) for power in (1, 2))
    means = (sums[piece.size :] - sums[: -piece.size]) / piece.size
    powers = np.maximum(squares[piece.size :] - squares[: -piece.size] - piece.size * means**2, 1e-9)
    own = float(np.sum(piece**2))
    alike = products / np.sqrt(powers * max(own, 1e-9))
    best = int(np.argmax(alike))
    return best, float(alike[best]), float(products[best] / powers[best])


def became_of(decisions: Iterable[Decided], scene: Scene) -> dict[str, Any]:
    """Tell what became of each take.

    Returns
    -------
    dict
        Of each of :data:`LABELS`: ``outcome``, which is ``accept`` if any decision opened the gate, else the verdict of
        the first, or :data:`NOT_HEARD`; and ``words`` and ``probability`` of all decisions, in their order.
        ``of_no_take``: decisions before the first.
    """
    found: dict[str, list[Decided]] = {"before": [], **{label: [] for label in LABELS}}
    for one in decisions:
        begun = [label for label, (start, _) in zip(LABELS, scene.spans, strict=True) if one.at > start]
        found[(["before", *begun])[-1]].append(one)
    told: dict[str, Any] = {"of_no_take": len(found["before"])}
    for label in LABELS:
        verdicts = [one.verdict for one in found[label]]
        told[label] = {
            "outcome": "accept" if "accept" in verdicts else verdicts[0] if verdicts else NOT_HEARD,
            "words": [one.word for one in found[label]],
            "probability": [one.probability for one in found[label]],
        }
    return told


def agreement(pairs: Iterable[Mapping[str, Any]], one: str, other: str) -> dict[str, Any]:
    """Compare what became of the same takes on two ways.

    Parameters
    ----------
    pairs : iterable of mapping
        Of each pair, what :func:`became_of` told of each way.
    one, other : str
        Names of the ways.
    """
    takes = [(pair[one][label], pair[other][label]) for pair in pairs for label in LABELS]
    both = [(a, b) for a, b in takes if NOT_HEARD not in (a["outcome"], b["outcome"])]
    moved = [
        abs(a["probability"][0] - b["probability"][0])
        for a, b in both
        if None not in (a["probability"][0], b["probability"][0])
    ]
    return {
        "takes": len(takes),
        "same_outcome": sum(a["outcome"] == b["outcome"] for a, b in takes),
        "heard_on_one_alone": sum((a["outcome"] == NOT_HEARD) != (b["outcome"] == NOT_HEARD) for a, b in takes),
        "heard_on_both": len(both),
        "same_verdict_of_these": sum(a["outcome"] == b["outcome"] for a, b in both),
        "probability_differs_by": {
            "median": round(float(np.median(moved)), 4) if moved else None,
            "most": round(max(moved), 4) if moved else None,
        },
    }
