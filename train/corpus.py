"""The recordings that training reads: a folder with a ``manifest.csv`` and the files that it names."""

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from edge.events import SAMPLE_RATE_HZ

__all__ = ["COLUMNS", "ROLES", "SPLITS", "Clip", "data_hash", "licences", "load_manifest", "read_clip"]

COLUMNS = ("path", "corpus", "speaker", "split", "role", "label", "seconds", "native_hz", "licence")
"""The columns that a manifest must have; others are ignored."""

SPLITS = ("train", "dev", "test")
ROLES = ("wake", "speech", "longform", "noise", "music")

_NOT_ONE_TALKER = frozenset({"", "many", "unknown"})
_PEAK_LIMIT = 8.0  # decoded lossy audio may pass 1.0 a little; beyond this the samples are not audio


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording of the corpus.

    Attributes
    ----------
    path : str
        As in the manifest: relative to the data folder, with forward slashes. Identifies the clip.
    file : Path
        Where the file is on this machine.
    corpus, speaker : str
        Where it comes from and who speaks. Speaker ids count within their corpus; ``""``, ``"many"`` and
        ``"unknown"`` are no ids.
    split : str
        One of :data:`SPLITS`.
    role : str
        One of :data:`ROLES`.
    label : str
        The phrase that is said, or ``""``.
    seconds : float
        Duration.
    native_hz : int
        Sample rate of the original recording.
    licence : str
        Licence under which it may be used.
    """

    path: str
    file: Path
    corpus: str
    speaker: str
    split: str
    role: str
    label: str
    seconds: float
    native_hz: int
    licence: str

    @property
    def word(self) -> str:
        """Id of the phrase, e.g. ``smart_mirror`` for "smart mirror"."""
        return self.label.replace(" ", "_")

    @property
    def talker(self) -> str:
        """Id of the speaker that is unique over corpora, e.g. ``gsc/ab12``."""
        return f"{self.corpus}/{self.speaker}"


def _manifest(data_dir: Path | str) -> Path:
    path = Path(data_dir) / "manifest.csv"
    if not path.is_file():
        raise DataError(
            f"{path}: no such manifest; give --data a folder that holds manifest.csv with the columns "
            f"{','.join(COLUMNS)}"
        )
    return path


def data_hash(data_dir: Path | str) -> str:
    """Return the sha256 of the bytes of the manifest, in hexadecimal.

    Raises
    ------
    DataError
        If there is no manifest.
    """
    return hashlib.sha256(_manifest(data_dir).read_bytes()).hexdigest()


def _clip(row: dict[str, str], where: str, root: Path) -> Clip:
    def one_of(column: str, allowed: tuple[str, ...]) -> str:
        if row[column] not in allowed:
            raise DataError(f"{where}: {column} is {row[column]!r}, expected one of {', '.join(allowed)}; correct it")
        return row[column]

    def number(column: str) -> float:
        try:
            value = float(row[column])
        except ValueError:
            value = float("nan")
        if not 0.0 < value < float("inf"):
            raise DataError(f"{where}: {column} is {row[column]!r}, expected a positive number; correct it")
        return value

    if any(row.get(column) is None for column in COLUMNS):
        raise DataError(f"{where}: the row is shorter than the header; correct it")
    if not row["path"]:
        raise DataError(f"{where}: path is empty, expected a file below {root}; correct it")
    if not row["licence"].strip():
        raise DataError(
            f"{where}: {row['path']}: licence is empty; say under which licence this file may train a model, "
            "or take the row out"
        )
    return Clip(
        path=row["path"],
        file=root / row["path"],
        corpus=row["corpus"],
        speaker=row["speaker"],
        split=one_of("split", SPLITS),
        role=one_of("role", ROLES),
        label=row["label"],
        seconds=number("seconds"),
        native_hz=int(number("native_hz")),
        licence=row["licence"],
    )


def _refuse_shared_talkers(clips: Iterable[Clip], manifest: Path) -> None:
    split_of: dict[tuple[str, str], str] = {}
    for clip in clips:
        if clip.speaker in _NOT_ONE_TALKER:
            continue
        first = split_of.setdefault((clip.corpus, clip.speaker), clip.split)
        if first != clip.split:
            raise DataError(
                f"{manifest}: speaker {clip.speaker!r} of {clip.corpus!r} is in {first} and in {clip.split} "
                f"(at {clip.path}), expected one split a speaker; move all clips of a speaker into one split"
            )


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
        missing, or a speaker is in two splits of one corpus.
    """
    manifest = _manifest(data_dir)
    try:
        with manifest.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise DataError(
                    f"{manifest}: no column {', '.join(missing)}; expected a header with {','.join(COLUMNS)}"
                )
            clips = [_clip(row, f"{manifest} line {reader.line_num}", manifest.parent.resolve()) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{manifest}: not a CSV file in UTF-8 ({error}); write it again") from error
    if not clips:
        raise DataError(f"{manifest}: holds a header and no rows; list at least one recording")
    seen: set[str] = set()
    for clip in clips:
        if clip.path in seen:
            raise DataError(f"{manifest}: {clip.path} is listed twice; keep one row a file")
        seen.add(clip.path)
    _refuse_shared_talkers(clips, manifest)
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

    if not clip.file.is_file():
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
