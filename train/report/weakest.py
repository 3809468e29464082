"""For whom, and with which loudspeaker, it is wrong most often: groups of clips, the worst first."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from train.clip import Clip
from train.metrics import rate_interval
from train.report.results_folder import Part, Rate
from train.report.scores import ClipScores

__all__ = ["FEWEST", "Group", "kinds", "loudspeakers", "people", "talkers_missed", "talkers_refused", "words"]

FEWEST = 8
"""Clips of a talker or a loudspeaker; of fewer nothing can be said about one."""


_KINDS = {"standalone": "loudspeakers that stand alone", "tv": "televisions", "phone": "phones", "laptop": "laptops"}


@dataclass(frozen=True, slots=True)
class Group:
    """Some clips that have something in common.

    Attributes
    ----------
    name : str
        As the data have it; to be escaped.
    wrong : Rate
        Share of them on which it was wrong.
    clips : int
    """

    name: str
    wrong: Rate
    clips: int


def _worst_first(groups: Iterable[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: (-group.wrong.value, group.name))


def words(wake: Part) -> list[Group]:
    """Return the words by how often they are not heard (real recordings)."""
    recall = wake.part("int8", "recall")
    found = [(word, recall.part(word)) for word in recall.names()]
    return _worst_first(Group(word, one.share("rate", "interval_95").rest(), one.count("clips")) for word, one in found)


def people(liveness: Part) -> list[Group]:
    """Return words and corpora by how often a real person is taken for a loudspeaker, or for unsure."""
    by_group = liveness.part("raw", "by_group")
    found = [(name, by_group.part(name)) for name in by_group.names()]
    return _worst_first(Group(name, one.share("refused", "interval_95"), one.count("clips")) for name, one in found)


def kinds(liveness: Part) -> list[Group]:
    """Return the kinds of loudspeakers by how often what they play is taken for a person (simulated)."""
    by_kind = liveness.part("simulated", "by_kind")
    found = [(kind, by_kind.part(kind)) for kind in by_kind.names()]
    return _worst_first(
        Group(_KINDS.get(kind, kind), one.share("apcer", "apcer_interval_95"), one.count("replay"))
        for kind, one in found
    )


def talkers_missed(wake: Part, clips: Sequence[Clip]) -> list[Group]:
    """Return talkers by how often their wake words are not heard (real recordings).

    Parameters
    ----------
    wake : Part
        Names the clips that were missed.
    clips : sequence of Clip
        Recordings of the split that was measured.
    """
    heard = set(wake.part("int8", "recall").names())
    missed = {str(path) for path in wake.part("int8").items("missed")}
    said = [clip for clip in clips if clip.role == "wake" and clip.word in heard]
    return _by((clip.talker, clip.path in missed) for clip in said)


def talkers_refused(scores: ClipScores) -> list[Group]:
    """Return talkers by how often their live renderings are refused (simulated)."""
    return _by(
        (talker, not accepted)
        for talker, live, accepted in zip(scores.talker, scores.live.tolist(), scores.accepted.tolist(), strict=True)
        if live
    )


def loudspeakers(scores: ClipScores) -> list[Group]:
    """Return single loudspeakers by how often what they play is accepted (simulated)."""
    return _by(
        (f"{kind}/{name}", accepted)
        for kind, name, live, accepted in zip(
            scores.kind, scores.loudspeaker, scores.live.tolist(), scores.accepted.tolist(), strict=True
        )
        if not live
    )


def _by(clips: Iterable[tuple[str, bool]]) -> list[Group]:
    """Return groups of enough clips; within one talker or loudspeaker clips count as independent (Wilson)."""
    wrong: dict[str, list[bool]] = defaultdict(list)
    for name, one in clips:
        wrong[name].append(one)
    return _worst_first(
        Group(name, Rate(sum(some) / len(some), *rate_interval(sum(some), len(some))), len(some))
        for name, some in wrong.items()
        if len(some) >= FEWEST
    )
