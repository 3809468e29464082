"""The report against counting by hand."""

import json

import numpy as np
import pytest

from edge.errors import DataError
from train.calibration import Calibration
from train.detection_cost import CostModel
from train.liveness_report import clusters_of, counted, liveness_report, near_and_quiet, pooled_report
from train.metrics import rate_interval

N_LIVE, N_PHONE, N_TV = 20, 12, 8
LIVE = np.repeat([True, False], (N_LIVE, N_PHONE + N_TV))


def _clips() -> dict[str, np.ndarray]:
    kinds = np.repeat(["none", "phone", "tv"], (N_LIVE, N_PHONE, N_TV))
    n = kinds.size
    return {
        "live": LIVE.astype(np.int8),
        "kind": kinds,
        "variant": np.where(LIVE, "plain", "recorded"),
        "loudspeaker": np.where(LIVE, "none", np.char.add(kinds, (np.arange(n) % 3).astype(str))),
        "room": np.array([f"room{i % 4}" for i in range(n)]),
        "talker": np.array([f"t{i % 5}" for i in range(n)]),
        "television": (np.arange(n) % 4 == 0).astype(np.int8),
        "distance_m": np.where(np.arange(n) % 2, 1.0, 2.0).astype(np.float32),
        "snr_db": np.where(np.arange(n) % 3, 30.0, 10.0).astype(np.float32),
    }


def _scores() -> np.ndarray:
    """Two live clips below 0, three replays by phones and six by televisions above; nobody at it."""
    scores = np.where(LIVE, 1.0, -1.0) * np.linspace(0.5, 2.0, LIVE.size)
    scores[[3, 9]] *= -1
    scores[[20, 25, 30, 32, 33, 34, 35, 36, 37]] *= -1
    return scores


def _report(scores: np.ndarray, clips: dict[str, np.ndarray] | None = None) -> dict:
    return liveness_report(
        scores, clips or _clips(), cutoff=0.0, calibration=Calibration(2.0, 0.0), costs=CostModel(), rounds=50
    )


def test_the_short_report_has_the_figures_of_the_long_one():
    whole = _report(_scores())
    short = pooled_report(_scores(), _clips(), cutoff=0.0, rounds=50)
    assert {"eer", "eer_interval_95", "bpcer", "apcer", "bpcer_interval_95", "live"} <= short.keys()
    assert short == {key: whole["all"][key] for key in short}
    assert counted(_clips()) == whole["clips"]


def test_rates_are_those_of_counting():
    report = _report(_scores())
    everything = report["all"]
    assert report["clips"] == {"live": 20, "replay": 20, "talkers": 5, "loudspeakers": 6, "rooms": 4}
    assert (everything["live"], everything["replay"]) == (20, 20)
    assert everything["bpcer"] == pytest.approx(2 / 20)
    assert everything["apcer"] == pytest.approx(9 / 20)
    assert report["by_kind"]["phone"]["apcer"] == pytest.approx(3 / 12)
    assert report["by_kind"]["tv"]["apcer"] == pytest.approx(6 / 8)
    assert everything["apcer_mean_over_kinds"] == pytest.approx((3 / 12 + 6 / 8) / 2)
    assert everything["apcer_worst_kind"] == {"kind": "tv", "apcer": pytest.approx(6 / 8)}
    assert {kind: entry["replay"] for kind, entry in report["by_kind"].items()} == {"phone": 12, "tv": 8}
    assert report["by_kind"]["tv"]["loudspeakers"] == 3


def test_intervals_hold_the_figures():
    everything = _report(_scores())["all"]
    for name in ("eer", "bpcer", "apcer", "cllr", "act_dcf"):
        low, high = everything[f"{name}_interval_95"]
        assert low <= everything[name] <= high
        assert low < high


def test_calibration_and_cutoff_move_what_they_should():
    one, scores = _report(_scores()), _scores()
    other = liveness_report(
        scores, _clips(), cutoff=5.0, calibration=Calibration(0.5, -1.0), costs=CostModel(), rounds=50
    )
    for name in ("eer", "eer_rocch", "min_cllr", "min_dcf"):
        assert other["all"][name] == one["all"][name]
    assert (other["all"]["bpcer"], other["all"]["apcer"]) == (1.0, 0.0)
    assert other["all"]["cllr"] != one["all"]["cllr"]
    assert other["all"]["at_bayes_cutoff"] == {
        "bpcer": np.mean(0.5 * scores[LIVE] - 1 < -np.log(1.9)),
        "apcer": np.mean(0.5 * scores[~LIVE] - 1 >= -np.log(1.9)),
    }
    rates = other["all"]["at_bayes_cutoff"]
    assert other["all"]["act_dcf"] == pytest.approx((0.95 * rates["bpcer"] + 0.5 * rates["apcer"]) / 0.5)
    assert other["all"]["act_dcf"] != pytest.approx(one["all"]["act_dcf"])


def test_where_all_agree_the_interval_is_not_a_point():
    everything = _report(np.where(LIVE, 1.0, -1.0))["all"]
    assert everything["apcer"] == 0.0
    assert everything["apcer_interval_95"] == list(rate_interval(0, 20))
    assert everything["apcer_interval_95"][1] > 0.1


def test_conditions_divide_the_clips():
    by = _report(_scores())["by_condition"]
    for prefix in ("distance_", "snr_"):
        parts = [entry for name, entry in by.items() if name.startswith(prefix)]
        assert sum(entry["live"] for entry in parts) == sum(entry["replay"] for entry in parts) == 20
    assert by["distance_from_0.5_below_1.5_m"]["live"] == by["distance_from_1.5_m"]["live"] == 10
    assert by["television"]["live"] + by["no_television"]["live"] == 20
    assert "apcer" not in by["variant_plain"]
    assert "bpcer" not in by["variant_recorded"]
    near = near_and_quiet(_clips())
    assert by["near_and_quiet"]["live"] == (near & LIVE).sum() > 0


def test_live_clips_belong_to_rooms_and_replays_to_loudspeakers():
    talkers, others = clusters_of(_clips())
    assert talkers[:2] == ["t0", "t1"]
    assert others[:2] == ["room0", "room1"]
    assert others[-1] == "tv0"


def test_a_report_is_plain_data():
    assert json.loads(json.dumps(_report(_scores()), allow_nan=False))["all"]["live"] == 20


def test_scores_must_be_finite_and_as_many_as_clips():
    broken = _scores()
    broken[4] = np.nan
    with pytest.raises(DataError, match="1 of 20 are not finite"):
        _report(broken)
    with pytest.raises(DataError, match="for 40 clips"):
        _report(_scores()[:-1])
    with pytest.raises(DataError, match="20 live and 0 replay"):
        _report(_scores()[LIVE], {name: values[LIVE] for name, values in _clips().items()})
