"""What a loudspeaker does, measured as one measures a real one: with an exponential sine sweep (Farina 2000)."""

import dataclasses

import numpy as np
import pytest

from train.simulator.filters import apply_responses
from train.simulator.loudspeakers import Loudspeakers, LoudspeakerSpec, realise, response_db
from train.simulator.playback import play
from train.simulator.recipe import shipped_recipe

RATE_HZ = 16000
FROM_HZ, TO_HZ = 20.0, 7800.0
SECONDS = 16.0
RATE_OF_GROWTH = SECONDS / np.log(TO_HZ / FROM_HZ)
DEVICES = range(4)


def sweep() -> np.ndarray:
    """Return a sine of amplitude 1 whose frequency grows exponentially."""
    t = np.arange(int(SECONDS * RATE_HZ)) / RATE_HZ
    return np.sin(2 * np.pi * FROM_HZ * RATE_OF_GROWTH * np.expm1(t / RATE_OF_GROWTH)).astype(np.float32)


def harmonic_levels_db(heard: np.ndarray, order: int, fundamental_hz: np.ndarray) -> np.ndarray:
    """Measure the level of one harmonic of a sweep, dB re amplitude 1, at some fundamentals.

    The sweep is a stretch of sine around each moment; a window of 40 ms and a fit of sine and cosine at the harmonic's
    own, equally swept, phase gives its amplitude there.
    """
    levels = []
    for hz in fundamental_hz:
        centre = RATE_OF_GROWTH * np.log(hz / FROM_HZ)
        t = np.arange(int((centre - 0.04) * RATE_HZ), int((centre + 0.04) * RATE_HZ)) / RATE_HZ
        phase = 2 * np.pi * FROM_HZ * RATE_OF_GROWTH * np.expm1(t / RATE_OF_GROWTH)
        # All orders at once, or the fundamental would leak into the harmonics.
        basis = np.concatenate([(np.cos(k * phase), np.sin(k * phase)) for k in range(1, 6) if k * hz < 7900])
        window = np.hanning(t.size)
        first = round(t[0] * RATE_HZ)
        weights, *_ = np.linalg.lstsq((basis * window).T, heard[first : first + t.size] * window, rcond=None)
        levels.append(20 * np.log10(np.hypot(*weights[2 * order - 2 : 2 * order])))
    return np.array(levels)


def at_reference_level(spec: LoudspeakerSpec) -> LoudspeakerSpec:
    """Return the device with its peaks at the level at which harmonics are specified, without limiter."""
    return dataclasses.replace(spec, limiter=None, nonlinearity=dataclasses.replace(spec.nonlinearity, drive_db=0.0))


def heard_from(spec: LoudspeakerSpec) -> np.ndarray:
    return apply_responses(play(sweep(), at_reference_level(spec)), realise(spec))


@pytest.mark.parametrize("kind", shipped_recipe().loudspeakers)
def test_transfer_function_is_the_specified_one_within_1_db(kind: str, loudspeakers: Loudspeakers):
    hz = np.geomspace(90, 7500, 60)
    for number in DEVICES[: len(loudspeakers.curves.of_split("train")) if kind == "standalone" else None]:
        spec = loudspeakers.make(kind, "train", number)
        wanted_db = response_db(spec, hz)
        # What lies 30 dB below the loudest is below its harmonics, and below every noise floor of the recipe.
        audible = wanted_db > wanted_db.max() - 30
        assert audible.sum() > 20
        missed_db = harmonic_levels_db(heard_from(spec), 1, hz) - wanted_db
        assert np.abs(missed_db[audible]).max() < 1.0


@pytest.mark.parametrize("kind", shipped_recipe().loudspeakers)
def test_harmonics_have_their_specified_levels_within_1_db(kind: str, loudspeakers: Loudspeakers):
    """Below a quarter of the excursion corner, where the excursion is that of the reference level."""
    for number in DEVICES[: len(loudspeakers.curves.of_split("train")) if kind == "standalone" else None]:
        spec = loudspeakers.make(kind, "train", number)
        highest_hz = spec.nonlinearity.excursion_hz / 4
        hz = np.geomspace(max(40.0, 0.5 * highest_hz), highest_hz, 6)
        heard = heard_from(spec)
        for order, specified_db in enumerate(spec.nonlinearity.harmonics_db[:2], 2):
            wanted_db = specified_db + response_db(spec, order * hz)
            np.testing.assert_allclose(harmonic_levels_db(heard, order, hz), wanted_db, atol=1.0)
