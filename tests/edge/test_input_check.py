"""What the first seconds of a microphone tell about it."""

import numpy as np
import pytest

from edge.input_check import InputCheck, InputLevels, complaints, log_levels

N = 16_000 * 3


def noise(level, seed=0, n=N):
    return np.random.default_rng(seed).normal(0, level, n)


def sound(x):
    return np.clip(np.rint(x), -32768, 32767).astype(np.int16)


def speech():
    """Return what is as loud, now and then, as speech."""
    return noise(3000) * (np.sin(np.arange(N) / 3000) > 0.5)


@pytest.mark.parametrize("x", [noise(8), noise(2.5), noise(100) + 60, speech() + noise(8), 0.7 * speech()])
def test_rooms_are_well(x):
    assert complaints(InputLevels.of(sound(x))) == ()


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (np.zeros(N), ["gives the same value all the time (0): it is muted"]),
        (np.full(N, -7), ["gives the same value all the time (-7)"]),
        (noise(0.5), ["a level of -9", ]),
        (noise(8) + 300, ["off zero by +0.9 %"]),
        (noise(8) - 3000, ["off zero by -9.2 %"]),
        (30 * speech(), ["% of the samples are at full scale"]),
        (noise(0.4) - 300, ["off zero", "a level of -9"]),
    ],
)  # fmt: skip
def test_what_somebody_has_to_mend_is_told(x, told):
    found = complaints(InputLevels.of(sound(x)))
    assert len(found) == len(told)
    for complaint, part in zip(found, told, strict=True):
        assert part in complaint.text
        assert complaint.remedy


def test_levels_are_those_of_the_samples():
    x = np.round(3276.8 * np.sin(np.arange(N) / 10) + 327.68)
    levels = InputLevels.of(sound(x))
    assert levels.seconds == 3
    assert levels.level_dbfs == pytest.approx(-23.01, abs=0.02)
    assert levels.peak_dbfs == pytest.approx(20 * np.log10(0.11), abs=0.02)
    assert levels.offset == pytest.approx(0.01, abs=1e-4)
    assert levels.told() == "level -23 dBFS, peak -19 dBFS, offset 1.00 %"
    assert InputLevels.of(np.full(9, -32768, np.int16)).clipped_fraction == 1


@pytest.mark.parametrize("size", [512, 1000, 100_000])
def test_it_looks_once_after_the_click_of_opening(size):
    check = InputCheck()
    x = sound(noise(8, n=16_000 * 10))
    x[:4000] = 32767
    found = [levels for at in range(0, x.size, size) if (levels := check.push(x[at : at + size])) is not None]
    assert len(found) == 1
    assert found[0].clipped_fraction == 0
    assert found[0].seconds >= 3


def test_levels_are_told_where_nothing_is_wrong(caplog):
    caplog.set_level("INFO")
    levels = InputLevels.of(sound(noise(8)))
    log_levels("mic", levels)
    assert [record.getMessage() for record in caplog.records] == [f"mic: {levels.told()}"]


def test_complaints_are_warnings_with_what_to_do(caplog):
    log_levels("mic", InputLevels.of(np.zeros(16_000, np.int16)))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("mic: gives the same value all the time (0): it is muted, or the wrong input")
    assert "alsamixer" in record.getMessage()
