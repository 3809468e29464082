"""The recipe of the simulator: what ``recipe.toml`` holds, checked, and the hash that freezes it."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any

from edge.errors import UsageError
from edge.strict_toml import Within, from_tables, load_tables, overlaid

__all__ = [
    "RECIPE_FILE",
    "Background",
    "CodecUse",
    "DirectivityRanges",
    "Layout",
    "LimiterRanges",
    "LoudspeakerKind",
    "MicrophoneRanges",
    "Placement",
    "Recipe",
    "RecorderRanges",
    "RoomRanges",
    "SmallLoudspeakers",
    "SplitCounts",
    "Television",
    "Variants",
    "load_recipe",
    "shipped_recipe",
    "split_of_cell",
]

RECIPE_FILE = Path(__file__).with_name("recipe.toml")
"""The recipe that every figure of ours was made with; what its entries mean stands beside them."""

Range = tuple[float, float]

_CELL_SPLIT = ("test", "train", "dev", "train", "train")


def split_of_cell(column: int, row: int) -> str:
    """Return the split to which a cell of corner frequency and slope belongs: see :mod:`.loudspeakers`."""
    return _CELL_SPLIT[(column + 2 * row) % len(_CELL_SPLIT)]


def _check_width(name: str, ends: Range) -> None:
    if ends[0] == ends[1]:
        raise ValueError(f"{name} runs from {ends[0]:g} to {ends[1]:g}; it is cut into cells, give it some width")


class _Checked:
    """Checks that every pair is a range: that it does not fall."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            pair = isinstance(value, tuple) and len(value) == 2 and field.name != "cells"
            if pair and value[0] > value[1]:
                raise ValueError(f"{field.name} runs from {value[0]:g} to {value[1]:g}; give the lower end first")


@dataclass(frozen=True)
class Layout(_Checked):
    """What lies where in a clip."""

    lead_s: Annotated[Range, Within(0.1, 10.0)]
    tail_s: Annotated[Range, Within(0.3, 10.0)]
    margin_s: Annotated[float, Within(0.0, 1.0)]
    longest_speech_s: Annotated[float, Within(0.2, 10.0)]
    level_dbfs: Annotated[Range, Within(-90.0, 0.0)]


@dataclass(frozen=True)
class Variants(_Checked):
    """How often each way is taken."""

    programme: Annotated[float, Within(0.0, 1.0)]
    own_playback: Annotated[float, Within(0.0, 1.0)]


@dataclass(frozen=True)
class RecorderRanges(_Checked):
    """The attacker's recorder."""

    distance_m: Annotated[Range, Within(0.01, 20.0)]
    highpass_hz: Annotated[Range, Within(1.0, 1000.0)]
    snr_db: Annotated[Range, Within(-20.0, 120.0)]


@dataclass(frozen=True)
class CodecUse(_Checked):
    """How often lossy codecs are used."""

    share: Annotated[float, Within(0.0, 1.0)]
    opus_weight: Annotated[float, Within(0.0, 100.0)]


@dataclass(frozen=True)
class Placement(_Checked):
    """How far from the device the sound begins."""

    distance_m: Annotated[Range, Within(0.01, 20.0)]
    close_share: Annotated[float, Within(0.0, 1.0)]
    close_m: Annotated[Range, Within(0.01, 20.0)]
    own_m: Annotated[Range, Within(0.01, 20.0)]


@dataclass(frozen=True)
class Background(_Checked):
    """What sounds besides the speech."""

    snr_db: Annotated[Range, Within(-20.0, 120.0)]
    hiss_db: Annotated[Range, Within(-200.0, 0.0)]
    self_noise_dbfs: Annotated[Range, Within(-200.0, -20.0)]
    recorded_share: Annotated[float, Within(0.0, 1.0)]
    music_share: Annotated[float, Within(0.0, 1.0)]
    hum_share: Annotated[float, Within(0.0, 1.0)]


@dataclass(frozen=True)
class Television(_Checked):
    """A television behind the speech."""

    share: Annotated[float, Within(0.0, 1.0)]
    kind: str
    ratios_db: Annotated[tuple[float, ...], Within(-20.0, 120.0)]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.ratios_db:
            raise ValueError("ratios_db is empty, expected at least one ratio; no televisions are share = 0")


@dataclass(frozen=True)
class SplitCounts:
    """A number for each split."""

    train: Annotated[int, Within(1, 100_000)]
    dev: Annotated[int, Within(1, 100_000)]
    test: Annotated[int, Within(1, 100_000)]

    def of(self, split: str) -> int:
        """Return the number of a split."""
        return int(getattr(self, split))


@dataclass(frozen=True)
class RoomRanges(_Checked):
    """Rooms, and where source and microphone are in them."""

    number: Annotated[int, Within(1, 1_000_000)]
    floor_m2: Annotated[Range, Within(1.0, 10_000.0)]
    height_m: Annotated[Range, Within(1.5, 50.0)]
    t60_s: Annotated[Range, Within(0.05, 10.0)]
    absorption: Annotated[Range, Within(0.01, 0.99)]
    distance_m: Annotated[Range, Within(0.1, 50.0)]
    image_order: Annotated[int, Within(1, 40)]
    counts: SplitCounts


@dataclass(frozen=True)
class MicrophoneRanges(_Checked):
    """Microphones."""

    highpass_hz: Annotated[Range, Within(1.0, 1000.0)]
    tilt_db: Annotated[Range, Within(-30.0, 30.0)]
    ripple_db: Annotated[Range, Within(0.0, 20.0)]


@dataclass(frozen=True)
class DirectivityRanges(_Checked):
    """Directivity indices of loudspeakers and talkers."""

    hz: Annotated[tuple[float, ...], Within(1.0, 8000.0)]
    loudspeaker_db: Annotated[tuple[float, ...], Within(-10.0, 40.0)]
    loudspeaker_offset_db: Annotated[Range, Within(-20.0, 20.0)]
    loudspeaker_scale: Annotated[Range, Within(0.0, 5.0)]
    omni_share: Annotated[float, Within(0.0, 1.0)]
    omni_scale: Annotated[Range, Within(0.0, 5.0)]
    talker_db: Annotated[tuple[float, ...], Within(-10.0, 40.0)]
    talker_offset_db: Annotated[Range, Within(-20.0, 20.0)]
    talker_scale: Annotated[Range, Within(0.0, 5.0)]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not len(self.hz) == len(self.loudspeaker_db) == len(self.talker_db) or not self.hz:
            raise ValueError("hz, loudspeaker_db and talker_db need one entry for each frequency")
        if list(self.hz) != sorted(set(self.hz)):
            raise ValueError("hz must rise")


@dataclass(frozen=True)
class LimiterRanges(_Checked):
    """Dynamic range compression of playback devices."""

    share: Annotated[float, Within(0.0, 1.0)]
    threshold_db: Annotated[Range, Within(-80.0, 0.0)]
    ratio: Annotated[Range, Within(1.0, 1000.0)]
    attack_s: Annotated[Range, Within(1e-4, 10.0)]
    release_s: Annotated[Range, Within(1e-4, 10.0)]


@dataclass(frozen=True)
class SmallLoudspeakers(_Checked):
    """What the parametric kinds have in common."""

    slope_db_octave: Annotated[Range, Within(1.0, 96.0)]
    ripple_db: Annotated[Range, Within(0.0, 20.0)]
    ripple_octaves: Annotated[Range, Within(0.01, 5.0)]
    resonances: Annotated[tuple[int, int], Within(0, 100)]
    resonance_db: Annotated[Range, Within(0.0, 40.0)]
    resonance_octaves: Annotated[Range, Within(0.01, 5.0)]
    treble_hz: Annotated[Range, Within(100.0, 8000.0)]
    treble_db: Annotated[Range, Within(-60.0, 60.0)]
    cells: Annotated[tuple[int, int], Within(1, 100)]
    devices: SplitCounts

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_width("slope_db_octave", self.slope_db_octave)
        columns, rows = self.cells
        missing = set(_CELL_SPLIT) - {split_of_cell(column, row) for column in range(columns) for row in range(rows)}
        if missing:
            raise ValueError(
                f"cells {columns} x {rows} leave the split {min(missing)} without a cell, and so without loudspeakers; "
                "give more of them"
            )


@dataclass(frozen=True)
class LoudspeakerKind(_Checked):
    """A kind of loudspeaker; one without ``corner_hz`` has measured responses."""

    share: Annotated[float, Within(0.0, 1.0)]
    excursion_hz: Annotated[Range, Within(10.0, 7900.0)]
    second_db: Annotated[Range, Within(-200.0, 0.0)]
    third_db: Annotated[Range, Within(-200.0, 0.0)]
    higher_below_db: Annotated[Range, Within(0.0, 100.0)]
    drive_db: Annotated[Range, Within(-60.0, 20.0)]
    corner_hz: Annotated[Range, Within(20.0, 4000.0)] | None = None
    own: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.corner_hz is not None:
            _check_width("corner_hz", self.corner_hz)


@dataclass(frozen=True)
class Recipe:
    """Everything from which a rendering follows, besides source and seed."""

    version: Annotated[int, Within(1, 1_000_000)]
    layout: Layout
    variants: Variants
    recorder: RecorderRanges
    codec: CodecUse
    placement: Placement
    background: Background
    television: Television
    rooms: RoomRanges
    microphone: MicrophoneRanges
    directivity: DirectivityRanges
    limiter: LimiterRanges
    small: SmallLoudspeakers
    loudspeakers: dict[str, LoudspeakerKind]

    def __post_init__(self) -> None:
        total = sum(kind.share for kind in self.loudspeakers.values())
        if abs(total - 1.0) > 1e-9:
            raise ValueError(f"the shares of the loudspeakers add up to {total:g}, expected 1")
        if self.television.kind not in self.loudspeakers:
            raise ValueError(f"television.kind is {self.television.kind!r}, expected one of the loudspeakers")
        if self.variants.own_playback and not any(kind.own for kind in self.loudspeakers.values()):
            raise ValueError("own_playback needs a kind of loudspeaker with own = true")

    def __hash__(self) -> int:
        """Return the hash of all values: recipes are keys of caches."""
        return hash(self.hash)

    @cached_property
    def hash(self) -> str:
        """Return the sha256 of all values, in hexadecimal; comments and the order of entries do not count."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=1)
def shipped_recipe() -> Recipe:
    """Return the recipe that comes with the program."""
    return from_tables(Recipe, load_tables(RECIPE_FILE), str(RECIPE_FILE))


def load_recipe(path: Path | None) -> Recipe:
    """Read a recipe: the entries of a file in place of those of the shipped one, which is what None gives.

    Raises
    ------
    UsageError
        If the file cannot be read, or an entry is unknown or not what it should be; nothing is rendered then.
    """
    if path is None:
        return shipped_recipe()
    tables: dict[str, Any] = load_tables(path)
    if not tables:
        raise UsageError(f"{path}: holds no entries; expected those of {RECIPE_FILE.name} that are to differ")
    return from_tables(Recipe, overlaid(load_tables(RECIPE_FILE), tables), str(path))
