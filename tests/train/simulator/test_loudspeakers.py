import numpy as np
import pytest

from edge.errors import DataError
from train.simulator.directivity import place_source
from train.simulator.filters import minimum_phase_fir
from train.simulator.loudspeakers import (
    GRID_HZ,
    Curves,
    Loudspeakers,
    cell_split,
    load_curves,
    realise,
    response_db,
)
from train.simulator.nonlinearity import Limiter, Nonlinearity, apply_limiter, apply_nonlinearity
from train.simulator.recipe import shipped_recipe
from train.simulator.rooms import RoomBank


def _magnitude_db(taps: np.ndarray, hz: np.ndarray) -> np.ndarray:
    z = np.exp(-2j * np.pi * hz[:, None] / 16000 * np.arange(taps.size)[None, :])
    return 20 * np.log10(np.abs(z @ taps.astype(np.float64)))


@pytest.mark.parametrize("kind", shipped_recipe().loudspeakers)
def test_realised_response_is_the_specified_one(kind: str, loudspeakers: Loudspeakers):
    for number in range(2):
        spec = loudspeakers.make(kind, "dev", number)
        hz = np.geomspace(100, 7800, 80)
        wanted_db = response_db(spec, hz)
        # What lies far below the pass band is masked by every noise floor of the recipe.
        audible = wanted_db > wanted_db.max() - 35
        assert np.abs(_magnitude_db(realise(spec), hz) - wanted_db)[audible].max() < 1.0


@pytest.mark.parametrize("kind", ["phone", "laptop", "tv"])
def test_small_loudspeakers_fall_by_6_db_at_the_corner_and_then_by_their_slope(kind: str, loudspeakers: Loudspeakers):
    at_corner, per_octave = [], []
    for number in range(40):
        spec = loudspeakers.make(kind, "train", number)
        passband = np.mean(response_db(spec, np.geomspace(2.5 * spec.corner_hz, 3500, 50)))
        at_corner.append(response_db(spec, spec.corner_hz) - passband)
        low = response_db(spec, [spec.corner_hz / 2, spec.corner_hz / 4])
        per_octave.append((low[0] - low[1]) / spec.slope_db_octave)
    # Ripple and resonances move single devices; the population is what was asked for.
    assert np.median(at_corner) == pytest.approx(-6, abs=1.5)
    assert np.median(per_octave) == pytest.approx(1, abs=0.1)


def test_kinds_are_drawn_in_their_shares(loudspeakers: Loudspeakers):
    rng = np.random.default_rng(0)
    kinds = [loudspeakers.draw(rng, "test").kind for _ in range(2000)]
    for kind, ranges in shipped_recipe().loudspeakers.items():
        assert kinds.count(kind) / len(kinds) == pytest.approx(ranges.share, abs=0.04)


def test_a_kind_left_out_is_not_drawn_and_the_others_keep_their_proportion(loudspeakers: Loudspeakers):
    rng = np.random.default_rng(0)
    kinds = [loudspeakers.draw(rng, "train", ("laptop", "tv", "standalone")).kind for _ in range(2000)]
    assert set(kinds) == {"laptop", "tv", "standalone"}
    assert kinds.count("laptop") / kinds.count("tv") == pytest.approx(0.25 / 0.15, abs=0.35)


def test_populations_are_disjoint(loudspeakers: Loudspeakers):
    names: dict[str, set[str]] = {}
    recipe, curves = loudspeakers.recipe, loudspeakers.curves
    for split in ("train", "dev", "test"):
        for kind in ("phone", "laptop", "tv"):
            for number in range(recipe.small.devices.of(split)):
                spec = loudspeakers.make(kind, split, number)
                ranges = recipe.loudspeakers[kind]
                assert cell_split(ranges, recipe.small, spec.corner_hz, spec.slope_db_octave) == split
                names.setdefault(split, set()).add(spec.name)
        rng = np.random.default_rng(1)
        drawn = [loudspeakers.draw(rng, split, ("standalone",)) for _ in range(40)]
        names[split] |= {spec.brand for spec in drawn}
        assert {spec.brand for spec in drawn} == {curves.brand[row] for row in curves.of_split(split)}
    assert not names["train"] & names["dev"]
    assert not names["train"] & names["test"]
    assert not names["dev"] & names["test"]


def test_harmonics_at_the_reference_level_are_the_specified_ones():
    spec = Nonlinearity((-20.0, -18.0, -31.0, -29.0), (1, -1, -1, 1), 1000.0, 0.0)
    n = 16000
    sine = np.sin(2 * np.pi * 128 * np.arange(n) / 16000).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(apply_nonlinearity(sine, spec)[n // 2 :]))
    step = 128 * (n // 2) // 16000
    levels_db = 20 * np.log10(spectrum[step * np.arange(1, 6)] / spectrum[step])
    np.testing.assert_allclose(levels_db[1:], spec.harmonics_db, atol=1.0)


def test_harmonics_follow_the_excursion_and_vanish_with_the_level():
    spec = Nonlinearity((-25.0, -25.0, -90.0, -90.0), (1, 1, 1, 1), 500.0, 0.0)

    def second_db(hz: float, amplitude: float) -> float:
        n = 16000
        sine = (amplitude * np.sin(2 * np.pi * hz * np.arange(n) / 16000)).astype(np.float32)
        spectrum = np.abs(np.fft.rfft(apply_nonlinearity(sine, spec)))
        return float(20 * np.log10(spectrum[int(2 * hz)] / spectrum[int(hz)]))

    assert second_db(2000, 1.0) < second_db(125, 1.0) - 20
    assert second_db(125, 0.1) == pytest.approx(second_db(125, 1.0) - 20, abs=2)


def test_limiter_reduces_the_dynamic_range_by_its_ratio():
    spec = Limiter(threshold_db=-20.0, ratio=4.0, attack_s=0.005, release_s=0.05)
    t = np.arange(16000) / 16000
    tone = np.sin(2 * np.pi * 500 * t).astype(np.float32)

    def out_db(level_db: float) -> float:
        return float(20 * np.log10(np.abs(apply_limiter(tone * 10 ** (level_db / 20), spec)[8000:]).max()))

    assert out_db(-30) == pytest.approx(-30, abs=0.1)
    assert out_db(-4) - out_db(-16) == pytest.approx(3, abs=0.3)


def test_directivity_colours_the_reverberation_and_leaves_the_direct_sound(bank: RoomBank):
    room = bank.rooms[2][0]
    index_db = np.full(GRID_HZ.size, 6.0)
    placed = place_source(room, GRID_HZ, index_db, 0.0)
    undirected = place_source(room, GRID_HZ, np.zeros(GRID_HZ.size), 0.0)
    placed[40] -= 1.0
    undirected[40] -= 1.0
    assert 10 * np.log10(np.sum(undirected**2) / np.sum(placed**2)) == pytest.approx(6.0, abs=0.2)


def test_minimum_phase_filter_starts_at_once():
    taps = minimum_phase_fir(GRID_HZ, -12.0 * np.log2(1 + 500 / GRID_HZ), 512)
    energy = np.cumsum(taps.astype(np.float64) ** 2)
    assert energy[8] > 0.8 * energy[-1]


def test_missing_curves_are_one_clear_line(tmp_path):
    with pytest.raises(DataError, match=r"curves\.npz: no such file"):
        load_curves(tmp_path)
    (tmp_path / "loudspeakers").mkdir()
    np.savez(tmp_path / "loudspeakers" / "curves.npz", frequency_hz=np.ones(3))
    with pytest.raises(DataError, match="cannot be read"):
        load_curves(tmp_path)


def _arrays(**changed) -> dict[str, np.ndarray]:
    """Return the arrays of a file of measured curves, three loudspeakers, one a split."""
    names = {"model": ["A 1", "B 2", "C 3"], "brand": ["a", "b", "c"], "split": ["train", "dev", "test"]}
    curves = {"on_axis_db": np.zeros((3, 4)), "sound_power_db": np.full((3, 4), -3.0)}
    return {
        "frequency_hz": np.array([100.0, 400.0, 1600.0, 6400.0]),
        **{name: np.array(values) for name, values in names.items()},
        **curves,
        **changed,
    }


def _load(tmp_path, arrays: dict[str, np.ndarray]) -> Curves:
    (tmp_path / "loudspeakers").mkdir()
    np.savez(tmp_path / "loudspeakers" / "curves.npz", **arrays)
    return load_curves(tmp_path)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"model": np.array(["A 1", "B 2"])}, "got model 2, brand 3, split 3, on_axis_db 3, sound_power_db 3 entries"),
        ({"sound_power_db": np.zeros((2, 4))}, "sound_power_db 2 entries, expected as many of each"),
        ({"sound_power_db": np.zeros((3, 5))}, r"sound_power_db: got an array of shape \(3, 5\), expected a row of 4"),
        ({"on_axis_db": np.zeros(3)}, r"on_axis_db: got an array of shape \(3,\), expected a row of 4 levels"),
        ({"on_axis_db": np.full((3, 4), np.nan)}, "none of 3 loudspeakers has curves that are finite"),
        (
            {"frequency_hz": np.array([100.0, 400.0, 400.0, 6400.0])},
            "frequency_hz: got .*, expected two or more rising",
        ),
        ({"frequency_hz": np.array([0.0, 400.0, 1600.0, 6400.0])}, "frequency_hz: got .*, expected two or more rising"),
        ({"frequency_hz": np.float64(100.0)}, "frequency_hz: got an array of shape"),
        ({"frequency_hz": np.array([1.0, 2.0, 3.0, 4.0])}, "frequency_hz: runs from 1 to 4 Hz, expected some from 150"),
        ({"split": np.array(["train", "dev", "eval"])}, "split: got 'eval', expected one of train, dev, test"),
    ],
)
def test_faulty_curves_are_one_clear_line(tmp_path, changed, told):
    with pytest.raises(DataError, match=told) as caught:
        _load(tmp_path, _arrays(**changed))
    assert str(tmp_path / "loudspeakers" / "curves.npz") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_curve_that_is_not_finite_is_left_out_alone(tmp_path):
    power = np.zeros((3, 4))
    power[1, 2] = np.nan
    assert _load(tmp_path, _arrays(sound_power_db=power)).model == ("A 1", "C 3")


def test_a_split_without_curves_is_one_clear_line_when_one_is_drawn(tmp_path):
    power = np.zeros((3, 4))
    power[1] = np.nan
    made = Loudspeakers(shipped_recipe(), _load(tmp_path, _arrays(sound_power_db=power)))
    rng = np.random.default_rng(0)
    assert made.draw(rng, "train", ("standalone",)).kind == "standalone"
    assert made.draw(rng, "dev", ("phone",)).kind == "phone"
    with pytest.raises(DataError, match=r"curves\.npz: holds no plausible loudspeaker of the split dev"):
        made.draw(rng, "dev", ("standalone",))
