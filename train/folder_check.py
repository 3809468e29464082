"""Verifying a data folder: every row, and every file that a row names."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from edge.manifest_file import read_manifest
from edge.sample_time import SAMPLE_RATE_HZ
from train.clip import Clip
from train.corpus import read_clip
from train.fault import Fault
from train.manifest import column_faults, manifest_path, to_clips
from train.manifest_checks import across_rows, same_audio
from train.progress import with_progress

__all__ = ["Checked", "Content", "check_folder", "read_content"]

_LENGTH_S = 0.1
_LENGTH_SHARE = 0.01
"""A lossy encoder pads a file; more than this is another recording."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds, as far as it can be compared with its row and with other files.

    Attributes
    ----------
    sha256 : str
        Of the bytes of the file, in hexadecimal; ``""`` where the file is missing or was not hashed.
    samples : str
        Of the decoded samples, in hexadecimal: equal audio under different bytes has it in common.
    seconds : float
        Length.
    error : str
        Why the samples cannot be used, one line; ``""`` if they can.
    """

    sha256: str = ""
    samples: str = ""
    seconds: float = 0.0
    error: str = ""


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


def read_content(clip: Clip) -> tuple[Content, npt.NDArray[np.float32]]:
    """Read the file of a clip to its end.

    Returns
    -------
    Content
    float32 array, shape (n,)
        The samples; none where the content has an error.
    """
    sha256 = ""
    try:
        # Hashing costs a second pass over the file; without a hash in the row there is nothing to compare.
        if clip.sha256 and os.path.isfile(clip.file):
            with clip.file.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        samples = read_clip(clip)
    except (DataError, OSError) as error:
        return Content(sha256=sha256, error=str(error)), np.zeros(0, np.float32)
    return Content(sha256, hashlib.sha256(samples.tobytes()).hexdigest(), samples.size / SAMPLE_RATE_HZ), samples


def check_folder(
    data_dir: Path | str, *, accept: Collection[str] = (), read: Callable[[Clip], Content] | None = None
) -> Checked:
    """Read a manifest and each of its files, and find all that is wrong.

    Parameters
    ----------
    data_dir : Path or str
    accept : collection of str
        Kinds of faults that are counted only, of :data:`train.manifest_checks.DISPUTABLE`.
    read : callable, optional
        Returns what the file of a clip holds; by default it is read now.

    Raises
    ------
    DataError
        If there is no manifest that could be read: a column is missing, or it is no CSV file.
    """
    manifest = manifest_path(data_dir)
    listed = read_manifest(manifest)
    clips, faults = to_clips(listed)
    checked = Checked(clips=len(listed.rows) + len(listed.misfits))
    faults = [*column_faults(listed), *faults]
    if not checked.clips:
        faults.append(
            Fault("row", f"{manifest}: holds a header and no rows; list at least one recording"),
        )
    samples_of: dict[str, str] = {}
    for clip in clips if read else with_progress(clips, "reading"):
        content = read(clip) if read else read_content(clip)[0]
        faults.extend(_compared(clip, content, manifest))
        if not content.error:
            checked.seconds += content.seconds
            samples_of[clip.path] = content.samples
    faults.extend(across_rows(manifest, clips))
    # Equal samples under different bytes: the same recording in another format.
    told = {fault.message for fault in faults}
    by_samples = same_audio(manifest, clips, lambda clip: samples_of.get(clip.path))
    faults.extend(fault for fault in by_samples if fault.message not in told)
    for fault in faults:
        if fault.kind in accept:
            checked.accepted[fault.kind] += 1
        else:
            checked.faults.append(fault)
    return checked


def _compared(clip: Clip, content: Content, manifest: Path) -> Iterator[Fault]:
    """Compare a file with its row."""
    if clip.sha256 and content.sha256 and content.sha256 != clip.sha256:
        yield Fault(
            "hash-differs",
            f"{clip.file}: sha256 is {content.sha256}, expected {clip.sha256} as in {manifest}; restore the file, or "
            "correct its row",
        )
    if content.error:
        yield Fault("unreadable", content.error)
    elif abs(content.seconds - clip.seconds) > max(_LENGTH_S, _LENGTH_SHARE * content.seconds):
        yield Fault(
            "length-differs",
            f"{clip.file}: lasts {content.seconds:.3f} s, expected {clip.seconds:.3f} s as in {manifest}; restore the "
            "file, or correct its row",
        )
