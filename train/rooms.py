"""Simulated rooms: impulse responses from a source to the device's microphone, disjoint by split.

Early reflections by the image source method (pyroomacoustics [1]_), the late tail as noise that decays with the
room's T60. Reverberation times are drawn to fit the room: a small furnished room cannot ring for a second.

References
----------
.. [1] R. Scheibler et al., "Pyroomacoustics", ICASSP 2018.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.events import SAMPLE_RATE_HZ
from train.shards import Arrays, build_shards

__all__ = ["ROOMS_VERSION", "RoomBank", "RoomResponse", "load_room_bank"]

ROOMS_VERSION = 1
_ROOMS_PER_SHARD = 25
_ROOMS = {"train": 400, "dev": 125, "test": 150}
_SEEDS = {"train": 11, "dev": 12, "test": 13}
_POSITIONS = 2
_LENGTH = SAMPLE_RATE_HZ
_MAX_ORDER = 10
_SPEED_OF_SOUND = 343.0


@dataclass(frozen=True, slots=True)
class RoomResponse:
    """Impulse response of one source position in one room."""

    response: npt.NDArray[np.float32]
    """``(n,)``; the direct sound is the first sample and has unit gain: level is not the room's business."""
    room: str
    """Id of the room; the positions in one room share it."""
    distance_m: float
    """From source to microphone, m."""
    t60_s: float
    """Reverberation time that was asked for, s."""
    floor_m2: float
    """Floor area, m2."""


def _draw_room(rng: np.random.Generator) -> tuple[np.ndarray, float]:
    area = float(np.exp(rng.uniform(np.log(4), np.log(35))))
    aspect = rng.uniform(1.0, 1.9)
    size = np.array([np.sqrt(area * aspect), np.sqrt(area / aspect), rng.uniform(2.3, 3.3)])
    surface = 2 * (size[0] * size[1] + size[0] * size[2] + size[1] * size[2])
    # Sabine with a mean absorption from hard (0.1) to furnished (0.5): what the room allows.
    absorption = np.exp(rng.uniform(np.log(0.1), np.log(0.5)))
    t60 = 0.161 * size.prod() / (surface * absorption)
    return size, float(np.clip(t60, 0.1, 1.0))


def _respond(size: np.ndarray, t60: float, source: np.ndarray, microphone: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    import pyroomacoustics

    absorption, _ = pyroomacoustics.inverse_sabine(t60, size)
    room = pyroomacoustics.ShoeBox(
        size, fs=SAMPLE_RATE_HZ, materials=pyroomacoustics.Material(min(0.99, absorption)), max_order=_MAX_ORDER
    )
    room.add_source(source)
    room.add_microphone(microphone)
    room.compute_rir()
    early = np.asarray(room.rir[0][0], np.float64)
    distance = float(np.linalg.norm(source - microphone))
    # The fractional delay filter of the simulator begins 40 samples before the arrival.
    direct = round(distance / _SPEED_OF_SOUND * SAMPLE_RATE_HZ) + 40
    gain = np.max(np.abs(early[max(0, direct - 3) : direct + 4]))
    response = np.zeros(_LENGTH + direct)
    response[: min(early.size, response.size)] = early[: response.size] / gain
    response = response[max(0, direct - 2) :][:_LENGTH]
    # The image method stops at its order: from there on the tail is noise with the level that the decay has
    # reached, so that the response rings as long as the room should.
    complete = min(_LENGTH, round(_MAX_ORDER * 0.6 * float(size.min()) / _SPEED_OF_SOUND * SAMPLE_RATE_HZ))
    seam = min(complete, round(0.6 * t60 * SAMPLE_RATE_HZ))
    window = response[max(0, seam - 400) : seam]
    level = float(np.sqrt(np.mean(window**2))) if window.size else 0.0
    time = np.arange(_LENGTH - seam) / SAMPLE_RATE_HZ
    decay = 10 ** (-3 * time / t60)
    response[seam:] = rng.standard_normal(time.size) * decay * level
    keep = min(_LENGTH, max(seam, round(1.1 * t60 * SAMPLE_RATE_HZ)))
    response[keep:] = 0
    return response.astype(np.float32)


def _make_shard(index: int, *, seed: int) -> Arrays:
    responses, about, numbers = [], [], []
    for number in range(index * _ROOMS_PER_SHARD, (index + 1) * _ROOMS_PER_SHARD):
        rng = np.random.default_rng([seed, number])
        size, t60 = _draw_room(rng)
        margin = 0.25
        microphone = rng.uniform(margin, size - margin)
        microphone[2] = rng.uniform(0.5, 1.5)
        for _ in range(_POSITIONS):
            for _attempt in range(100):
                source = rng.uniform(margin, size - margin)
                source[2] = rng.uniform(0.6, 1.9)
                distance = float(np.linalg.norm(source - microphone))
                if 0.25 <= distance <= 5.0:
                    break
            responses.append(_respond(size, t60, source, microphone, rng))
            about.append([distance, t60, size[0] * size[1]])
            numbers.append(number)
    return {
        "response": np.stack(responses).astype(np.float16),
        "about": np.array(about, np.float32),
        "room": np.array(numbers, np.int32),
    }


class RoomBank:
    """The rooms of one split.

    Parameters
    ----------
    split : str
        ``train``, ``dev`` or ``test``; no two splits share a room.
    arrays : dict
        ``response`` ``(n, 16000) float16``, ``about`` ``(n, 3)`` distance, T60, floor area, ``room`` ``(n,)``.
    """

    def __init__(self, split: str, arrays: Arrays) -> None:
        self._split = split
        self._arrays = arrays

    def __len__(self) -> int:
        """Return the number of responses."""
        return len(self._arrays["room"])

    def _get(self, index: int) -> RoomResponse:
        distance, t60, area = (float(value) for value in self._arrays["about"][index])
        response = self._arrays["response"][index].astype(np.float32)
        length = np.flatnonzero(response)[-1] + 1
        room = f"{self._split}-{self._arrays['room'][index]:04d}"
        return RoomResponse(response[:length], room, distance, t60, area)

    def draw(self, rng: np.random.Generator) -> RoomResponse:
        """Draw one position in one room."""
        return self._get(int(rng.integers(len(self))))

    def draw_pair(self, rng: np.random.Generator) -> tuple[RoomResponse, RoomResponse]:
        """Draw two source positions in one room, for one microphone: a talker and a television."""
        room = int(rng.integers(len(self) // _POSITIONS))
        first = int(rng.integers(_POSITIONS))
        return self._get(room * _POSITIONS + first), self._get(room * _POSITIONS + (first + 1) % _POSITIONS)


def load_room_bank(cache: Path, split: str, *, workers: int | None = None) -> RoomBank:
    """Simulate the rooms of a split, or read them from the cache."""
    settings = {"version": ROOMS_VERSION, "split": split, "rooms": _ROOMS[split], "seed": _SEEDS[split]}
    make = partial(_make_shard, seed=_SEEDS[split])
    return RoomBank(split, build_shards(cache, f"rooms-{split}", settings, _ROOMS[split] // _ROOMS_PER_SHARD, make, workers=workers))
