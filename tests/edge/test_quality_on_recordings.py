"""Check how often the quality flags are wrong on recordings of people (all figures: edge/quality.py)."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from edge.endpoint import LOOK_BACK_SAMPLES, speech_span
from edge.quality import assess

RATE = 16_000
DATA = Path(os.environ.get("VIVAVOCE_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
EVERY = 9

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (DATA / "manifest.csv").is_file(), reason=f"no recordings: {DATA} holds no manifest.csv"),
]


def to_int16(x):
    return np.clip(np.rint(x), -32_768, 32_767).astype(np.int16)


def through_8_khz(samples):
    narrow = to_int16(soxr.resample(samples.astype(np.float32), RATE, RATE // 2))
    return to_int16(soxr.resample(narrow.astype(np.float32), RATE // 2, RATE))


def look_back(samples, stop):
    """Return what the device looks back on 0.2 s after the end of a word."""
    decided = min(samples.size, stop + RATE // 5)
    return samples[max(0, decided - LOOK_BACK_SAMPLES) : decided]


def in_a_room(samples, rng):
    """Put a recording at a varied level between a second of noise floor on either side."""
    peak = max(1.0, float(np.abs(samples.astype(np.float64)).max()))
    voice = samples / peak * 32_767 * 10 ** (rng.uniform(-24, -1) / 20)
    out = rng.normal(0, 32_767 * 10 ** (rng.uniform(-84, -66) / 20), samples.size + 2 * RATE)
    out[RATE:-RATE] += voice
    return to_int16(out)


@pytest.fixture(scope="module")
def found():
    """Return flags of recordings of the train split by condition, and which of them are wake words."""
    with (DATA / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train" and row["role"] in ("wake", "speech")]
    flags: dict[str, list[set[str]]] = {}
    rows = sorted(rows, key=lambda row: row["path"])[::EVERY]
    for number, row in enumerate(rows):
        rng = np.random.default_rng([11, number])
        samples, rate = soundfile.read(DATA / row["path"], dtype="int16")
        assert rate == RATE
        room = in_a_room(samples, rng)
        stop = speech_span(room).stop
        power = float(np.mean(room[RATE:-RATE].astype(np.float64) ** 2))
        noise = rng.normal(0, np.sqrt(power) * 10 ** (-20 / 20), room.size)
        low = to_int16(room * 10 ** (-rng.uniform(20, 35) / 20))
        for name, sound in (("room", room), ("noise", to_int16(room + noise)), ("low", low)):
            for condition, heard in ((name, sound), (f"{name}, 8 kHz", through_8_khz(sound))):
                flags.setdefault(condition, []).append(set(assess(look_back(heard, stop)).flags))
    return flags, np.array([row["role"] == "wake" for row in rows])


def share(flags, flag, chosen=None):
    has = np.array([flag in one for one in flags])
    return float(has.mean() if chosen is None else has[chosen].mean())


@pytest.mark.parametrize(("condition", "most"), [("room", 0.01), ("noise", 0.01), ("low", 0.03)])
def test_recordings_at_16_khz_are_hardly_ever_band_limited(found, condition, most):
    flags, _ = found
    assert share(flags[condition], "band_limited") < most


@pytest.mark.parametrize("condition", ["room, 8 kHz", "noise, 8 kHz", "low, 8 kHz"])
def test_recordings_from_8_khz_are_found_at_any_level(found, condition):
    flags, _ = found
    heard = [one for one in flags[condition] if "silent" not in one]
    assert len(heard) > 0.98 * len(flags[condition])
    assert share(heard, "band_limited") > 0.99


@pytest.mark.parametrize("flag", ["silent", "too_short", "clipped", "noisy"])
@pytest.mark.parametrize("condition", ["room", "noise"])
def test_clean_wake_words_carry_enough_evidence(found, condition, flag):
    flags, wake = found
    assert wake.sum() > 100
    assert share(flags[condition], flag, wake) < 0.01
