"""Verifying a data folder: every row, and every file that a row names."""

import hashlib
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import DataError
from edge.events import SAMPLE_RATE_HZ
from train.clip import Clip
from train.corpus import read_clip
from train.fault import Fault
from train.manifest import column_faults, manifest_path, read_rows, to_clips
from train.manifest_checks import across_rows, same_audio
from train.progress import with_progress

__all__ = ["Checked", "check_folder"]

_LENGTH_S = 0.1
_LENGTH_SHARE = 0.01
"""A lossy encoder pads a file; more than this is another recording."""


@dataclass(slots=True)
class Checked:
    """The result of a check.

    Attributes
    ----------
    clips : int
        Rows.
    seconds : float
        Of audio that was read.
    faults : list of Fault
    accepted : Counter
        How many faults of the kinds that were to be accepted there are, by kind.
    """

    clips: int = 0
    seconds: float = 0.0
    faults: list[Fault] = field(default_factory=list)
    accepted: Counter[str] = field(default_factory=Counter)


def check_folder(data_dir: Path | str, *, accept: Collection[str] = ()) -> Checked:
    """Read a manifest and each of its files, and find all that is wrong.

    Parameters
    ----------
    data_dir : Path or str
    accept : collection of str
        Kinds of faults that are counted only, of :data:`train.manifest_checks.DISPUTABLE`.

    Raises
    ------
    DataError
        If there is no manifest that could be read: a column is missing, or it is no CSV file.
    """
    manifest = manifest_path(data_dir)
    header, rows = read_rows(manifest)
    clips, faults = to_clips(manifest, rows)
    checked = Checked(clips=len(rows))
    faults = [*column_faults(manifest, header), *faults]
    if not rows:
        faults.append(
            Fault("row", f"{manifest}: holds a header and no rows; list at least one recording"),
        )
    audio_of: dict[str, bytes] = {}
    for clip in with_progress(clips, "reading"):
        try:
            checked.seconds += _read(clip, manifest, faults, audio_of)
        except (DataError, OSError) as error:
            faults.append(Fault("unreadable", str(error)))
    faults.extend(across_rows(manifest, clips))
    # Equal samples under different bytes: the same recording in another format.
    told = {fault.message for fault in faults}
    by_samples = same_audio(manifest, clips, lambda clip: audio_of.get(clip.path))
    faults.extend(fault for fault in by_samples if fault.message not in told)
    for fault in faults:
        if fault.kind in accept:
            checked.accepted[fault.kind] += 1
        else:
            checked.faults.append(fault)
    return checked


def _read(clip: Clip, manifest: Path, faults: list[Fault], audio_of: dict[str, bytes]) -> float:
    """Read a clip, note what is wrong with it, and return its length in seconds."""
    if clip.sha256 and clip.file.is_file():
        with clip.file.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != clip.sha256:
            faults.append(
                Fault(
                    "hash-differs",
                    f"{clip.file}: sha256 is {found}, expected {clip.sha256} as in {manifest}; restore the file, or "
                    "correct its row",
                )
            )
    samples = read_clip(clip)
    audio_of[clip.path] = hashlib.sha256(samples.tobytes()).digest()
    seconds = samples.size / SAMPLE_RATE_HZ
    if abs(seconds - clip.seconds) > max(_LENGTH_S, _LENGTH_SHARE * seconds):
        faults.append(
            Fault(
                "length-differs",
                f"{clip.file}: lasts {seconds:.3f} s, expected {clip.seconds:.3f} s as in {manifest}; restore the "
                "file, or correct its row",
            )
        )
    return seconds
