"""The recordings that training reads: a folder with a ``manifest.csv`` and the files that it names."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from edge.manifest_file import read_manifest
from edge.sample_time import SAMPLE_RATE_HZ
from train.clip import Clip
from train.manifest import manifest_path, to_clips
from train.manifest_checks import refused_in_training

__all__ = ["CURVES_FILE", "Clip", "content_hash", "data_hash", "licences", "load_manifest", "read_clip"]

CURVES_FILE = "loudspeakers/curves.npz"
"""Measured responses of loudspeakers, below the data folder."""

_PEAK_LIMIT = 8.0  # decoded lossy audio may pass 1.0 a little; beyond this the samples are not audio


def data_hash(data_dir: Path | str) -> str:
    """Return the sha256 of the bytes of the manifest, in hexadecimal.

    Raises
    ------
    DataError
        If there is no manifest.
    """
    return hashlib.sha256(manifest_path(data_dir).read_bytes()).hexdigest()


def content_hash(data_dir: Path | str) -> str:
    """Return a hash of what is rendered from: the manifest, the sizes of its files, and the measured loudspeakers.

    Of the files the size must do, since there are thousands: a recording that was replaced hardly has its old length.
    """
    root = Path(data_dir)
    digest = hashlib.sha256(manifest_path(root).read_bytes())
    for clip in load_manifest(root):
        digest.update(f"{clip.path}\0{clip.file.stat().st_size if clip.file.is_file() else -1}\n".encode())
    curves = root / CURVES_FILE
    digest.update(curves.read_bytes() if curves.is_file() else b"none")
    return digest.hexdigest()


def load_manifest(data_dir: Path | str) -> list[Clip]:
    """Read and check the manifest of a data folder.

    Parameters
    ----------
    data_dir : Path or str
        Folder that holds ``manifest.csv``.

    Returns
    -------
    list of Clip
        In the order of the manifest. The files themselves are not opened.

    Raises
    ------
    DataError
        If the manifest or a column is missing, a value is not allowed, a path comes twice, a licence is
        missing, a speaker is in two splits of one corpus, or one sha256 is in two splits. The first fault is told;
        ``vivavoce train check`` finds all, and more.
    """
    manifest = manifest_path(data_dir)
    clips, faults = to_clips(read_manifest(manifest))
    if not clips and not faults:
        raise DataError(f"{manifest}: holds a header and no rows; list at least one recording")
    for fault in (*faults, *refused_in_training(manifest, clips)):
        raise DataError(fault.message)
    return clips


def read_clip(clip: Clip) -> npt.NDArray[np.float32]:
    """Read the samples of a clip.

    Returns
    -------
    float32 array, shape (n,)
        Mono samples at 16 kHz, full scale 1.

    Raises
    ------
    DataError
        If the file is missing, cannot be decoded, is not 16 kHz mono, is empty, or holds samples that
        are not finite.
    """
    import soundfile

    if not os.path.isfile(clip.file):
        raise DataError(f"{clip.file}: the manifest names it and it is not there; restore it or drop its row")
    try:
        samples, rate_hz = soundfile.read(clip.file, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise DataError(f"{clip.file}: cannot be decoded ({error}); replace it or drop its row") from error
    if rate_hz != SAMPLE_RATE_HZ or samples.shape[1] != 1:
        raise DataError(
            f"{clip.file}: {rate_hz} Hz with {samples.shape[1]} channels, expected {SAMPLE_RATE_HZ} Hz mono; "
            "convert the file"
        )
    mono: npt.NDArray[np.float32] = samples[:, 0]
    if not mono.size:
        raise DataError(f"{clip.file}: holds no samples; drop its row")
    if not np.isfinite(mono).all() or float(np.abs(mono).max()) > _PEAK_LIMIT:
        raise DataError(f"{clip.file}: samples are not finite numbers within full scale; replace the file")
    return np.ascontiguousarray(mono)


def licences(clips: Iterable[Clip], *, loudspeakers: bool = False) -> list[dict[str, str]]:
    """Return each pair of material and licence once, sorted, as a bundle's manifest lists them.

    Parameters
    ----------
    clips : iterable of Clip
    loudspeakers : bool
        Whether the replay simulator took part: its measured loudspeakers carry no licence with them, and the list
        says so.
    """
    pairs = {(clip.corpus, clip.licence) for clip in clips}
    if loudspeakers:
        pairs.add(("measured loudspeaker responses (curves.npz)", "unrecorded"))
    return [{"material": material, "licence": licence} for material, licence in sorted(pairs)]
