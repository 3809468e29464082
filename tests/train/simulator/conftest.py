"""A small world without recordings: synthetic speech, flat and tilted loudspeakers, a few rooms."""

import pytest

from tests.train.small_world import small_simulator
from train.simulator.chain import Simulator
from train.simulator.loudspeakers import Loudspeakers
from train.simulator.rooms import RoomBank


@pytest.fixture(scope="session")
def simulator() -> Simulator:
    return small_simulator("dev")


@pytest.fixture(scope="session")
def loudspeakers(simulator: Simulator) -> Loudspeakers:
    return simulator.loudspeakers


@pytest.fixture(scope="session")
def bank(simulator: Simulator) -> RoomBank:
    return simulator.bank
