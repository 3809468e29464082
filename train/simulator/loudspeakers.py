"""Loudspeakers: what kinds there are, which devices each split has, and how one of them sounds.

Phones, laptops and televisions are parametric; standalone and smart loudspeakers are measured curves. Every
split has a fixed population of devices with ids, so that results can be resampled by device. Populations are
disjoint: measured curves by brand, parametric devices by *cells*: the plane of corner frequency and slope is
cut into 10 x 5 cells, and cell (i, j) belongs to the split ``_CELL_SPLIT[(i + 2 * j) % 5]``. So a test device
lies beside training devices and never among them: a device that was not seen, not a kind that was not seen.
"""

import zipfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from train.simulator.directivity import loudspeaker_directivity_db
from train.simulator.filters import minimum_phase_fir, smooth_random_curve_db
from train.simulator.nonlinearity import Limiter, Nonlinearity

__all__ = [
    "CURVES_FILE",
    "DEVICES_PER_KIND",
    "GRID_HZ",
    "KIND_SHARES",
    "LOUDSPEAKER_TAPS",
    "Curves",
    "LoudspeakerSpec",
    "cell_split",
    "draw_spec",
    "load_curves",
    "make_spec",
    "realise",
    "response_db",
]

CURVES_FILE = "loudspeakers/curves.npz"
"""Measured responses, below the data folder."""

KIND_SHARES = {"phone": 0.35, "laptop": 0.25, "tv": 0.15, "standalone": 0.25}
"""How often each kind plays a replay."""

DEVICES_PER_KIND = {"train": 200, "dev": 60, "test": 60}
"""Devices of each parametric kind in each split."""

LOUDSPEAKER_TAPS = 1024

GRID_HZ = np.geomspace(20.0, 8000.0, 120)
"""Frequencies at which responses are specified, 1/14 octave apart, Hz."""

_OCTAVES = np.log2(GRID_HZ)
_CORNER_HZ = {"phone": (400.0, 1000.0), "laptop": (200.0, 850.0), "tv": (90.0, 250.0)}
_SLOPE_DB_OCTAVE = (12.0, 24.0)
_EXCURSION_HZ = {
    "phone": (900.0, 1600.0),
    "laptop": (600.0, 1400.0),
    "tv": (250.0, 700.0),
    "standalone": (100.0, 300.0),
}
_CELLS = (10, 5)
_CELL_SPLIT = ("test", "train", "dev", "train", "train")
_SPLIT_NUMBER = {"train": 1, "dev": 2, "test": 3}
_SEED = 83_160
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
    specs : dict
        Devices that :func:`make_spec` made so far, by row.
    """

    model: tuple[str, ...]
    brand: tuple[str, ...]
    split: tuple[str, ...]
    on_axis_db: npt.NDArray[np.float64]
    directivity_db: npt.NDArray[np.float64]
    specs: "dict[int, LoudspeakerSpec]" = field(default_factory=dict, repr=False)

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
        A key of :data:`KIND_SHARES`.
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


def load_curves(data_dir: Path | str) -> Curves:
    """Read the measured loudspeakers of a data folder.

    Curves that leave -45..20 dB between 150 Hz and 8 kHz are left out: measurement faults, or subwoofers.

    Raises
    ------
    DataError
        If the file is missing or is not what it should be.
    """
    path = Path(data_dir) / CURVES_FILE
    if not path.is_file():
        raise DataError(f"{path}: no such file; the data folder must hold measured loudspeakers in {CURVES_FILE}")
    try:
        with path.open("rb") as file, np.load(file) as data:
            hz = data["frequency_hz"].astype(np.float64)
            on_axis = data["on_axis_db"].astype(np.float64)
            power = data["sound_power_db"].astype(np.float64)
            names = [tuple(str(entry) for entry in data[key]) for key in ("model", "brand", "split")]
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read ({error}); expected the arrays of loudspeakers/curves.npz") from error
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

    def on_grid(curve: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        inside = np.interp(_OCTAVES, np.log2(hz), np.clip(curve, *_PLAUSIBLE_DB))
        # Closed boxes fall with 12 dB per octave, vented ones with 24: 18 below what was measured.
        return inside + 18.0 * np.minimum(0.0, _OCTAVES - np.log2(hz[0]))

    on_axis_db = np.array([on_grid(on_axis[row]) for row in kept])
    power_db = np.array([on_grid(power[row]) for row in kept])
    model, brand, split = (tuple(entries[row] for row in kept) for entries in names)
    return Curves(model, brand, split, on_axis_db, np.clip(on_axis_db - power_db, -3.0, 16.0))


def cell_split(kind: str, corner_hz: float, slope_db_octave: float) -> str:
    """Return the split to which a parametric loudspeaker belongs."""
    low, high = np.log(_CORNER_HZ[kind])
    i = int((np.log(corner_hz) - low) / (high - low) * _CELLS[0])
    first, last = _SLOPE_DB_OCTAVE
    j = int((slope_db_octave - first) / (last - first) * _CELLS[1])
    return _CELL_SPLIT[(min(i, _CELLS[0] - 1) + 2 * min(j, _CELLS[1] - 1)) % 5]


def _draw_nonlinearity(rng: np.random.Generator, kind: str) -> Nonlinearity:
    hifi = kind == "standalone"
    second = rng.uniform(-60.0, -45.0) if hifi else rng.uniform(-50.0, -20.0)
    third = rng.uniform(-60.0, -45.0) if hifi else rng.uniform(-55.0, -18.0)
    levels = (second, third, second - rng.uniform(6.0, 20.0), third - rng.uniform(6.0, 20.0))
    signs = tuple(int(sign) for sign in rng.choice([-1, 1], 4))
    return Nonlinearity(
        tuple(float(level) for level in levels),  # type: ignore[arg-type]
        signs,  # type: ignore[arg-type]
        float(rng.uniform(*_EXCURSION_HZ[kind])),
        float(rng.uniform(-12.0, 1.5)),
    )


def _draw_limiter(rng: np.random.Generator) -> Limiter | None:
    if rng.random() < 0.5:
        return None
    return Limiter(
        float(rng.uniform(-20.0, -6.0)),
        float(rng.uniform(2.0, 10.0)),
        float(rng.uniform(0.002, 0.01)),
        float(rng.uniform(0.04, 0.25)),
    )


def _roll_off_db(corner_hz: float, slope_db_octave: float) -> npt.NDArray[np.float64]:
    """High-pass with -6 dB at the corner and any slope: Butterworth's magnitude with a real order."""
    factor = 10.0**0.6 - 1.0
    ratio = (corner_hz / GRID_HZ) ** (2.0 * slope_db_octave / (20.0 * np.log10(2.0)))
    return -10.0 * np.log10(1.0 + factor * ratio)


def _small_response_db(rng: np.random.Generator, corner_hz: float, slope: float) -> npt.NDArray[np.float64]:
    """Draw the response of a small loudspeaker in a device: roll-off, ripple, resonances, treble."""
    response = _roll_off_db(corner_hz, slope)
    ripple = smooth_random_curve_db(rng, _OCTAVES, float(rng.uniform(1.5, 4.0)), float(rng.uniform(0.12, 0.35)))
    # The ripple is that of the pass band; below it the roll-off is a smooth property of membrane and box.
    response += ripple * np.clip((_OCTAVES - np.log2(corner_hz)) / 1.0 + 1.0, 0.2, 1.0)
    for _ in range(int(rng.integers(1, 5))):
        centre = rng.uniform(np.log2(corner_hz), np.log2(7000.0))
        width = rng.uniform(0.08, 0.35)
        response += (
            rng.uniform(3.0, 9.0) * rng.choice([1.0, 1.0, -1.0]) * np.exp(-0.5 * ((_OCTAVES - centre) / width) ** 2)
        )
    treble_hz, treble_db = rng.uniform(3500.0, 7500.0), rng.uniform(-9.0, 3.0)
    return response + treble_db * np.clip((_OCTAVES - np.log2(treble_hz)) / 1.0, 0.0, 1.0)


@lru_cache(maxsize=4096)
def _parametric(kind: str, split: str, number: int) -> LoudspeakerSpec:
    rng = np.random.default_rng([_SEED, sorted(KIND_SHARES).index(kind), _SPLIT_NUMBER[split], number])
    low, high = np.log(_CORNER_HZ[kind])
    while True:
        corner_hz, slope = float(np.exp(rng.uniform(low, high))), float(rng.uniform(*_SLOPE_DB_OCTAVE))
        if cell_split(kind, corner_hz, slope) == split:
            break
    return LoudspeakerSpec(
        f"{kind}-{split}-{number:03d}",
        kind,
        "",
        corner_hz,
        slope,
        _small_response_db(rng, corner_hz, slope),
        loudspeaker_directivity_db(rng, GRID_HZ),
        _draw_nonlinearity(rng, kind),
        _draw_limiter(rng),
    )


def make_spec(kind: str, split: str, number: int, curves: Curves) -> LoudspeakerSpec:
    """Make one device of a population.

    Parameters
    ----------
    kind : str
        A key of :data:`KIND_SHARES`.
    split : str
        ``train``, ``dev`` or ``test``.
    number : int
        Number of the device: below ``DEVICES_PER_KIND[split]``, or below the number of curves of the split.
    curves : Curves

    Returns
    -------
    LoudspeakerSpec
        The same object for the same device.
    """
    if kind != "standalone":
        return _parametric(kind, split, number)
    row = curves.of_split(split)[number]
    if row not in curves.specs:
        rng = np.random.default_rng([_SEED, row, 4])
        name = "-".join("".join(c if c.isalnum() else " " for c in curves.model[row]).lower().split())
        curves.specs[row] = LoudspeakerSpec(
            f"standalone-{name}",
            kind,
            curves.brand[row],
            float("nan"),
            float("nan"),
            curves.on_axis_db[row],
            curves.directivity_db[row],
            _draw_nonlinearity(rng, kind),
            _draw_limiter(rng),
        )
    return curves.specs[row]


def draw_spec(rng: np.random.Generator, split: str, curves: Curves, *, kind: str | None = None) -> LoudspeakerSpec:
    """Draw a loudspeaker of a split.

    Parameters
    ----------
    rng : numpy.random.Generator
    split : str
    curves : Curves
    kind : str, optional
        Drawn by :data:`KIND_SHARES` if not given. Measured curves are drawn by brand first, so that no maker
        dominates.

    Returns
    -------
    LoudspeakerSpec
    """
    draw = rng.random()
    if kind is None:
        kinds = list(KIND_SHARES)
        kind = kinds[int(np.searchsorted(np.cumsum(list(KIND_SHARES.values()))[:-1], draw, side="right"))]
    if kind != "standalone":
        return make_spec(kind, split, int(rng.integers(DEVICES_PER_KIND[split])), curves)
    rows = curves.of_split(split)
    brands = sorted({curves.brand[row] for row in rows})
    brand = brands[rng.integers(len(brands))]
    numbers = [number for number, row in enumerate(rows) if curves.brand[row] == brand]
    return make_spec(kind, split, numbers[rng.integers(len(numbers))], curves)
