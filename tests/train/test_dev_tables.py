"""Tables of figures on dev: what is in the files, and nothing that no cut-off has."""

import json

import pytest

from train.dev_tables import informed_table, new_word_table

PARTS = (
    "all",
    "near_and_quiet",
    "near_and_quiet_without_standalone",
    "near_and_quiet_standalone",
    "wake_words",
)


def _judge(eer):
    return {
        part: {"eer": eer + number / 100, "eer_interval_95": [0.1, 0.4], "live": 40, "replay": 30}
        for number, part in enumerate(PARTS)
    }


def test_judges_stand_beside_each_other_with_what_sets_them_apart(tmp_path):
    apart = {part: {"difference": -0.05, "interval_95": [-0.07, -0.03]} for part in PARTS}
    judges = {name: _judge(0.2) for name in ("summaries", "network", "network_wider", "informed", "informed_half")}
    judges["informed"]["eer_less_the_network's"] = apart
    found = {"fitted_clips": 1200, "judges": judges, "set": {"state": "frozen"}}
    (tmp_path / "liveness_informed_dev.json").write_text(json.dumps(found))
    lines = informed_table(tmp_path).splitlines()
    assert "40 live and 30 replayed" in lines[0]
    rows = [line for line in lines if line.startswith("| ")]
    assert len(rows) == 1 + len(judges)
    assert rows[1].count(" % (10.0-40.0)") == len(PARTS)
    assert rows[3].startswith("| the clip: the network `wider` | 20.0 % ")
    assert "20.0 % " in rows[1]
    assert "24.0 % " in rows[1]
    assert "-5.0 (-7.0 to -3.0) all" in lines[-1]
    assert "frozen" not in lines[0]
    found["set"]["state"] = "other samples"
    (tmp_path / "liveness_informed_dev.json").write_text(json.dumps(found))
    assert "not the frozen set (other samples): these figures compare with no others" in informed_table(tmp_path)


def _heard(rate, false):
    return {"rate": rate, "interval_95": [0.1, 0.9], "false_accepts": false, "on_other_words": 7}


@pytest.mark.parametrize("verified", [False, True])
def test_a_rate_that_no_cut_off_has_is_not_told(tmp_path, verified):
    one = {
        "recordings": 50, "clips": 42, "talkers": 6, "other_words": 159, "longform_hours": 2.4,
        "recall": {"at_most_0": _heard(0.7, 3), "at_most_3": _heard(0.7, 3)},
    }  # fmt: skip
    if verified:
        one["recall_with_verifier"] = {"at_most_0": _heard(0.8, 0), "at_most_3": _heard(0.9, 2)}
    found = {"phrase": "jarvis", "split": "dev", "results": {"recorded": one}}
    (tmp_path / "new_word.json").write_text(json.dumps(found))
    rows = [line for line in new_word_table(tmp_path).splitlines() if line.startswith("| recorded")]
    assert rows[0] == "| recorded, 50 of them | the wake network | - | 70.0 % (10.0-90.0) | 7 |"
    assert (
        rows[1:] == ["| recorded, 50 of them | the verifier | 80.0 % (10.0-90.0) | 90.0 % (10.0-90.0) | 7 |"] * verified
    )
