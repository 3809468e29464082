"""Rooms: banks of room impulse responses, one for each split, made once and kept on disk.

Early reflections come from the image-source method (pyroomacoustics), the late field is decaying noise, and
the decay is set in three bands, since real rooms damp treble sooner than bass. Every room has two source
positions: one for who speaks (or plays the replay), one for what else sounds in the room.
"""

import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.fft
from tqdm import tqdm

from edge.errors import DataError
from edge.files import write_whole
from edge.sample_time import SAMPLE_RATE_HZ
from train.shards import cache_key
from train.simulator.recipe import RoomRanges, shipped_recipe

__all__ = [
    "DIRECT_SAMPLE",
    "RoomBank",
    "RoomResponse",
    "load_room_bank",
    "make_room",
    "reverberation_time_s",
]

DIRECT_SAMPLE = 40
"""Where the direct sound lies in every response: band-limited reflections close to it begin before it."""

_SEED = 20_201_117
_SPLIT_NUMBER = {"train": 1, "dev": 2, "test": 3}
_SOUND_M_S = 343.0
_CROSSOVERS_HZ = (500.0, 2000.0)
_DECAY = 3.0 * np.log(10.0)  # amplitude falls by exp(-_DECAY) in one T60
_LENGTH_T60 = 0.8  # responses end 48 dB down: below the quietest noise floor of the recipe


@dataclass(frozen=True, slots=True)
class RoomResponse:
    """Impulse response from one source position to the device's microphone, both without directivity.

    Attributes
    ----------
    response : float32 array, shape (n,)
        The direct sound is one sample of height 1 at :data:`DIRECT_SAMPLE`; the loss over the distance is
        left out.
    room : str
        Id of the room, e.g. ``train-0017``.
    t60_s : float
        Reverberation time at 0.5-2 kHz, s.
    distance_m : float
        From source to microphone, m.
    volume_m3 : float
        Of the room, cubic metres.
    """

    response: npt.NDArray[np.float32]
    room: str
    t60_s: float
    distance_m: float
    volume_m3: float

    def late(self) -> npt.NDArray[np.float32]:
        """Return the response without the direct sound."""
        late = self.response.copy()
        late[DIRECT_SAMPLE] -= 1.0
        return late

    def at_distance(self, distance_m: float) -> "RoomResponse":
        """Return the response for a source at another distance.

        Against a direct sound of 1 the reverberant field grows with the distance; its fine structure is kept.
        """
        response = self.late() * np.float32(distance_m / self.distance_m)
        response[DIRECT_SAMPLE] += 1.0
        return RoomResponse(response, self.room, self.t60_s, distance_m, self.volume_m3)


def reverberation_time_s(response: npt.NDArray[np.floating], start: int = 0) -> float:
    """Estimate the reverberation time of an impulse response.

    Parameters
    ----------
    response : float array, shape (n,)
    start : int
        Sample from which on energy is counted: behind a dominant direct sound, that is no part of the decay.

    Returns
    -------
    float
        Time for 60 dB, s, from the slope between -5 and -25 dB of the backward-integrated energy (Schroeder
        1965; T20 of ISO 3382-1).
    """
    energy = np.cumsum(np.square(response[start:], dtype=np.float64)[::-1])[::-1]
    decay_db = 10.0 * np.log10(np.maximum(energy, 1e-30 * energy[0] + 1e-300) / (energy[0] + 1e-300))
    first, last = np.searchsorted(-decay_db, (5.0, 25.0))
    if last - first < 3:
        return float(60.0 * max(1, last) / 25.0 / SAMPLE_RATE_HZ)
    t = np.arange(first, last)
    slope = np.polyfit(t, decay_db[first:last], 1)[0]
    return float(-60.0 / slope / SAMPLE_RATE_HZ)


def _bands(samples: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """Split into three bands without phase shift; they add up to the input."""
    size = scipy.fft.next_fast_len(samples.size + 2048, real=True)
    spectrum = scipy.fft.rfft(samples, size)
    octave = np.log2(np.maximum(scipy.fft.rfftfreq(size, 1.0 / SAMPLE_RATE_HZ), 1.0))
    above = [np.sin(np.clip((octave - np.log2(f)) / 1.0 + 0.5, 0.0, 1.0) * np.pi / 2) ** 2 for f in _CROSSOVERS_HZ]
    weights = [1.0 - above[0], above[0] - above[1], above[1]]
    return [scipy.fft.irfft(spectrum * weight, size)[: samples.size] for weight in weights]


def _set_decay(late: npt.NDArray[np.float64], t60_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Give each band of the late field its reverberation time; the first reflections stay as loud."""
    t = np.maximum(0.0, np.arange(late.size) - DIRECT_SAMPLE) / SAMPLE_RATE_HZ
    result = np.zeros_like(late)
    for band, target_s in zip(_bands(late), t60_s, strict=True):
        shaped = band
        for _ in range(3):
            measured_s = reverberation_time_s(shaped, DIRECT_SAMPLE)
            rate = np.clip(1.0 / target_s - 1.0 / max(measured_s, 0.02), -12.0, 40.0)
            shaped = shaped * np.exp(-_DECAY * t * rate)
        result += shaped
    return result


def _place(
    rng: np.random.Generator,
    distance_m: tuple[float, float],
    size_m: npt.NDArray[np.float64],
    microphone_m: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Draw a source position: distance first (log-uniform), so that near and far both occur in every room."""
    margin = 0.12
    for _ in range(400):
        distance = np.exp(rng.uniform(*np.log(distance_m)))
        elevation = rng.uniform(-0.4, 0.5)
        azimuth = rng.uniform(0.0, 2.0 * np.pi)
        step = distance * np.array(
            [np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)]
        )
        position: npt.NDArray[np.float64] = microphone_m + step
        if np.all(position > margin) and np.all(position < size_m - margin):
            return position
    return np.clip(microphone_m + np.array([0.0, 0.2, 0.1]), margin, size_m - margin)


def make_room(split: str, number: int, ranges: RoomRanges | None = None) -> tuple[RoomResponse, RoomResponse]:
    """Make one room with two source positions.

    Parameters
    ----------
    split : str
        ``train``, ``dev`` or ``test``: each has rooms of its own.
    number : int
        Number of the room within the split.
    ranges : RoomRanges, optional
        Those of the shipped recipe by default.

    Returns
    -------
    tuple of two RoomResponse
    """
    import pyroomacoustics

    ranges = ranges or shipped_recipe().rooms
    rng = np.random.default_rng([_SEED, ranges.number, _SPLIT_NUMBER[split], number])
    floor_m2 = ranges.floor_m2[0] + (ranges.floor_m2[1] - ranges.floor_m2[0]) * rng.random() ** 1.5
    aspect = rng.uniform(0.5, 1.0)
    size_m = np.array([np.sqrt(floor_m2 / aspect), np.sqrt(floor_m2 * aspect), rng.uniform(*ranges.height_m)])
    volume_m3 = float(size_m.prod())
    surface_m2 = 2.0 * float(size_m[0] * size_m[1] + size_m[0] * size_m[2] + size_m[1] * size_m[2])
    # Eyring's formula, both ways: which T60 this room can have, and the absorption that gives the one drawn.
    shortest_s, longest_s = (
        0.161 * volume_m3 / (-surface_m2 * np.log1p(-absorption)) for absorption in reversed(ranges.absorption)
    )
    low_s, high_s = np.clip((shortest_s, longest_s), *ranges.t60_s)
    t60_s = float(np.exp(rng.uniform(np.log(low_s), np.log(high_s))))
    absorption = -np.expm1(-0.161 * volume_m3 / (surface_m2 * t60_s))
    microphone_m = np.array(
        [
            rng.uniform(0.15, size_m[0] - 0.15),
            rng.uniform(0.15, size_m[1] - 0.15),
            rng.uniform(0.4, min(1.7, size_m[2] - 0.3)),
        ]
    )
    positions = [_place(rng, ranges.distance_m, size_m, microphone_m) for _ in range(2)]
    reflected = pyroomacoustics.ShoeBox(
        size_m, fs=SAMPLE_RATE_HZ, materials=pyroomacoustics.Material(absorption), max_order=ranges.image_order
    )
    direct = pyroomacoustics.ShoeBox(
        size_m, fs=SAMPLE_RATE_HZ, materials=pyroomacoustics.Material(absorption), max_order=0
    )
    for room in (reflected, direct):
        for position in positions:
            room.add_source(position)
        room.add_microphone(microphone_m)
        room.compute_rir()
    band_t60_s = t60_s * np.array([rng.uniform(0.8, 1.4), 1.0, rng.uniform(0.5, 0.95)])
    length = DIRECT_SAMPLE + int(max(0.1, _LENGTH_T60 * band_t60_s.max()) * SAMPLE_RATE_HZ)
    # Image orders up to the limit are complete until about here; from here on the field is diffuse noise.
    mixing_s = min(0.8 * ranges.image_order * float(size_m.min()) / _SOUND_M_S, 0.5 * length / SAMPLE_RATE_HZ)
    results = []
    for i, position in enumerate(positions):
        distance_m = float(np.linalg.norm(position - microphone_m))
        full = np.asarray(reflected.rir[0][i], np.float64)
        first = np.asarray(direct.rir[0][i], np.float64)
        gain = np.sqrt(np.sum(first**2))
        full[: first.size] -= first[: full.size]
        arrival = int(np.argmax(np.abs(first)))
        early = np.zeros(length)
        cut = full[max(0, arrival - DIRECT_SAMPLE) :][:length] / gain
        offset = max(0, DIRECT_SAMPLE - arrival)
        cut = cut[: length - offset]
        early[offset : offset + cut.size] = cut
        t = (np.arange(length) - DIRECT_SAMPLE) / SAMPLE_RATE_HZ
        decay = np.exp(-_DECAY * np.maximum(t, 0.0) / t60_s)
        window = (t > 0.5 * mixing_s) & (t <= mixing_s)
        level = np.sqrt(np.mean(early[window] ** 2) / np.mean(decay[window] ** 2))
        late_share = np.clip((t - mixing_s) / 0.01 + 0.5, 0.0, 1.0) * np.pi / 2
        tail = rng.standard_normal(length) * decay * level
        late = _set_decay(early * np.cos(late_share) + tail * np.sin(late_share), band_t60_s)
        late[length - 200 :] *= np.linspace(1.0, 0.0, 200)
        late[DIRECT_SAMPLE] += 1.0
        results.append(RoomResponse(late.astype(np.float32), f"{split}-{number:04d}", t60_s, distance_m, volume_m3))
    return results[0], results[1]


class RoomBank:
    """Rooms of one split.

    Parameters
    ----------
    rooms : list of pairs of RoomResponse
        The two positions of each room.
    """

    def __init__(self, rooms: list[tuple[RoomResponse, RoomResponse]]) -> None:
        if not rooms:
            raise ValueError("a room bank needs at least one room")
        self.rooms = rooms

    def __len__(self) -> int:
        return len(self.rooms)

    def draw_pair(self, rng: np.random.Generator) -> tuple[RoomResponse, RoomResponse]:
        """Draw a room and return its two positions, in either order."""
        first, second = self.rooms[rng.integers(len(self.rooms))]
        return (first, second) if rng.random() < 0.5 else (second, first)

    def draw_pair_at(self, rng: np.random.Generator, distance_m: float) -> tuple[RoomResponse, RoomResponse]:
        """Draw a room in which a source may stand at about a given distance.

        Of 16 drawn rooms, the position that is nearest to the distance is taken, and moved there by at most a
        factor of 1.5, or any way towards the microphone: further out, early reflections would not be those of
        that place.

        Returns
        -------
        tuple of two RoomResponse
            The source, and the other position in its room.
        """
        pairs = [self.draw_pair(rng) for _ in range(16)]
        miss = [abs(np.log(pair[0].distance_m / distance_m)) for pair in pairs]
        source, other = pairs[int(np.argmin(miss))]
        return source.at_distance(min(distance_m, 1.5 * source.distance_m)), other

    def draw(self, rng: np.random.Generator) -> RoomResponse:
        """Draw one position in one room."""
        return self.draw_pair(rng)[0]


_FIELDS = ("t60_s", "distance_m", "volume_m3")


def _write(path: Path, rooms: list[tuple[RoomResponse, RoomResponse]]) -> None:
    flat = [position for pair in rooms for position in pair]
    arrays = {
        "samples": np.concatenate([position.response for position in flat]),
        "lengths": np.array([position.response.size for position in flat]),
        "room": np.array([position.room for position in flat]),
        **{name: np.array([getattr(position, name) for position in flat]) for name in _FIELDS},
    }
    try:
        write_whole(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]
    except OSError as error:
        raise DataError(
            f"{path}: the room bank cannot be written ({error.strerror}); make space or give another --cache"
        ) from error


def _read(path: Path) -> list[tuple[RoomResponse, RoomResponse]]:
    try:
        with path.open("rb") as file, np.load(file) as data:
            parts = np.split(data["samples"], np.cumsum(data["lengths"])[:-1])
            flat = [
                RoomResponse(part, str(room), float(t60_s), float(distance_m), float(volume_m3))
                for part, room, t60_s, distance_m, volume_m3 in zip(
                    parts, data["room"], *(data[name] for name in _FIELDS), strict=True
                )
            ]
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: the room bank cannot be read ({error}); delete it, and it is made again") from error
    return list(zip(flat[::2], flat[1::2], strict=True))


def load_room_bank(
    cache: Path | str, split: str, *, rooms: int | None = None, ranges: RoomRanges | None = None
) -> RoomBank:
    """Return the rooms of a split, making them first if they are not in the cache (about 10 ms a room).

    Parameters
    ----------
    cache : Path or str
        Folder for derived files; made if absent.
    split : str
        ``train``, ``dev`` or ``test``.
    rooms : int, optional
        How many; those of the ranges by default.
    ranges : RoomRanges, optional
        Those of the shipped recipe by default.

    Raises
    ------
    DataError
        If the cache cannot be written, or what it holds cannot be read.
    """
    ranges = ranges or shipped_recipe().rooms
    count = ranges.counts.of(split) if rooms is None else rooms
    values = {name: value for name, value in asdict(ranges).items() if name != "counts"}
    path = Path(cache) / f"rooms-{cache_key(values)}-{split}-{count}.npz"
    if not path.exists():
        numbers = tqdm(range(count), desc=f"rooms {split}", unit="room", disable=count < 50)
        _write(path, [make_room(split, number, ranges) for number in numbers])
    return RoomBank(_read(path))
