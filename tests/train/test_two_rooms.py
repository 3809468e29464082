"""Words through one room and through two differ in that alone, and are compared as pairs."""

from pathlib import Path

import numpy as np
import pytest

from edge.endpoint import LOOK_BACK_SAMPLES
from edge.manifest_file import COLUMNS
from tests.train.small_world import small_simulator
from tests.train.synthetic_speech import synthetic_word
from train import two_rooms
from train.clip import Clip
from train.engines.choice import Engine
from train.population import Population
from train.two_rooms import build_room_pairs, compare_rooms

ALONE = Engine(workers=1)


def _pairs(accepted: list[tuple[bool, bool]]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    n = len(accepted)
    clips = {
        "talker": np.repeat([f"t{i % 5}" for i in range(n)], 2),
        "room": np.repeat([f"r{i % 4}" for i in range(n)], 2),
    }
    return clips, np.array(accepted).ravel()


def test_the_difference_is_two_rooms_less_one():
    found = compare_rooms(
        *_pairs([(True, True)] * 10 + [(True, False)] * 6 + [(False, True)] * 2 + [(False, False)] * 2)
    )
    assert (found["pairs"], found["one_room"], found["two_rooms"]) == (20, 16 / 20, 12 / 20)
    assert found["difference"] == pytest.approx(-0.2)
    assert not found["at_least_as_often"]
    low, high = found["difference_interval_95"]
    assert low < -0.2 < high


def test_words_that_are_lost_in_the_second_room_are_noticed():
    found = compare_rooms(*_pairs([(True, False)] * 39 + [(True, True)]))
    assert found["significantly_less_often"]
    assert not compare_rooms(*_pairs([(False, True)] * 39 + [(True, True)]))["significantly_less_often"]


def test_pairs_that_all_agree_are_not_certainty():
    found = compare_rooms(*_pairs([(True, True)] * 30))
    low, high = found["difference_interval_95"]
    assert found["difference"] == 0
    assert found["at_least_as_often"]
    # Thirty pairs, of four rooms.
    assert (low, high) == pytest.approx((0.025 ** (1 / 4) - 1, 1 - 0.025 ** (1 / 4)))


@pytest.fixture
def world(monkeypatch, tmp_path):
    clips = [Clip(f"{i}.flac", Path(), "c", f"s{i}", "dev", "wake", "w", 1.0, 16000, "CC0-1.0") for i in range(3)]
    simulator = small_simulator("dev", rooms=6)
    monkeypatch.setattr(two_rooms, "world", lambda *_: (clips, simulator))
    monkeypatch.setattr(two_rooms, "read_clip", lambda clip: synthetic_word(int(clip.path[0])))
    rows = [",".join(COLUMNS), "0.flac,c,s0,dev,wake,w,1,16000,CC0-1.0"]
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    return tmp_path, clips


def test_rows_come_in_pairs_that_differ_in_the_first_room_alone(world):
    folder, _ = world
    pairs = build_room_pairs(folder, Population.of_split("dev"), folder / "cache", pairs=5, seed=1, engine=ALONE)
    assert pairs["audio"].shape == (10, LOOK_BACK_SAMPLES)
    assert pairs["variant"].tolist() == ["plain", "two_rooms"] * 5
    for name in ("talker", "room", "source", "audio_size"):
        assert pairs[name][::2].tolist() == pairs[name][1::2].tolist()
    assert all(not np.array_equal(one, two) for one, two in zip(pairs["audio"][::2], pairs["audio"][1::2], strict=True))
