"""Which clips a slice holds, and what is told of them."""

import numpy as np
import pytest

from train.detection_cost import CostModel
from train.liveness_slices import HIFI_KIND, figures_of, slices


def clips(n=40):
    """Return clips in pairs of a live one and a replay; every other pair is far, every fourth replay hi-fi."""
    number = np.arange(n)
    live = number % 2 == 0
    return {
        "live": live.astype(np.int8),
        "kind": np.where(live, "none", np.where(number % 8 == 1, HIFI_KIND, "phone")),
        "distance_m": np.where(number // 2 % 2 == 0, 1.0, 3.0).astype(np.float32),
        "snr_db": np.full(n, 30, np.float32),
        "television": np.zeros(n, np.int8),
        "tv_ratio_db": np.where(number % 10 == 0, 5.0, np.nan).astype(np.float32),
        "talker": np.array([f"t{i // 8}" for i in number]),
        "loudspeaker": np.array([f"l{i % 5}" for i in number]),
        "room": np.array([f"r{i % 3}" for i in number]),
    }


def test_live_clips_are_in_every_slice_of_a_kind():
    found = slices(clips())
    live = clips()["live"].astype(bool)
    near = found["near_and_quiet"]
    assert (near & live).sum() == (found["near_and_quiet_standalone"] & live).sum() == 10
    without, only = found["near_and_quiet_without_standalone"], found["near_and_quiet_standalone"]
    assert not (without & only & ~live).any()
    assert np.array_equal((without | only) & ~live, near & ~live)


def test_a_television_at_another_level_is_not_counted():
    assert slices(clips())["live_over_television_at_5_db"].sum() == 4


def test_rates_are_those_of_the_gate_and_not_of_a_cutoff():
    made = clips()
    live = made["live"].astype(bool)
    accepted = np.zeros(live.size, bool)
    accepted[[0, 1, 3]] = True
    got = figures_of(np.ones(live.size, bool), made, scores=live.astype(float), accepted=accepted)
    assert (got["live"], got["replay"], got["eer"]) == (20, 20, 0.0)
    assert got["bpcer"] == pytest.approx(19 / 20)
    assert got["apcer"] == pytest.approx(2 / 20)
    assert got["apcer_interval_95"][0] <= got["apcer"] <= got["apcer_interval_95"][1]


def test_costs_are_told_of_ratios_alone():
    made = clips()
    live = made["live"].astype(bool)
    ratios = np.where(live, 2.0, -2.0) + np.random.default_rng(1).normal(size=live.size)
    everything = np.ones(live.size, bool)
    got = figures_of(everything, made, scores=ratios, ratios=ratios, costs=CostModel())
    assert 0 < got["min_cllr"] <= got["cllr"] < 1
    assert got["act_over_min_dcf"] == pytest.approx(got["act_dcf"] / got["min_dcf"])
    assert "cllr" not in figures_of(everything, made, scores=ratios)


def test_a_slice_of_one_class_has_no_equal_error_rate():
    made = clips()
    live = made["live"].astype(bool)
    got = figures_of(live, made, scores=np.zeros(live.size), accepted=np.zeros(live.size, bool))
    assert got["bpcer"] == 1.0
    assert not {"eer", "apcer"} & got.keys()
