"""An import: bring each recording into the data folder, then write the manifest, in one step, or not at all."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import AudioError, DataError, UsageError
from edge.manifest_file import COLUMNS, FILE_NAME, OPTIONAL_COLUMNS, Manifest, read_manifest, write_manifest
from train.atomic_file import writing
from train.fault import Fault
from train.importers.audio_copy import SUFFIX, Copied, bring, target_suffix
from train.importers.folder_lock import only_writer
from train.importers.found import Found, Recording
from train.importers.journal import Journal, job_key
from train.importers.leftovers import find_leftovers, remove_leftovers
from train.manifest import to_clips
from train.manifest_checks import across_rows
from train.progress import with_progress

__all__ = ["Imported", "import_recordings", "totals"]


@dataclass(slots=True)
class Imported:
    """What an import did.

    Attributes
    ----------
    rows : list of dict
        The new rows of the manifest; empty if it was not written.
    unusable : list of Fault
        Recordings that could not be read. With any, the manifest is written only if they may be left out.
    doubts : list of Fault
        What the manifest as a whole has wrong now, other corpora in it included.
    resumed : int
        Recordings that an earlier, interrupted import had finished.
    left : int
        Recordings of earlier imports that this one did not bring: they have no row any more, and lie there still.
    pruned : int
        How many of these were removed.
    """

    rows: list[dict[str, str]] = field(default_factory=list)
    unusable: list[Fault] = field(default_factory=list)
    doubts: list[Fault] = field(default_factory=list)
    resumed: int = 0
    left: int = 0
    pruned: int = 0


def import_recordings(
    found: Found,
    source: Path,
    out: Path,
    name: str,
    *,
    link: bool = False,
    leave_out_unusable: bool = False,
    prune: bool = False,
) -> Imported:
    """Bring recordings into ``out/name`` and their rows into ``out/manifest.csv``.

    Rows of the manifest below other names are kept as they are; those below this name are replaced. The same source
    gives the same bytes, however often it was interrupted.

    Parameters
    ----------
    found : Found
    source : Path
        Folder of the corpus; nothing is written there.
    out : Path
        Data folder; made if absent.
    name : str
        Of the sub-folder.
    link : bool
        Link to files that can be used as they are.
    leave_out_unusable : bool
        Write the manifest without the recordings that cannot be read.
    prune : bool
        Remove what earlier imports of this name brought and this one did not, once the manifest is written. What
        cannot be read now stays.

    Returns
    -------
    Imported

    Raises
    ------
    DataError
        If there is nothing to import, two recordings have one name, a file cannot be written, or the manifest that
        is there is faulty.
    UsageError
        If the name is no name of a folder, the two folders overlap, or another import is writing there.
    """
    _refuse_overlap(source, out, name)
    recordings = sorted(found.recordings, key=lambda recording: recording.name)
    if not recordings:
        raise DataError(f"{source}: found no recording to import; check SOURCE, and --only")
    _refuse_unusable_names(recordings)
    with only_writer(out):
        return _import(recordings, source, out, name, link, leave_out_unusable, prune)


def _import(
    recordings: list[Recording], source: Path, out: Path, name: str, link: bool, leave_out_unusable: bool, prune: bool
) -> Imported:
    _refuse_links(out, name, recordings)
    header, others = _rows_of_others(out / FILE_NAME, name)
    journal = Journal(out / f".{name}.import.jsonl")
    imported = Imported()
    unread: list[str] = []
    for recording in with_progress(recordings, f"importing {name}"):
        path = f"{name}/{recording.name}{target_suffix(recording.file, link=link)}"
        try:
            expected = recording.expected_sha256
            key = job_key(recording.file, recording.channel, link=link, expected_sha256=expected)
            copied = journal.done(path, key)
            if copied is None:
                copied = bring(
                    recording.file,
                    out / path,
                    channel=recording.channel,
                    link=link,
                    expected_sha256=expected,
                )
                journal.add(path, key, copied)
            else:
                imported.resumed += 1
        except (AudioError, UsageError) as error:
            why = str(error)
        except OSError as error:
            why = (
                f"{recording.file}: cannot be read ({error.strerror}), expected a recording that the protocol names; "
                "unpack the corpus again"
            )
        else:
            imported.rows.append(_row(recording, path, copied))
            continue
        imported.unusable.append(Fault("unusable", why))
        unread += [f"{name}/{recording.name}{suffix}" for suffix in (SUFFIX, recording.file.suffix)]
    if imported.unusable and not leave_out_unusable:
        imported.rows.clear()
        return imported
    if not imported.rows:
        raise DataError(f"{source}: none of {len(recordings)} recordings can be used; {imported.unusable[0].message}")
    # Sorted: equal rows give equal bytes.
    rows = sorted([*others, *imported.rows], key=lambda row: row["path"])
    manifest = out / FILE_NAME
    with writing(manifest):
        write_manifest(manifest, header, rows)
    journal.remove()
    # Rows first, then files: a row without a file would be a fault, and a file without a row is found again.
    paths = [*(row["path"] for row in rows), *unread]
    leftovers = find_leftovers(out / name, (out / path for path in paths))
    if prune:
        remove_leftovers(out / name, leftovers)
        imported.pruned = len(leftovers)
    else:
        imported.left = len(leftovers)
    clips, _ = to_clips(Manifest(manifest, header, [*enumerate(rows, start=2)]))
    imported.doubts = list(across_rows(manifest, clips))
    return imported


def _row(recording: Recording, path: str, copied: Copied) -> dict[str, str]:
    row = {column: str(getattr(recording, column, "")) for column in (*COLUMNS, *OPTIONAL_COLUMNS)}
    row["path"] = path
    row["seconds"] = f"{copied.seconds:.4f}"  # the length of one sample is not yet 0
    row["native_hz"] = str(recording.native_hz or copied.native_hz)
    row["sha256"] = copied.sha256
    return row


def _refuse_overlap(source: Path, out: Path, name: str) -> None:
    if name in ("", ".", "..") or Path(name).name != name or name.startswith("."):
        raise UsageError(f"--name is {name!r}, expected the name of a folder; choose one without / or a dot in front")
    there, target = source.resolve(), (out / name).resolve()
    if out.resolve().is_relative_to(there) or target.is_relative_to(there) or there.is_relative_to(target):
        raise UsageError(
            f"{out}: lies in {source} or would hold it, expected a folder apart: nothing is written into a corpus; "
            "choose another --out or --name"
        )


def _refuse_links(out: Path, name: str, recordings: list[Recording]) -> None:
    """Refuse folders that lead elsewhere: what is written there would be somebody else's, or the corpus itself."""
    home = (out / name).resolve()
    for folder in sorted({(out / name / recording.name).parent for recording in recordings}):
        if not folder.resolve().is_relative_to(home):
            raise DataError(
                f"{folder}: leads to {folder.resolve()}, expected a folder below {out / name}; remove the link, or "
                "choose another --name"
            )


def _refuse_unusable_names(recordings: list[Recording]) -> None:
    first: dict[str, Recording] = {}
    for recording in recordings:
        other = first.setdefault(recording.name, recording)
        if other is not recording:
            raise DataError(
                f"{recording.file}: gets the name {recording.name} that {other.file} has, expected one name a "
                "recording; rename one of them"
            )
        try:
            recording.name.encode()
        except UnicodeEncodeError:
            raise DataError(
                f"{recording.file}: got a file name that is not UTF-8, expected one that a manifest can hold; rename it"
            ) from None


def _rows_of_others(manifest: Path, name: str) -> tuple[list[str], list[dict[str, str]]]:
    """Return the header to write, and the rows of the manifest that do not belong to this import."""
    known = [*COLUMNS, *OPTIONAL_COLUMNS]
    if not os.path.lexists(manifest):
        return known, []
    found = read_manifest(manifest)
    _, faults = to_clips(found)
    for fault in faults:
        raise DataError(fault.message)
    others = [row for _, row in found.rows if not row["path"].startswith(f"{name}/")]
    return [*known, *(column for column in found.header if column not in known)], others


def totals(rows: list[dict[str, str]]) -> dict[str, dict[str, int]]:
    """Count rows by split, source and role, for people and for JSON."""
    return {
        column: dict(sorted(Counter(row[column] or "unstated" for row in rows).items()))
        for column in ("split", "source", "role")
    }
