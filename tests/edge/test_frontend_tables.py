"""Tables of the frontend, and features that follow from nothing else: the same on every machine."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from c_tables import CONTRACTED, differences, frontend_as_compiled, log1pf

import edge
from edge.frontend import Frontend
from edge.frontend_tables import FrontendSettings, build_tables
from edge.known_signal import known_signal

SCENE = Path(edge.__file__).parent / "data" / "scene.flac"


def digest(array):
    return hashlib.sha256(array.astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()[:16]


# ------------------------------------------------------------------------------------------------ golden

TABLES = [
    ({}, "694903219626f5db"),
    ({"window_ms": 25, "step_ms": 20}, "8dde0635cf32e67c"),
    ({"window_ms": 32, "channels": 24, "lower_band_hz": 0.0, "upper_band_hz": 3800.0}, "2c37062244c2d24d"),
    ({"channels": 64, "lower_band_hz": 60.0, "upper_band_hz": 7600.0}, "f3762e475387d8a1"),
    ({"pcan_strength": 0.6, "pcan_offset": 20.0, "pcan_gain_bits": 20}, "9e88296a14c7de7e"),
]


@pytest.mark.parametrize(
    ("changes", "expected"), TABLES, ids=lambda one: ",".join(one) if isinstance(one, dict) else ""
)
def test_tables_are_the_same_on_every_machine(changes, expected):
    assert digest(build_tables(FrontendSettings(**changes)).block) == expected


SOUNDS = {
    "scene": lambda: soundfile.read(SCENE, dtype="int16")[0],
    "known": known_signal,
    "quiet": lambda: (known_signal() // 200).astype(np.int16),
    "full scale": lambda: np.where(known_signal() > 0, 32767, -32768).astype(np.int16),
    "lowest": lambda: np.full(16000, -32768, np.int16),
    "impulses": lambda: np.where(np.arange(16000) % 701 == 3, 32767, 0).astype(np.int16),
}
"""Integers, so that each machine is given the same ones."""

FEATURES = {
    "scene": "f5fa92002bd30a8f",
    "known": "277880ef568b0c53",
    "quiet": "0bb06945005a9d4d",
    "full scale": "80a919fbd204144c",
    "lowest": "8c26822a5f5c783a",
    "impulses": "c053f7b8e4682139",
}


@pytest.mark.parametrize("sound", SOUNDS)
def test_features_are_the_same_on_every_machine(sound):
    assert digest(Frontend().push(SOUNDS[sound]())) == FEATURES[sound]


@pytest.mark.parametrize("sound", SOUNDS)
def test_the_features_are_those_of_the_reference(sound):
    micro = pytest.importorskip("pymicro_features", reason="pymicro-features is not installed").MicroFrontend()
    samples = SOUNDS[sound]()
    samples = samples[: samples.size // 160 * 160]
    rows = [micro.process_samples(samples[at : at + 160].tobytes()).features for at in range(0, samples.size, 160)]
    found = np.rint(np.array([row for row in rows if row]) * 25.6).astype(np.uint16)
    np.testing.assert_array_equal(frontend_as_compiled().push(samples), found)
    if not differences():
        assert digest(found) == FEATURES[sound]


# ------------------------------------------------------------------------------------------------ the wheel's

CORRECTLY_ROUNDED = log1pf(np.float32(187.5) / np.float32(700)) == np.float32(0.2373281866)
"""Whether this machine's ``log1pf`` rounds correctly; the definition's does not, at this bin among others."""

WHEEL = {
    # (products and sums joined, log1pf rounded correctly): what the wheel's tables have in place of the definition's.
    (False, False): {},
    (True, False): {("weights", 149): -1, ("unweights", 149): 1, ("unweights", 221): 1},
    (False, True): {("weights", 149): -1, ("weights", 221): -1, ("unweights", 149): 1, ("unweights", 221): 1},
    # The last peak falls short of the bin at 7500 Hz, whose weight above the last channel is nobody's.
    (True, True): {
        ("weights", 149): -1, ("weights", 221): -1, ("weights", 234): -1, ("weights", 238): -1,
        ("unweights", 149): 1, ("unweights", 221): 1, ("unweights", 234): 1, ("unweights", 238): 1,
        ("unweights", 240): -4096, ("edges", 41): -1,
    },
}  # fmt: skip


def test_the_wheel_has_these_tables_but_for_what_its_compiler_and_the_c_library_rounded_otherwise():
    assert differences() == WHEEL[CONTRACTED, CORRECTLY_ROUNDED]


@pytest.mark.skipif(not CONTRACTED, reason="the wheel of this processor has no operation with one rounding for two")
def test_a_wheel_with_other_tables_has_other_features_at_two_places():
    # Else the frontend with the wheel's tables would prove nothing that a comparison with ours does not.
    ours, theirs = Frontend().push(known_signal()), frontend_as_compiled().push(known_signal())
    assert np.argwhere(ours != theirs).tolist() == [[17, 32], [28, 32]]
    assert np.abs(ours.astype(int) - theirs).max() == 1
