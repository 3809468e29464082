"""What only several rows of a manifest together can have wrong: things listed twice, and splits that are not apart."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from edge.manifest_file import NOT_ONE_TALKER
from train.clip import Clip
from train.fault import Fault
from train.manifest import KIND_PREFIX

__all__ = ["DISPUTABLE", "across_rows", "paths_listed_twice", "refused_in_training", "same_audio"]

DISPUTABLE = ("duplicate-audio", "shared-loudspeaker", "shared-room")
"""Faults that published corpora have and that their users may accept, knowing it; all others must be mended."""


def paths_listed_twice(manifest: Path, clips: Iterable[Clip]) -> Iterator[Fault]:
    """Find files that have two rows."""
    seen: set[str] = set()
    for clip in clips:
        if clip.path in seen:
            yield Fault("duplicate-path", f"{manifest}: {clip.path} is listed twice; keep one row a file")
        seen.add(clip.path)


def _talkers(manifest: Path, clips: Iterable[Clip]) -> Iterator[Fault]:
    split_of: dict[tuple[str, str], str] = {}
    told: set[tuple[str, str]] = set()
    for clip in clips:
        talker = (clip.corpus, clip.speaker)
        if clip.speaker in NOT_ONE_TALKER or talker in told:
            continue
        first = split_of.setdefault(talker, clip.split)
        if first != clip.split:
            told.add(talker)
            yield Fault(
                "talker-in-two-splits",
                f"{manifest}: speaker {clip.speaker!r} of {clip.corpus!r} is in {first} and in {clip.split} "
                f"(at {clip.path}), expected one split a speaker; move all clips of a speaker into one split",
            )


def same_audio(manifest: Path, clips: Iterable[Clip], digest: Callable[[Clip], object]) -> Iterator[Fault]:
    """Find clips that hold the same audio.

    Parameters
    ----------
    manifest : Path
        For messages.
    clips : iterable of Clip
    digest : callable
        Returns what equal audio has in common, or something false where it is unknown.
    """
    first_of: dict[object, Clip] = {}
    for clip in clips:
        value = digest(clip)
        if not value:
            continue
        first = first_of.setdefault(value, clip)
        if first.path == clip.path:
            continue
        if first.split != clip.split:
            yield Fault(
                "audio-in-two-splits",
                f"{manifest}: {first.path} in {first.split} and {clip.path} in {clip.split} hold the same audio, "
                "expected each recording in one split; drop one of them",
            )
        else:
            yield Fault(
                "duplicate-audio",
                f"{manifest}: {first.path} and {clip.path} hold the same audio, expected each recording once; "
                "drop one of them",
            )


def _shared(manifest: Path, clips: Sequence[Clip], column: str) -> Iterator[Fault]:
    """Find things that training hears and the test measures on; dev may share them with either."""
    first_in: dict[str, dict[tuple[str, str], Clip]] = {"train": {}, "test": {}}
    for clip in clips:
        thing = getattr(clip, column)
        if clip.split in first_in and thing and not thing.startswith(KIND_PREFIX):
            first_in[clip.split].setdefault((clip.corpus, thing), clip)
    for (corpus, thing), clip in first_in["train"].items():
        other = first_in["test"].get((corpus, thing))
        if other is not None:
            yield Fault(
                f"shared-{column}",
                f"{manifest}: {column} {thing!r} of {corpus!r} is in train (at {clip.path}) and in test (at "
                f"{other.path}), expected apart; a result on test says nothing of a new {column}: split anew, or "
                f"accept it with --allow shared-{column}",
            )


def refused_in_training(manifest: Path, clips: Sequence[Clip]) -> Iterator[Fault]:
    """Find what makes a result worthless: training refuses it."""
    yield from paths_listed_twice(manifest, clips)
    yield from _talkers(manifest, clips)
    yield from (
        fault for fault in same_audio(manifest, clips, lambda clip: clip.sha256) if fault.kind == "audio-in-two-splits"
    )


def across_rows(manifest: Path, clips: Sequence[Clip]) -> Iterator[Fault]:
    """Find all faults between rows, without opening a file."""
    yield from paths_listed_twice(manifest, clips)
    yield from _talkers(manifest, clips)
    yield from same_audio(manifest, clips, lambda clip: clip.sha256)
    yield from _shared(manifest, clips, "loudspeaker")
    yield from _shared(manifest, clips, "room")
