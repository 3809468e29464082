"""The rule, the differences and the table of compared variants, on figures that are known."""

import numpy as np
import pytest

from train.compression_report import differences, table, winner
from train.compression_scores import LivenessJudge, WakeJudge, parity
from train.compression_speed import time_alternately
from train.compression_variants import VARIANTS, chosen_variants
from train.metrics import equal_error_rate


def _figures(eer, gzip):
    return {"eer_int8": eer, "gzip_bytes": gzip}


def test_the_smallest_within_a_tenth_of_a_point_wins():
    found = {"dense": _figures(0.2, 90), "a": _figures(0.2009, 60), "b": _figures(0.2012, 30)}
    assert winner(found) == "a"
    assert winner({**found, "b": _figures(0.2010, 30)}) == "b"


def test_of_equal_sizes_the_better_one_wins():
    assert winner({"dense": _figures(0.2005, 60), "a": _figures(0.2, 60)}) == "a"


def test_what_was_given_neither_wins_nor_sets_the_bar():
    found = {"dense": _figures(0.2, 90), "a": _figures(0.2005, 60), "given": _figures(0.1, 10)}
    assert winner(found) == "a"


def test_asking_for_one_brings_what_it_needs():
    assert [variant.name for variant in chosen_variants(["pqat"])] == ["dense", "magnitude50", "pqat"]
    assert [variant.name for variant in chosen_variants(None)] == list(VARIANTS)


def _clips(n=400):
    live = np.arange(n) % 2 == 0
    return {"cues": np.zeros((n, 2, 2), np.uint8), "live": live, "talker": np.array([f"t{i // 20}" for i in range(n)])}


def _logits(clips, separation, seed):
    noise = np.random.default_rng(seed).normal(size=clips["live"].size)
    return (separation * (2 * clips["live"] - 1.0) + noise).astype(np.float32)[:, None, None]


def test_differences_are_of_the_same_clips_and_have_a_sign():
    clips = _clips()
    judge = LivenessJudge(clips)
    same, worse = _logits(clips, 1.0, 1), _logits(clips, 0.3, 1)
    found = differences(
        {"dense": {"int8": same}, "same": {"int8": same}, "worse": {"int8": worse}},
        judge.equal_error,
        judge.clusters,
        rounds=50,
    )
    assert found.keys() == {"same", "worse"}
    # The same clips in every resample: nothing differs, and 20 talkers say so, no more.
    reach = 100 * (1 - 0.025 ** (1 / 20))
    assert found["same"] == {"points": 0.0, "interval_95": pytest.approx([-reach, reach])}
    live = clips["live"]
    plain = [equal_error_rate(x[live, 0, 0], x[~live, 0, 0]) for x in (worse, same)]
    assert found["worse"]["points"] == pytest.approx(100 * (plain[0] - plain[1]))
    low, high = found["worse"]["interval_95"]
    assert 0 < low < found["worse"]["points"] < high


def test_the_score_of_a_scene_is_smoothed_as_the_device_does():
    spec = {"smoothing_steps": 2, "words": [{"id": "a"}]}
    scenes = {
        "features": np.zeros((2, 9, 40), np.int8),
        "word": np.array([0, -1]),
        "talker": np.array(["ann", ""]),
    }
    judge = WakeJudge(scenes, spec)
    logit = lambda p: np.log(p / (1 - p))  # noqa: E731
    # 0.9 stands alone at the first run, and counts half: before it the device holds zeros.
    said = logit(np.array([[0.9, 0.1, 0.6, 0.7], [0.1, 0.1, 0.8, 0.1]])).astype(np.float32)[:, :, None]
    assert judge._scores(said)[:, 0] == pytest.approx([0.65, 0.45])
    assert judge.equal_error(said, np.arange(2)) == 0
    assert judge.told(said) == {"recall_at_1_percent_of_other_scenes": 1.0}
    assert judge.clusters == ["ann", "scene 1"]


def test_parity_in_the_unit_of_the_logits():
    exact = np.array([-1.0, 1.0, 3.0, 0.1], np.float32)[:, None, None]
    found = parity(exact + np.float32(-0.2), exact)
    assert found["rms_difference"] == pytest.approx(0.2, abs=1e-6)
    assert found["rms_share"] == pytest.approx(0.2 / exact.std(), rel=1e-5)
    assert found["agreement"] == 0.75


class _Slow:
    """A network that takes a given time, by a clock that only it moves."""

    inputs: dict = {}  # noqa: RUF012

    def __init__(self, clock, seconds):
        self._clock, self._seconds = clock, seconds

    def run(self, inputs):
        self._clock[0] += self._seconds


def test_the_fastest_turn_is_what_a_network_takes(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("train.compression_speed.time.perf_counter", lambda: clock[0])
    slow, fast = time_alternately([_Slow(clock, 2e-3), _Slow(clock, 1e-3)], rounds=3)
    assert (slow["fastest_us"], slow["ratio"]) == (pytest.approx(2000), 1.0)
    assert (fast["fastest_us"], fast["ratio"]) == (pytest.approx(1000), 0.5)


def test_the_table_holds_what_was_measured():
    entry = {
        "eer_int8": 0.2, "eer_float": 0.19, "bytes": 85_400, "gzip_bytes": 51_500, "zeros": 0.396,
        "parity": {"rms_share": 0.027}, "speed": {"litert": {"fastest_us": 376.84, "ratio": 1.0}},
    }  # fmt: skip
    other = {**entry, "speed": {}, "against_dense": {"points": -0.3, "interval_95": [-1.0, 0.5]}}
    told = table({"variants": {"dense": entry, "qat": other}, "winner": "qat", "rule": "the rule"})
    assert "| dense | 20.00 % | - | 19.00 % | 85.4 kB | 51.5 kB | 39.6 % | 2.7 % | 376.8 (1.00) |" in told
    assert "| **qat** | 20.00 % | -0.30 (-1.00 to +0.50) | 19.00 % | 85.4 kB | 51.5 kB | 39.6 % | 2.7 % | - |" in told
    assert told.endswith("qat wins: the rule.\n")
