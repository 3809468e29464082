"""Clips on which the gate is wrong, to be listened to: rendered anew from the recordings, and judged as a device would.

They come from the frozen set of ``dev``. Whoever listens to errors on ``test`` knows them afterwards, and the next
choice would be made with that knowledge.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.bundle import Bundle
from edge.endpoint import LOOK_BACK_SAMPLES
from edge.events import Verdict
from edge.gate import Gate
from train.corpus import load_manifest
from train.engines.choice import Engine
from train.exploration.listening import flac_address
from train.shards import Arrays

__all__ = ["MOST", "SPLIT", "Example", "choose", "examples"]

SPLIT = "dev"
MOST = 8
"""Examples, as far as there are so many; half of each error."""


@dataclass(frozen=True, slots=True)
class Example:
    """One clip on which the gate was wrong.

    Attributes
    ----------
    live : bool
        Whether a person spoke, who was refused; else a loudspeaker was accepted.
    decision : str
    probability : float
        That a person spoke, by the network.
    conditions : str
        What was simulated, in words.
    source : str
        Path of the recording.
    licence : str
        Of all recordings that sound in it.
    address : str
        The audio, as a ``data:`` address.
    """

    live: bool
    decision: Verdict
    probability: float
    conditions: str
    source: str
    licence: str
    address: str


def choose(
    live: npt.NDArray[np.bool_], decisions: Sequence[Verdict], probability: npt.NDArray[np.float64], kind: Sequence[str]
) -> list[int]:
    """Choose the plainest errors: of each kind of loudspeaker in turn, and of live clips.

    Parameters
    ----------
    live : (n,) bool
    decisions : sequence of str
    probability : (n,) float
        That a person spoke.
    kind : sequence of str
        Of the loudspeaker.

    Returns
    -------
    list of int
        At most :data:`MOST` indices: refused people first, then accepted replays; the plainest first.
    """
    refused = [i for i, decision in enumerate(decisions) if live[i] and decision != "accept"]
    accepted = [i for i, decision in enumerate(decisions) if not live[i] and decision == "accept"]
    refused.sort(key=lambda i: (probability[i], i))
    accepted.sort(key=lambda i: (-probability[i], i))
    # The worst kind would fill all places: the first of each kind, then the second of each.
    turn: dict[str, int] = {}
    rank = {}
    for i in accepted:
        rank[i] = turn[kind[i]] = turn.get(kind[i], 0) + 1
    accepted.sort(key=lambda i: (rank[i], -probability[i], i))
    half = MOST // 2
    some = refused[: max(half, MOST - len(accepted))]
    return some + accepted[: MOST - len(some)]


def examples(bundle: Bundle, data: Path, cache: Path, *, n: int, engine: Engine | None = None) -> list[Example]:
    """Render the first clips of the frozen set of dev, judge them, and return some that were judged wrongly.

    Parameters
    ----------
    bundle : Bundle
    data, cache : Path
        Folders of recordings and of what was rendered.
    n : int
        Clips to render, half of them live.
    engine : Engine, optional
        Who renders.

    Raises
    ------
    DataError
        If there are no recordings, or one cannot be rendered.
    """
    from train.frozen_set import heard_of, render_set
    from train.liveness_evaluation import judge_audio
    from train.rendered_folder import licence_of

    heard = heard_of(render_set(data, SPLIT, cache, n=n, engine=engine))
    evidence = judge_audio(bundle, heard)
    gate = Gate(bundle.liveness.accept_cutoff, bundle.liveness.reject_cutoff)
    decisions = [gate.rule(one).decision for one in evidence]
    probability = np.array([one.probability for one in evidence], np.float64)
    clips = {clip.path: clip for clip in load_manifest(data)}
    return [
        Example(
            live=bool(heard["live"][i]),
            decision=decisions[i],
            probability=float(probability[i]),
            conditions=_conditions(heard, i),
            source=str(heard["source"][i]),
            licence=licence_of(heard, i, clips),
            address=flac_address(heard["audio"][i][LOOK_BACK_SAMPLES - heard["audio_size"][i] :]),
        )
        for i in choose(heard["live"].astype(bool), decisions, probability, [str(kind) for kind in heard["kind"]])
    ]


def _conditions(rendered: Arrays, i: int) -> str:
    told = [] if rendered["live"][i] else [f"played by {rendered['kind'][i]}/{rendered['loudspeaker'][i]}"]
    told.append(f"{rendered['distance_m'][i]:.1f} m away")
    if np.isfinite(rendered["snr_db"][i]):
        told.append(f"{rendered['snr_db'][i]:.0f} dB above the noise")
    if rendered["television"][i]:
        told.append("a television plays")
    return ", ".join(told)
