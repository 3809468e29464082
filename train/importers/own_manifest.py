"""A folder that has a ``manifest.csv`` already: checked, converted where needed, joined with other corpora.

Its rows keep what they say; paths get the name of the import in front. ``loudspeakers/`` and other files that the
manifest does not name are not copied.
"""

from pathlib import Path, PurePosixPath

from edge.errors import DataError
from edge.manifest_file import read_manifest
from train.importers.found import Found, Options, Recording
from train.manifest import manifest_path, to_clips
from train.manifest_checks import paths_listed_twice

__all__ = ["LICENCE", "SUMMARY", "find"]

SUMMARY = "a folder with a manifest.csv"
LICENCE: str | None = "as its rows say"


def find(source: Path, options: Options) -> Found:
    """Read the manifest.

    Raises
    ------
    DataError
        If it is missing or has a faulty row.
    """
    manifest = manifest_path(source)
    clips, faults = to_clips(read_manifest(manifest))
    for fault in (*faults, *paths_listed_twice(manifest, clips)):
        raise DataError(fault.message)
    found = Found()
    for clip in clips:
        if not options.wants(clip.split):
            continue
        found.recordings.append(
            Recording(
                file=source / clip.path,
                name=PurePosixPath(clip.path).with_suffix("").as_posix(),
                corpus=clip.corpus,
                speaker=clip.speaker,
                split=clip.split,
                role=clip.role,
                licence=clip.licence,
                label=clip.label,
                source=clip.source,
                device=clip.device,
                room=clip.room,
                loudspeaker=clip.loudspeaker,
                native_hz=clip.native_hz,
                expected_sha256=clip.sha256,
            )
        )
    return found
