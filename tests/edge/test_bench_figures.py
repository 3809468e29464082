"""Figures of durations, and what a machine tells of itself."""

import json
import os

import numpy as np
import pytest

from edge.bench.log_scale import LogScale, duration
from edge.bench.machine import cores_in_order, energy_uj, environment, machine, pinned, state
from edge.bench.measuring import _used
from edge.bench.statistics import BINS_PER_DECADE, bootstrap_ratio, histogram, summary
from edge.bench.timeline import decision_drawing
from edge.bench.writing import as_json
from edge.html_page import BOTTOM, HEIGHT


def test_a_summary_is_in_microseconds():
    found = summary(np.arange(1, 101) * 1000)
    assert found == {
        "n": 100, "mean_us": 50.5, "p50_us": 50.5, "p95_us": 95.05, "p99_us": 99.01, "max_us": 100.0, "jitter_us": 1.0,
    }  # fmt: skip


def test_jitter_is_between_neighbours():
    assert summary([1000, 1000, 9000, 9000])["jitter_us"] == pytest.approx(8 / 3, abs=1e-3)
    assert summary([1000])["jitter_us"] == 0


def test_a_histogram_holds_every_duration_in_its_bin():
    found = histogram([1_000, 1_001, 10_500])
    assert found["first_bin"] == 0
    assert found["counts"][0] == 2
    assert found["counts"][BINS_PER_DECADE] == 1
    assert sum(found["counts"]) == 3


def test_a_ratio_is_of_the_second_by_the_first():
    ratio = bootstrap_ratio([2.0] * 5, [3.0] * 5)
    assert ratio == (1.5, 1.5, 1.5)


def test_the_interval_of_a_ratio_covers_it_and_is_not_of_single_calls():
    draw = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        ratio = bootstrap_ratio(draw.lognormal(0, 0.1, 20), draw.lognormal(np.log(2), 0.1, 20))
        covered += ratio.low <= 2 <= ratio.high
    assert covered >= 180


def put(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_a_board_is_described(tmp_path):
    put(tmp_path, "proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n")
    put(tmp_path, "proc/meminfo", "MemTotal:        3884316 kB\n")
    put(tmp_path, "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")
    found = machine(tmp_path)
    assert found["processor"] == "implementer 0x41, part 0xd08"
    assert found["board"] == "Raspberry Pi 4 Model B Rev 1.4"
    assert found["memory_kib"] == 3884316
    assert "numpy" in environment()["versions"]


def test_what_slows_down_is_told(tmp_path):
    for core, count in ((0, 3), (1, 4)):
        put(tmp_path, f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor", "ondemand\n")
        put(tmp_path, f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq", "1500000\n")
        put(tmp_path, f"sys/devices/system/cpu/cpu{core}/thermal_throttle/core_throttle_count", f"{count}\n")
    put(tmp_path, "sys/class/thermal/thermal_zone0/temp", "48312\n")
    put(tmp_path, "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
    put(tmp_path, "sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n")
    found = state(tmp_path)
    assert found["firmware_throttled"] == 0x50005
    assert found["governors"] == ["ondemand"]
    assert found["frequencies_khz"] == [1500000, 1500000]
    assert found["throttled"] == 7
    assert found["temperatures_c"] == {"thermal_zone0 cpu-thermal": 48.312}


def test_a_kernel_that_tells_nothing_is_no_fault(tmp_path):
    found = state(tmp_path)
    assert (found["governors"], found["frequencies_khz"], found["throttled"]) == ([], [], None)
    assert found["firmware_throttled"] is None
    assert machine(tmp_path)["memory_kib"] is None
    assert energy_uj(tmp_path) == {}


def test_energy_is_of_packages_and_its_counter_may_begin_again(tmp_path):
    for zone, name, value in (("intel-rapl:0", "package-0", 900), ("intel-rapl:0:0", "core", 500)):
        put(tmp_path, f"sys/class/powercap/{zone}/energy_uj", f"{value}\n")
        put(tmp_path, f"sys/class/powercap/{zone}/max_energy_range_uj", "3999999\n")
        put(tmp_path, f"sys/class/powercap/{zone}/name", f"{name}\n")
    before = energy_uj(tmp_path)
    assert before == {"intel-rapl:0 package-0": (900, 3999999)}
    assert _used(before, {"intel-rapl:0 package-0": (2_000_900, 3999999)}) == {"intel-rapl:0 package-0": 2.0}
    assert _used({"a": (3_999_000, 3999999)}, {"a": (1_000_000 - 1_000, 3999999)}) == {"a": 1.0}


def test_a_core_that_is_not_there_is_not_taken_and_all_are_given_back():
    allowed = os.sched_getaffinity(0)
    with pinned(cores_in_order()[:1]) as done:
        assert done
        assert os.sched_getaffinity(0) == {max(allowed)}
    with pinned([100_000]) as done:
        assert not done
    with pinned([]) as done:
        assert not done
    assert os.sched_getaffinity(0) == allowed


def test_the_core_that_was_asked_for_is_first_and_the_others_follow(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 5})
    assert cores_in_order() == (5, 2, 1, 0)
    assert cores_in_order(1) == (1, 5, 2, 0)


@pytest.mark.parametrize(
    ("us", "text"), [(0.5, "0.5 \N{MICRO SIGN}s"), (999, "999 \N{MICRO SIGN}s"), (1e3, "1 ms"), (1e5, "0.1 s")]
)
def test_a_duration_is_told_in_its_unit(us, text):
    assert duration(us) == text


@pytest.mark.parametrize("durations", [[1.0], [3.8, 28_000.0], [0.0, 1e7], [10.0, 10.0]])
def test_everything_lies_on_its_scale_and_longer_is_higher(durations):
    scale = LogScale.around(durations)
    assert scale.low_us < scale.high_us
    heights = [scale.up(us) for us in sorted(durations)]
    assert heights == sorted(heights, reverse=True)
    assert scale.up(scale.low_us) == HEIGHT - BOTTOM
    assert all(scale.up(scale.high_us) <= height <= HEIGHT - BOTTOM for height in heights)


def test_a_file_has_lists_of_numbers_in_one_line_and_texts_as_they_were():
    found = {"a": [1, 2.5, None], "b": [{"c": [3]}], "d": ["x", "[ 1,  2 ]"], "e": []}
    text = as_json(found).decode()
    assert json.loads(text) == found
    assert '"a": [1, 2.5, null]' in text


@pytest.mark.parametrize(
    ("heard_s", "told"), [(2.85, "heard 100 ms after its end"), (2.7, "heard 50 ms before its end")]
)
def test_a_word_may_be_heard_before_its_end(heard_s, told):
    decision = {
        "word": "snowboy", "decision": "accept", "start_s": 2.0, "end_s": 2.75, "heard_s": heard_s, "decided_s": 2.95,
        "sound_ms": 200.0, "judging_ms": 2.0, "compute_ms": 3.0, "delay_ms": 203.0,
    }  # fmt: skip
    sound = {"seconds": 4.0, "step_ms": 10, "levels_dbfs": [-40] * 400}
    assert told in decision_drawing({"stages": {}}, decision, sound)
