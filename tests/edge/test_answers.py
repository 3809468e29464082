import json
import math

import numpy as np
import pytest

from edge.answers import Answer, Audio, Status, new_id
from edge.quality import assess


def answer(**changes):
    said = {
        "id": new_id(1.0), "at_s": 1.0, "origin": "source", "word": "w", "phrase": "W", "action": "pass",
        "decision": "accept", "reasons": ("live",), "wake_score": 0.98765, "live_probability": 0.54321,
        "live_score": 1.23456, "quality": assess(np.zeros(8000, np.int16)), "start_sample": 16_000,
        "end_sample": 24_000, "decided_sample": 27_200, "stage_s": {"liveness": 0.00123456}, "bundle": "1.2.3",
        "pre_roll": np.arange(5, dtype=np.int16),
    }  # fmt: skip
    return Answer(**{**said, **changes})


def test_names_sort_as_their_times_do():
    times = [0.0, 0.001, 1.0, 1.7e9, 1.7e9 + 0.001, 3.0e10]
    names = [new_id(at) for at in times]
    assert names == sorted(names)
    assert {len(name) for name in names} == {16}
    assert len({new_id(1.7e9) for _ in range(1000)}) == 1000


def test_a_clock_before_1970_gives_a_name_too():
    assert new_id(-5.0) < new_id(1.0)


def test_the_public_form_is_json_without_sound():
    record = json.loads(json.dumps(answer().to_dict(), allow_nan=False))
    assert (record["event"], record["action"], record["reasons"]) == ("answer", "pass", ["live"])
    assert (record["start_s"], record["end_s"], record["decided_s"]) == (1.0, 1.5, 1.7)
    assert record["pre_roll_start_sample"] == 27_195
    assert (record["wake_score"], record["live_probability"], record["live_score"]) == (0.9877, 0.5432, 1.2346)
    assert record["stage_ms"] == {"liveness": 1.235}
    assert record["quality"]["flags"][0] == "silent"
    assert "pre_roll" not in record


def test_what_could_not_be_judged_is_null():
    record = answer(quality=None, live_probability=math.nan, live_score=math.nan).to_dict()
    assert (record["quality"], record["live_probability"], record["live_score"]) == (None, None, None)
    json.dumps(record, allow_nan=False)


def test_sound_is_left_out_of_comparisons_and_logs():
    one = answer()
    assert one == answer(id=one.id, pre_roll=np.zeros(9, np.int16))
    assert "array" not in repr(one)
    assert "array" not in repr(Audio(0, np.zeros(9, np.int16)))


def test_the_end_of_a_block_is_where_the_next_begins():
    assert Audio(100, np.zeros(9, np.int16)).end_sample == 109


@pytest.mark.parametrize("muted", [True, False])
def test_a_status_is_json(muted):
    status = Status(
        at_s=1.23456, source="lost", source_name="USB: gone", muted=muted, playing=False, words=("a", "b"), bundle="1"
    )
    assert json.loads(json.dumps(status.to_dict())) == {
        "event": "status", "at": 1.235, "source": "lost", "source_name": "USB: gone", "muted": muted,
        "mute_switch": False, "playing": False, "words": ["a", "b"], "bundle": "1",
    }  # fmt: skip
