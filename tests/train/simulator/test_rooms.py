import numpy as np
import pytest
import scipy.signal

from edge.errors import DataError
from train.simulator.rooms import (
    DIRECT_SAMPLE,
    RoomBank,
    load_room_bank,
    make_room,
    reverberation_time_s,
)


def test_reverberation_time_of_an_exponential_decay_is_exact():
    t = np.arange(16000) / 16000
    decay = np.random.default_rng(0).standard_normal(16000) * 10 ** (-3 * t / 0.4)
    assert reverberation_time_s(decay) == pytest.approx(0.4, rel=0.03)


def test_rendered_rooms_have_the_reverberation_time_they_claim(bank: RoomBank):
    band = scipy.signal.butter(4, (500, 2000), "bandpass", fs=16000, output="sos")
    misses = []
    for pair in bank.rooms:
        for room in pair:
            if room.t60_s >= 0.2:
                measured_s = reverberation_time_s(scipy.signal.sosfilt(band, room.late()), DIRECT_SAMPLE)
                misses.append(measured_s / room.t60_s - 1)
    assert len(misses) >= 20
    assert np.abs(misses).max() < 0.15


def test_direct_sound_is_one_sample_of_height_one_at_its_place(bank: RoomBank):
    for pair in bank.rooms:
        for room in pair:
            assert np.sum(room.response[: DIRECT_SAMPLE - 25] ** 2) < 0.1
            assert np.sum(room.response[DIRECT_SAMPLE - 25 :] ** 2) > 0.9
            assert room.response[DIRECT_SAMPLE] - room.late()[DIRECT_SAMPLE] == pytest.approx(1.0, abs=1e-6)


def test_reverberation_grows_with_distance_as_the_direct_sound_falls(bank: RoomBank):
    room = bank.rooms[0][0]
    near, far = room.at_distance(0.2), room.at_distance(0.4)
    ratio = np.sum(far.late() ** 2) / np.sum(near.late() ** 2)
    assert 10 * np.log10(ratio) == pytest.approx(6.02, abs=0.01)


def test_rooms_near_the_critical_distance_have_as_much_late_as_direct_energy(bank: RoomBank):
    # Diffuse-field theory (Kuttruff, Room Acoustics): r_c = 0.057 sqrt(V / T60). Single rooms deviate by some
    # decibels; the median over rooms must not.
    misses_db = []
    for pair in bank.rooms:
        for room in pair:
            critical_m = 0.057 * np.sqrt(room.volume_m3 / room.t60_s)
            ratio = np.sum(room.late() ** 2) / (room.distance_m / critical_m) ** 2
            misses_db.append(10 * np.log10(ratio))
    assert abs(np.median(misses_db)) < 3


def test_splits_have_rooms_of_their_own():
    rooms = {split: make_room(split, 3)[0] for split in ("train", "dev", "test")}
    assert len({room.room for room in rooms.values()}) == 3
    assert len({(room.volume_m3, room.t60_s, room.distance_m) for room in rooms.values()}) == 3


def test_bank_from_cache_is_the_one_that_was_made(tmp_path):
    made = load_room_bank(tmp_path, "test", rooms=2)
    read = load_room_bank(tmp_path, "test", rooms=2)
    for a, b in zip(made.rooms, read.rooms, strict=True):
        np.testing.assert_array_equal(a[1].response, b[1].response)
        assert (a[1].room, a[1].t60_s, a[1].distance_m) == (b[1].room, b[1].t60_s, b[1].distance_m)
    np.testing.assert_array_equal(made.rooms[1][0].response, make_room("test", 1)[0].response)


def test_damaged_cache_is_named(tmp_path):
    load_room_bank(tmp_path, "test", rooms=1)
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(DataError, match="delete it"):
        load_room_bank(tmp_path, "test", rooms=1)
