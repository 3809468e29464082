"""Rendered clips as a folder of recordings: audio, the manifest that every command reads, and their conditions."""

import csv
import hashlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge.errors import DataError
from edge.files import write_whole
from edge.manifest_file import COLUMNS, FILE_NAME, OPTIONAL_COLUMNS, write_manifest
from edge.sample_time import SAMPLE_RATE_HZ
from train.clip import Clip
from train.liveness_scenes import CONDITIONS, NAMED_CONDITIONS
from train.render_record import CLIPS_FOLDER, CONDITIONS_FILE, RenderSettings, write_record
from train.shards import Arrays

__all__ = ["clips_of", "licence_of", "samples_hash", "write_folder"]


def clips_of(rendered: Arrays) -> Iterator[npt.NDArray[np.int16]]:
    """Return the clips of a set that was kept ``whole``, one after the other."""
    stop = 0
    for size in rendered["size"].tolist():
        yield rendered["samples"][stop : stop + size]
        stop += size


def samples_hash(rendered: Arrays) -> str:
    """Return the sha256 of the labels, sizes and samples of a set, in hexadecimal."""
    digest = hashlib.sha256()
    for name, kind in (("live", "<i1"), ("size", "<i4"), ("samples", "<i2")):
        digest.update(np.ascontiguousarray(rendered[name], kind).tobytes())
    return digest.hexdigest()


def write_folder(folder: Path, rendered: Arrays, clips: list[Clip], settings: RenderSettings) -> int:
    """Write a set; what is there already, and is the same, stays.

    Clips that are there and no part of the set are removed, and nothing else is.

    Parameters
    ----------
    folder : Path
        One that :func:`train.render_record.check_render_folder` takes.
    rendered : dict
        Kept ``whole``; see :func:`train.liveness_scenes.build_liveness_clips`.
    clips : list of Clip
        Among them the sources.
    settings : RenderSettings
        By which it was rendered.

    Returns
    -------
    int
        Clips written now.

    Raises
    ------
    DataError
        If the folder cannot be written. The manifest is removed before the first clip is replaced and written last:
        there is none that describes half a set.
    """
    import soundfile

    sources = {clip.path: clip for clip in clips}
    rows: list[dict[str, str]] = []
    told = io.StringIO(newline="")
    table = csv.writer(told, lineterminator="\n")
    table.writerow(("path", "source", "label", *NAMED_CONDITIONS, *CONDITIONS))
    new = 0
    try:
        write_record(folder, settings)
        for i, samples in enumerate(tqdm(clips_of(rendered), total=len(rendered["size"]), desc="clips", unit="clip")):
            source, live = sources[str(rendered["source"][i])], bool(rendered["live"][i])
            encoded = io.BytesIO()
            soundfile.write(encoded, samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
            content = encoded.getvalue()
            name = f"{CLIPS_FOLDER}/{i:06d}.flac"
            if not _holds(folder / name, content):
                for described in (FILE_NAME, CONDITIONS_FILE):
                    (folder / described).unlink(missing_ok=True)
                write_whole(folder / name, lambda file, content=content: file.write(content), one_writer=True)
                new += 1
            row: dict[str, Any] = dict.fromkeys((*COLUMNS, *OPTIONAL_COLUMNS), "")
            row |= {
                "path": name, "corpus": f"simulated-{source.corpus}", "speaker": source.speaker,
                "split": settings.split, "role": source.role, "label": source.label,
                "seconds": f"{samples.size / SAMPLE_RATE_HZ:.3f}", "native_hz": str(SAMPLE_RATE_HZ),
                "licence": licence_of(rendered, i, sources),
                "source": "live" if live else "replay",
                "room": str(rendered["room"][i]),
                "loudspeaker": "" if live else f"{rendered['kind'][i]}/{rendered['loudspeaker'][i]}",
                "sha256": hashlib.sha256(content).hexdigest(),
            }  # fmt: skip
            rows.append(row)
            numbers = [float(rendered[name][i]) for name in CONDITIONS]
            table.writerow(
                (
                    row["path"],
                    source.path,
                    row["source"],
                    *(str(rendered[name][i]) for name in NAMED_CONDITIONS),
                    *("" if np.isnan(number) else f"{number:.6g}" for number in numbers),
                )
            )
        _remove_beyond(folder / CLIPS_FOLDER, len(rows))
        write_whole(folder / CONDITIONS_FILE, lambda file: file.write(told.getvalue().encode()), one_writer=True)
        write_manifest(folder / FILE_NAME, (*COLUMNS, *OPTIONAL_COLUMNS), rows)
    except OSError as error:
        raise DataError(
            f"{folder}: clips cannot be written there ({error.strerror}); free some space or give another folder, and "
            "run again: finished clips are kept"
        ) from error
    return new


def licence_of(rendered: Arrays, i: int, clips: dict[str, Clip]) -> str:
    """Join the licences of all recordings that sound in a clip: the word, the noise, a television's programme.

    Parameters
    ----------
    rendered : dict
        See :func:`train.liveness_scenes.build_liveness_clips`.
    i : int
        Number of the clip.
    clips : dict of str to Clip
        Recordings by path.
    """
    names = [*(str(rendered[of][i]) for of in ("source", "noise")), *str(rendered["tv_programme"][i]).split("+")]
    return " AND ".join(sorted({clips[name].licence for name in names if name in clips}))


def _remove_beyond(folder: Path, n: int) -> None:
    """Remove clips with numbers that a set does not have; what has another name is not ours."""
    for path in folder.iterdir():
        named = re.fullmatch(r"(\d{6,})\.flac", path.name, re.ASCII)
        if named and int(named[1]) >= n and path.is_file():
            path.unlink()


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content
