"""A small world without recordings: synthetic speech, flat and tilted loudspeakers, a few rooms."""

import numpy as np
import pytest

from train.simulator.chain import Simulator
from train.simulator.loudspeakers import GRID_HZ, Curves, Loudspeakers
from train.simulator.noise import NoisePool
from train.simulator.recipe import shipped_recipe
from train.simulator.rooms import RoomBank, make_room


@pytest.fixture(scope="session")
def loudspeakers() -> Loudspeakers:
    """Two measured brands in each split, each with a tilt of its own."""
    splits = ("train", "dev", "test") * 2
    tilts_db = np.linspace(-3, 3, 6)
    on_axis = tilts_db[:, None] * (np.log2(GRID_HZ) - np.log2(1000))[None, :] / 3
    curves = Curves(
        tuple(f"Model {i}" for i in range(6)),
        tuple(f"brand{i}" for i in range(6)),
        splits,
        on_axis,
        np.full((6, GRID_HZ.size), 5.0),
    )
    return Loudspeakers(shipped_recipe(), curves)


@pytest.fixture(scope="session")
def bank() -> RoomBank:
    return RoomBank([make_room("dev", number) for number in range(24)])


@pytest.fixture(scope="session")
def simulator(bank: RoomBank, loudspeakers: Loudspeakers) -> Simulator:
    return Simulator("dev", bank, loudspeakers, NoisePool([]))
