"""A plain tree of own recordings: who spoke and what played it are the names of folders.

::

    live/TALKER/**/*.wav
    replay/LOUDSPEAKER/TALKER/**/*.wav

Any format that libsndfile reads; deeper folders are taken, their names mean nothing. A TALKER has the same name in
both. The splits are drawn from a seeded hash of the name, of talkers and of loudspeakers apart, 70 % train, 15 % dev,
15 % test. A replay is in the split of its talker if its loudspeaker is in the same split, and is dropped otherwise,
so that no split hears a talker or a loudspeaker of another: about half of the replays, and their number is told.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from edge.errors import DataError, UsageError
from edge.manifest_file import SOURCES
from train.importers.found import Found, Options, Recording, files_below
from train.importers.seeded_split import THREE_WAYS, seeded_split

__all__ = ["LICENCE", "SUFFIXES", "SUMMARY", "find"]

SUMMARY = "own recordings: live/TALKER/ and replay/LOUDSPEAKER/TALKER/"
LICENCE: str | None = None

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".caf"})
"""What is taken for audio."""


def find(source: Path, options: Options) -> Found:
    """Walk the tree.

    Raises
    ------
    DataError
        If ``live`` or ``replay`` holds no recording, or one lies above the folder of its talker.
    UsageError
        If several wake phrases were given: all recordings of a tree say the same.
    """
    if len(options.wake) > 1:
        raise UsageError(f"got {len(options.wake)} times --wake, expected one phrase, which all recordings say")
    found = Found()
    for source_name, depth in (("live", 1), ("replay", 2)):
        files = list(_audio(source / source_name)) if os.path.isdir(source / source_name) else []
        if not files:
            raise DataError(
                f"{source / source_name}: found no recording, expected "
                f"{'TALKER' if depth == 1 else 'LOUDSPEAKER/TALKER'}/*.wav or the like; check that SOURCE is the "
                "folder above live and replay"
            )
        for file in files:
            parts = file.relative_to(source).parts
            if len(parts) < depth + 2:
                raise DataError(
                    f"{file}: lies too high, expected it below {'/'.join(parts[:1])}/"
                    f"{'TALKER' if depth == 1 else 'LOUDSPEAKER/TALKER'}; move it into the folder of its talker"
                )
            talker, loudspeaker = parts[depth], parts[1] if depth == 2 else ""
            split = seeded_split(f"talker/{talker}", options.seed, THREE_WAYS)
            if loudspeaker and seeded_split(f"loudspeaker/{loudspeaker}", options.seed, THREE_WAYS) != split:
                found.dropped["replay whose talker and loudspeaker are in different splits"] += 1
            elif options.wants(split):
                found.recordings.append(
                    Recording(
                        file=file,
                        name=file.relative_to(source).with_suffix("").as_posix(),
                        corpus=source.resolve().name,
                        speaker=talker,
                        split=split,
                        role="wake" if options.wake else "speech",
                        licence=options.licence,
                        label=options.wake[0] if options.wake else "",
                        source=source_name,
                        loudspeaker=loudspeaker,
                    )
                )
    there = {(recording.split, recording.source) for recording in found.recordings}
    for split in filter(options.wants, THREE_WAYS):
        for source_name in SOURCES:
            if (split, source_name) not in there:
                found.doubts.append(
                    f"{source}: {split} gets no {source_name} recording, expected some; record more talkers and "
                    "loudspeakers, or draw other splits with --seed before anything was trained"
                )
    return found


def _audio(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(files_below(folder)) if path.suffix.lower() in SUFFIXES and _may_be_file(path))


def _may_be_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True  # a recording that cannot be reached now: reading it says so
