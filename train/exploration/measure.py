"""What one recording is like, in numbers; many of them in parallel, and measured once.

A clip is measured in its first minute, and listened to as a gate would: levels and bandwidth are those of
:mod:`edge.quality`, f70 that of :mod:`train.baselines`. The whole file is decoded all the same, for its length and to
find the same audio elsewhere.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.cues import CueSettings
from edge.endpoint import FRAME_SAMPLES, speech_span
from edge.files import read_file
from edge.json_reading import parse_json
from edge.quality import assess
from edge.sample_time import SAMPLE_RATE_HZ
from edge.void import VoidSettings, segment_powers
from train.atomic_file import put_bytes
from train.baselines import f70_hz
from train.clip import Clip
from train.folder_check import Content, read_content
from train.progress import with_progress
from train.simulator.levels import to_int16

__all__ = ["LONGEST_S", "SPOKEN_ROLES", "VERSION", "Measured", "cache_file", "measure", "measure_all"]

VERSION = 1
"""Of what is measured and how; a cache of another version is not used."""

LONGEST_S = 60.0
"""How much of a clip is measured, s, from its beginning."""

SPOKEN_ROLES = ("wake", "speech")
"""Roles whose clips hold one utterance: it has a beginning, an end, and a spectrum of its own."""

_FEW = 64
"""Fewer clips than this are measured before other processes have started."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One clip. Where ``content.error`` is given, all numbers are 0."""

    content: Content
    """Length, and what to compare it with."""
    level_dbfs: float = 0.0
    """Of the loudest 50 ms, dB re full scale."""
    snr_db: float = 0.0
    """95th less 10th percentile of the levels, dB."""
    bandwidth_hz: float = 0.0
    """Upper edge of what holds meaningful energy, Hz."""
    f70_hz: float = 0.0
    """Below it lies 70 % of the power of the loudest second, Hz."""
    before_s: float = 0.0
    """From the beginning to the most energetic stretch of speech, s."""
    after_s: float = 0.0
    """From the end of that stretch to the end of what was measured, s."""
    zeros_before_s: float = 0.0
    """Samples that are 0 at the beginning, s."""
    zeros_after_s: float = 0.0
    """... and at the end, s."""
    zeros_s: float = 0.0
    """Whole frames of 10 ms that are 0, wherever they are, s."""
    flags: tuple[str, ...] = ()
    """Keys of :data:`edge.quality.FLAGS`."""
    shares: tuple[float, ...] = ()
    """Share of the power in each of Void's segments from 0 to 8 kHz, of the speech, or of all where none is expected;
    empty for digital silence."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for the cache."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Measured":
        """Read plain data, as :meth:`to_dict` returned them."""
        plain = dict(data)
        return cls(
            content=Content(**plain.pop("content")),
            flags=tuple(plain.pop("flags")),
            shares=tuple(plain.pop("shares")),
            **plain,
        )


def measure(clip: Clip) -> Measured:
    """Measure a clip. One that cannot be read says so in ``content.error``."""
    content, audio = read_content(clip)
    if content.error:
        return Measured(content)
    samples = to_int16(audio[: round(LONGEST_S * SAMPLE_RATE_HZ)])
    quality = assess(samples)
    span = speech_span(samples)
    part = samples[span.start : span.stop] if clip.role in SPOKEN_ROLES else samples
    powers = segment_powers(part, VoidSettings())
    total = float(powers.sum())
    return Measured(
        content=content,
        level_dbfs=quality.level_dbfs,
        snr_db=quality.snr_db,
        bandwidth_hz=quality.bandwidth_hz,
        f70_hz=f70_hz(samples, CueSettings()),
        before_s=span.start / SAMPLE_RATE_HZ,
        after_s=(samples.size - span.stop) / SAMPLE_RATE_HZ,
        flags=quality.flags,
        shares=tuple(round(float(share), 9) for share in powers / total) if total > 0 else (),
        **_zeros(samples),
    )


def _zeros(samples: npt.NDArray[np.int16]) -> dict[str, float]:
    """Return how much of a signal is exactly 0, by place, s."""
    sounding = np.flatnonzero(samples)
    first, last = (int(sounding[0]), int(sounding[-1])) if sounding.size else (samples.size, samples.size - 1)
    whole = samples[: samples.size - samples.size % FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    return {
        "zeros_before_s": first / SAMPLE_RATE_HZ,
        "zeros_after_s": (samples.size - 1 - last) / SAMPLE_RATE_HZ,
        "zeros_s": int((~whole.any(axis=1)).sum()) * FRAME_SAMPLES / SAMPLE_RATE_HZ,
    }


def cache_file(folder: Path, data_dir: Path) -> Path:
    """Return the file in `folder` that remembers what was measured of a data folder."""
    name = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]
    return folder / f"explore-{name}.json"


def measure_all(clips: Sequence[Clip], cache: Path, *, workers: int | None = None) -> tuple[dict[str, Measured], int]:
    """Measure all clips, except those that were measured before and whose files have not changed since.

    Parameters
    ----------
    clips : sequence of Clip
    cache : Path
        File of what was measured before; need not be there. It is written again if anything is new, and holds these
        clips only. A file counts as unchanged while its size and its time of change are what they were.
    workers : int, optional
        Processes; as many as there are processors by default. They are spawned, since numba does not survive a fork.

    Returns
    -------
    dict of str to Measured
        By path.
    int
        How many were measured now.

    Raises
    ------
    DataError
        If the cache cannot be written.
    """
    known = _read_cache(cache)
    keys = {clip.path: _key(clip) for clip in clips}
    by_path = {clip.path: clip for clip in clips}
    measured: dict[str, Measured] = {}
    for path, key in keys.items():
        entry = known.get(path)
        if key and isinstance(entry, dict) and entry.get("key") == key:
            try:
                measured[path] = Measured.from_dict(entry["measured"])
            except (KeyError, TypeError, ValueError):
                continue  # somebody edited it: measure again
    # The longest first, so that no process is left alone with ten minutes at the end.
    missing = sorted((by_path[path] for path in keys if path not in measured), key=lambda clip: -clip.seconds)
    if missing:
        _write_cache(cache, keys, measured)  # where it cannot be written, nothing is measured in vain
    results = _each(missing, workers if workers is not None else os.cpu_count() or 1)
    try:
        for clip, result in zip(with_progress(missing, "measuring"), results, strict=True):
            measured[clip.path] = result
    finally:
        # Whoever stops this goes on from here the next time.
        if missing:
            _write_cache(cache, keys, measured)
    return {path: measured[path] for path in keys}, len(missing)


def _each(clips: Sequence[Clip], workers: int) -> Iterator[Measured]:
    if workers <= 1 or len(clips) < _FEW:
        yield from map(measure, clips)
        return
    with ProcessPoolExecutor(min(workers, len(clips)), mp_context=get_context("spawn")) as pool:
        try:
            yield from pool.map(measure, clips, chunksize=4)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _key(clip: Clip) -> list[Any]:
    """Return what the numbers of a clip depend on; nothing if there is no file."""
    try:
        state = clip.file.stat()
    except OSError:
        return []
    return [state.st_size, state.st_mtime_ns, clip.role, clip.sha256]


def _write_cache(cache: Path, keys: dict[str, list[Any]], measured: dict[str, Measured]) -> None:
    clips = {path: {"key": keys[path], "measured": measured[path].to_dict()} for path in sorted(measured)}
    put_bytes(cache, json.dumps({"version": VERSION, "sha256": _digest(clips), "clips": clips}).encode())


def _digest(clips: dict[str, Any]) -> str:
    """Return what changes with the entries: numbers that somebody edited are not shown as measured."""
    return hashlib.sha256(json.dumps(clips).encode()).hexdigest()


def _read_cache(cache: Path) -> dict[str, Any]:
    """Return the entries of a cache; none if there is none that could be used."""
    try:
        data = parse_json(read_file(cache))
    except (OSError, ValueError):
        return {}
    if not isinstance(data, dict) or data.get("version") != VERSION or not isinstance(data.get("clips"), dict):
        return {}
    clips: dict[str, Any] = data["clips"]
    return clips if data.get("sha256") == _digest(clips) else {}
