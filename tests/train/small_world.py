"""Renderings by the real simulator, of synthetic words in few rooms, in the form in which renderings are cached."""

from typing import Any

import numpy as np

from tests.train.synthetic_speech import synthetic_word
from train.simulator.chain import LABELS, Simulator, clip_rng
from train.simulator.loudspeakers import GRID_HZ, Curves, Loudspeakers
from train.simulator.noise import NoisePool
from train.simulator.recipe import shipped_recipe
from train.simulator.rooms import RoomBank, make_room

_FIRST_WORD = {"train": 0, "dev": 1000, "test": 2000}
_WORDS = 40
_NAMES = ("loudspeaker", "brand", "room", "first_room", "kind", "variant", "limiter")


def curves() -> Curves:
    """Two measured brands in each split, each with a tilt of its own."""
    tilts_db = np.linspace(-3, 3, 6)
    return Curves(
        tuple(f"Model {i}" for i in range(6)),
        tuple(f"brand{i}" for i in range(6)),
        ("train", "dev", "test") * 2,
        tilts_db[:, None] * (np.log2(GRID_HZ) - np.log2(1000))[None, :] / 3,
        np.full((6, GRID_HZ.size), 5.0),
    )


def small_simulator(split: str, rooms: int = 24) -> Simulator:
    """Return a simulator of one split."""
    bank = RoomBank([make_room(split, number) for number in range(rooms)])
    return Simulator(split, bank, Loudspeakers(shipped_recipe(), curves()), NoisePool([]))


def whole_renderings(split: str, n: int, *, simulator: Simulator | None = None) -> dict[str, np.ndarray]:
    """Return whole clips, live and replayed renderings of the same words in turn."""
    simulator = simulator or small_simulator(split)
    rows: dict[str, list[Any]] = {}
    samples = []
    for number in range(n):
        word = _FIRST_WORD[split] + number // 2 % _WORDS
        source = f"{split}/{word}.flac"
        label = LABELS[number % 2]
        one = simulator.render(synthetic_word(word), label, clip_rng(source, 3, number))
        samples.append(one.samples)
        row = {
            "live": np.int8(label == "live"), "size": one.samples.size,
            "speech_start": one.speech_start, "speech_stop": one.speech_stop,
            "talker": f"corpus/{word}", "source": source, "corpus": f"corpus{word % 3}",
            "noise": str(one.conditions["noise"]), **{name: str(one.conditions[name]) for name in _NAMES},
        }  # fmt: skip
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    return {"samples": np.concatenate(samples), **{name: np.array(values) for name, values in rows.items()}}
