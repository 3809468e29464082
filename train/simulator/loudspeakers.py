"""Loudspeakers: what kinds there are, which devices each split has, and how one of them sounds.

Phones, laptops and televisions are parametric; standalone and smart loudspeakers are measured curves. Every
split has a fixed population of devices with ids, so that results can be resampled by device. Populations are
disjoint: measured curves by brand, parametric devices by *cells*: the plane of corner frequency and slope is
cut into 5 x 3 cells, each of which belongs to a split (:func:`train.simulator.recipe.split_of_cell`). So a test device
lies beside training devices and never among them: a device that was not seen, not a kind that was not seen.
Kinds that were not seen are made by drawing from some kinds only.
"""

import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from train.corpus import CURVES_FILE
from train.simulator.directivity import loudspeaker_directivity_db
from train.simulator.filters import minimum_phase_fir, smooth_random_curve_db
from train.simulator.nonlinearity import Limiter, Nonlinearity
from train.simulator.recipe import LimiterRanges, LoudspeakerKind, Recipe, SmallLoudspeakers, split_of_cell

__all__ = [
    "GRID_HZ",
    "LOUDSPEAKER_TAPS",
    "Curves",
    "LoudspeakerSpec",
    "Loudspeakers",
    "cell_split",
    "load_curves",
    "realise",
    "response_db",
]

LOUDSPEAKER_TAPS = 1024

GRID_HZ = np.geomspace(20.0, 8000.0, 120)
"""Frequencies at which responses are specified, 1/14 octave apart, Hz."""

_OCTAVES = np.log2(GRID_HZ)
_SPLIT_NUMBER = {"train": 1, "dev": 2, "test": 3}
_SEED = 83_160
_ROWS = ("model", "brand", "split", "on_axis_db", "sound_power_db")
"""Arrays of the file with an entry, or a row, for every loudspeaker."""
_PLAUSIBLE_DB = (-45.0, 20.0)
_JUDGED_HZ = (150.0, 8000.0)


@dataclass(frozen=True, eq=False)
class Curves:
    """Measured loudspeakers.

    Attributes
    ----------
    model, brand, split : tuple of str
        One entry a loudspeaker.
    on_axis_db, directivity_db : float arrays, shape (loudspeakers, 120)
        On-axis response and directivity index at :data:`GRID_HZ`, dB.
    """

    model: tuple[str, ...]
    brand: tuple[str, ...]
    split: tuple[str, ...]
    on_axis_db: npt.NDArray[np.float64]
    directivity_db: npt.NDArray[np.float64]

    def of_split(self, split: str) -> list[int]:
        """Return the rows of a split."""
        return [row for row, name in enumerate(self.split) if name == split]


@dataclass(frozen=True, eq=False)
class LoudspeakerSpec:
    """One loudspeaker.

    Attributes
    ----------
    name : str
        Id, unique over kinds and splits, e.g. ``phone-train-017`` or ``standalone-genelec-8030c``.
    kind : str
        A kind of the recipe.
    brand : str
        Maker of a measured loudspeaker, ``""`` for a parametric one.
    corner_hz, slope_db_octave : float
        -6 dB point and slope of the bass roll-off; NaN for a measured loudspeaker.
    on_axis_db, directivity_db : float arrays, shape (120,)
        Response and directivity index at :data:`GRID_HZ`, dB.
    nonlinearity : Nonlinearity
    limiter : Limiter or None
    """

    name: str
    kind: str
    brand: str
    corner_hz: float
    slope_db_octave: float
    on_axis_db: npt.NDArray[np.float64] = field(repr=False)
    directivity_db: npt.NDArray[np.float64] = field(repr=False)
    nonlinearity: Nonlinearity
    limiter: Limiter | None


def response_db(spec: LoudspeakerSpec, frequency_hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the specified on-axis response at some frequencies, dB."""
    return np.interp(np.log2(np.asarray(frequency_hz, np.float64)), _OCTAVES, spec.on_axis_db)


@lru_cache(maxsize=2048)
def realise(spec: LoudspeakerSpec) -> npt.NDArray[np.float32]:
    """Return the on-axis response as a minimum-phase FIR filter, ``(1024,)`` float32."""
    taps = minimum_phase_fir(GRID_HZ, spec.on_axis_db, LOUDSPEAKER_TAPS)
    taps.flags.writeable = False
    return taps


def _check_curves(
    path: Path,
    hz: npt.NDArray[np.float64],
    on_axis: npt.NDArray[np.float64],
    power: npt.NDArray[np.float64],
    names: Sequence[tuple[str, ...]],
) -> None:
    """Check that the arrays of a file fit together."""
    good = hz.ndim == 1 and hz.size >= 2 and np.isfinite(hz).all() and hz[0] > 0 and (np.diff(hz) > 0).all()
    if not good:
        raise DataError(
            f"{path}: frequency_hz: got an array of shape {hz.shape}, expected two or more rising frequencies above "
            "0 Hz; make the file again"
        )
    for key, curve in (("on_axis_db", on_axis), ("sound_power_db", power)):
        if curve.ndim != 2 or curve.shape[1] != hz.size:
            raise DataError(
                f"{path}: {key}: got an array of shape {curve.shape}, expected a row of {hz.size} levels for every "
                "loudspeaker, one a frequency; make the file again"
            )
    sizes = dict(zip(_ROWS, (*map(len, names), len(on_axis), len(power)), strict=True))
    if len(set(sizes.values())) != 1:
        told = ", ".join(f"{key} {size}" for key, size in sizes.items())
        raise DataError(f"{path}: got {told} entries, expected as many of each; make the file again")
    if not ((hz >= _JUDGED_HZ[0]) & (hz <= _JUDGED_HZ[1])).any():
        raise DataError(
            f"{path}: frequency_hz: runs from {hz[0]:g} to {hz[-1]:g} Hz, expected some from {_JUDGED_HZ[0]:g} to "
            f"{_JUDGED_HZ[1]:g} Hz; make the file again"
        )
    unknown = sorted(set(names[2]) - _SPLIT_NUMBER.keys())
    if unknown:
        raise DataError(
            f"{path}: split: got {unknown[0]!r}, expected one of {', '.join(_SPLIT_NUMBER)}; make the file again"
        )


def load_curves(data_dir: Path | str) -> Curves:
    """Read the measured loudspeakers of a data folder.

    Curves that leave -45..20 dB between 150 Hz and 8 kHz are left out: measurement faults, or subwoofers.

    Raises
    ------
    DataError
        If the file is missing or is not what it should be: its arrays do not fit together, or no curve is left.
    """
    path = Path(data_dir) / CURVES_FILE
    if not path.is_file():
        raise DataError(f"{path}: no such file; the data folder must hold measured loudspeakers in {CURVES_FILE}")
    try:
        with path.open("rb") as file, np.load(file) as data:
            hz = data["frequency_hz"].astype(np.float64)
            on_axis = data["on_axis_db"].astype(np.float64)
            power = data["sound_power_db"].astype(np.float64)
            names = [tuple(str(entry) for entry in np.atleast_1d(data[key])) for key in ("model", "brand", "split")]
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read ({error}); expected the arrays of loudspeakers/curves.npz") from error
    _check_curves(path, hz, on_axis, power, names)
    judged = (hz >= _JUDGED_HZ[0]) & (hz <= _JUDGED_HZ[1])
    kept = [
        row
        for row in range(len(on_axis))
        if all(
            np.isfinite(curve[row]).all()
            and curve[row][judged].min() > _PLAUSIBLE_DB[0]
            and curve[row][judged].max() < _PLAUSIBLE_DB[1]
            for curve in (on_axis, power)
        )
    ]

    if not kept:
        raise DataError(
            f"{path}: none of {len(on_axis)} loudspeakers has curves that are finite and within {_PLAUSIBLE_DB[0]:g} "
            f"to {_PLAUSIBLE_DB[1]:g} dB from {_JUDGED_HZ[0]:g} to {_JUDGED_HZ[1]:g} Hz; make the file again"
        )

    def on_grid(curve: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        inside = np.interp(_OCTAVES, np.log2(hz), np.clip(curve, *_PLAUSIBLE_DB))
        # Closed boxes fall with 12 dB per octave, vented ones with 24: 18 below what was measured.
        return inside + 18.0 * np.minimum(0.0, _OCTAVES - np.log2(hz[0]))

    on_axis_db = np.array([on_grid(on_axis[row]) for row in kept])
    power_db = np.array([on_grid(power[row]) for row in kept])
    model, brand, split = (tuple(entries[row] for row in kept) for entries in names)
    return Curves(model, brand, split, on_axis_db, np.clip(on_axis_db - power_db, -3.0, 16.0))


def cell_split(kind: LoudspeakerKind, small: SmallLoudspeakers, corner_hz: float, slope_db_octave: float) -> str:
    """Return the split to which a parametric loudspeaker belongs."""
    assert kind.corner_hz is not None
    low, high = np.log(kind.corner_hz)
    columns, rows = small.cells
    i = int((np.log(corner_hz) - low) / (high - low) * columns)
    first, last = small.slope_db_octave
    j = int((slope_db_octave - first) / (last - first) * rows)
    return split_of_cell(min(i, columns - 1), min(j, rows - 1))


def _draw_nonlinearity(rng: np.random.Generator, kind: LoudspeakerKind) -> Nonlinearity:
    second, third = float(rng.uniform(*kind.second_db)), float(rng.uniform(*kind.third_db))
    fourth, fifth = (float(level - rng.uniform(*kind.higher_below_db)) for level in (second, third))
    first_sign, second_sign, third_sign, fourth_sign = (int(sign) for sign in rng.choice([-1, 1], 4))
    return Nonlinearity(
        (second, third, fourth, fifth),
        (first_sign, second_sign, third_sign, fourth_sign),
        float(rng.uniform(*kind.excursion_hz)),
        float(rng.uniform(*kind.drive_db)),
    )


def _draw_limiter(rng: np.random.Generator, ranges: LimiterRanges) -> Limiter | None:
    if rng.random() >= ranges.share:
        return None
    return Limiter(
        float(rng.uniform(*ranges.threshold_db)),
        float(rng.uniform(*ranges.ratio)),
        float(rng.uniform(*ranges.attack_s)),
        float(rng.uniform(*ranges.release_s)),
    )


def _roll_off_db(corner_hz: float, slope_db_octave: float) -> npt.NDArray[np.float64]:
    """High-pass with -6 dB at the corner and any slope: Butterworth's magnitude with a real order."""
    factor = 10.0**0.6 - 1.0
    ratio = (corner_hz / GRID_HZ) ** (2.0 * slope_db_octave / (20.0 * np.log10(2.0)))
    return -10.0 * np.log10(1.0 + factor * ratio)


def _small_response_db(
    rng: np.random.Generator, small: SmallLoudspeakers, corner_hz: float, slope: float
) -> npt.NDArray[np.float64]:
    """Draw the response of a small loudspeaker in a device: roll-off, ripple, resonances, treble."""
    response = _roll_off_db(corner_hz, slope)
    ripple_db, ripple_octaves = float(rng.uniform(*small.ripple_db)), float(rng.uniform(*small.ripple_octaves))
    ripple = smooth_random_curve_db(rng, _OCTAVES, ripple_db, ripple_octaves)
    # The ripple is that of the pass band; below it the roll-off is a smooth property of membrane and box.
    response += ripple * np.clip((_OCTAVES - np.log2(corner_hz)) / 1.0 + 1.0, 0.2, 1.0)
    for _ in range(int(rng.integers(*small.resonances, endpoint=True))):
        centre = rng.uniform(np.log2(corner_hz), np.log2(7000.0))
        width = rng.uniform(*small.resonance_octaves)
        height_db = rng.uniform(*small.resonance_db) * rng.choice([1.0, 1.0, -1.0])
        response += height_db * np.exp(-0.5 * ((_OCTAVES - centre) / width) ** 2)
    treble_hz, treble_db = rng.uniform(*small.treble_hz), rng.uniform(*small.treble_db)
    return response + treble_db * np.clip((_OCTAVES - np.log2(treble_hz)) / 1.0, 0.0, 1.0)


class Loudspeakers:
    """All loudspeakers of a recipe.

    Parameters
    ----------
    recipe : Recipe
    curves : Curves
        Measured responses, all splits.
    """

    def __init__(self, recipe: Recipe, curves: Curves) -> None:
        self.recipe = recipe
        self.curves = curves
        self._made: dict[tuple[str, str, int], LoudspeakerSpec] = {}

    @cached_property
    def _rows_of_brands(self) -> dict[str, list[list[int]]]:
        """For each split, the numbers of its measured loudspeakers, a list a brand."""
        result: dict[str, list[list[int]]] = {}
        for split in _SPLIT_NUMBER:
            brands: dict[str, list[int]] = {}
            for number, row in enumerate(self.curves.of_split(split)):
                brands.setdefault(self.curves.brand[row], []).append(number)
            result[split] = [brands[brand] for brand in sorted(brands)]
        return result

    def make(self, kind: str, split: str, number: int) -> LoudspeakerSpec:
        """Make one device of a population.

        Parameters
        ----------
        kind : str
            A kind of the recipe.
        split : str
            ``train``, ``dev`` or ``test``.
        number : int
            Number of the device: below ``small.devices`` of the recipe, or below the number of curves of the split.

        Returns
        -------
        LoudspeakerSpec
            The same object for the same device.
        """
        key = (kind, split, number)
        if key not in self._made:
            measured = self.recipe.loudspeakers[kind].corner_hz is None
            self._made[key] = self._measured(*key) if measured else self._parametric(*key)
        return self._made[key]

    def _parametric(self, kind: str, split: str, number: int) -> LoudspeakerSpec:
        ranges, small = self.recipe.loudspeakers[kind], self.recipe.small
        assert ranges.corner_hz is not None
        rng = np.random.default_rng([_SEED, *kind.encode(), _SPLIT_NUMBER[split], number])
        low, high = np.log(ranges.corner_hz)
        while True:
            corner_hz, slope = float(np.exp(rng.uniform(low, high))), float(rng.uniform(*small.slope_db_octave))
            if cell_split(ranges, small, corner_hz, slope) == split:
                break
        return LoudspeakerSpec(
            f"{kind}-{split}-{number:03d}",
            kind,
            "",
            corner_hz,
            slope,
            _small_response_db(rng, small, corner_hz, slope),
            loudspeaker_directivity_db(rng, self.recipe.directivity, GRID_HZ),
            _draw_nonlinearity(rng, ranges),
            _draw_limiter(rng, self.recipe.limiter),
        )

    def _measured(self, kind: str, split: str, number: int) -> LoudspeakerSpec:
        row = self.curves.of_split(split)[number]
        rng = np.random.default_rng([_SEED, *kind.encode(), row])
        name = "-".join("".join(c if c.isalnum() else " " for c in self.curves.model[row]).lower().split())
        return LoudspeakerSpec(
            f"{kind}-{name}",
            kind,
            self.curves.brand[row],
            float("nan"),
            float("nan"),
            self.curves.on_axis_db[row],
            self.curves.directivity_db[row],
            _draw_nonlinearity(rng, self.recipe.loudspeakers[kind]),
            _draw_limiter(rng, self.recipe.limiter),
        )

    def draw(self, rng: np.random.Generator, split: str, kinds: Collection[str] = ()) -> LoudspeakerSpec:
        """Draw a loudspeaker of a split.

        Parameters
        ----------
        rng : numpy.random.Generator
        split : str
        kinds : collection of str
            From which to draw, with the shares of the recipe among them; all by default. Measured curves are drawn
            by brand first, so that no maker dominates.
        """
        chosen = [kind for kind in self.recipe.loudspeakers if not kinds or kind in kinds]
        limits = np.cumsum([self.recipe.loudspeakers[kind].share for kind in chosen])
        kind = chosen[int(np.searchsorted(limits[:-1], rng.random() * limits[-1], side="right"))]
        if self.recipe.loudspeakers[kind].corner_hz is not None:
            return self.make(kind, split, int(rng.integers(self.recipe.small.devices.of(split))))
        brands = self._rows_of_brands[split]
        if not brands:
            raise DataError(
                f"{CURVES_FILE}: holds no plausible loudspeaker of the split {split}, expected some, as loudspeakers "
                f"of the kind {kind} are drawn from them; add some, or give the kind a share of 0 in the recipe"
            )
        numbers = brands[rng.integers(len(brands))]
        return self.make(kind, split, numbers[rng.integers(len(numbers))])
