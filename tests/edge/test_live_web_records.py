"""What a page is told: plain JSON, whatever the state is."""

import base64
import json
import math

import numpy as np
import pytest
import soundfile
from live_web_house import SCENE

from edge.bundle import open_bundle
from edge.live_demo.listener import Listener
from edge.live_demo.state import Ruled, State
from edge.live_web.records import columns_record, decision_record, hello_record, miss_record, state_record
from edge.live_web.what_if import Miss


@pytest.fixture(scope="module")
def bundle():
    return open_bundle()


def plain(record):
    """As a page gets it: without NaN, and nothing that JSON has not."""
    return json.loads(json.dumps(record, allow_nan=False))


def test_numbers_that_are_not_there_are_null():
    found = plain(decision_record(3, Ruled(8000, "", "unsure", ("silent", "of_a_plugin"))))
    assert (found["id"], found["at_s"], found["verdict"]) == (3, 0.5, "unsure")
    for name in ("wake_score", "probability", "quality", "delay_s", "judging_ms", "curve", "placement"):
        assert found[name] is None
    assert found["kept"] is False
    assert found["told"][0] != "silent"
    assert found["told"][1] == "of_a_plugin"


def test_a_decision_is_told_with_all_that_it_rests_on(bundle):
    listener = Listener(bundle)
    listener.keeps_sound = True
    for _ in (*listener.push(soundfile.read(SCENE, dtype="int16")[0]), *listener.finish()):
        pass
    ruled = listener.state.decisions[0]
    found = plain(decision_record(1, ruled))
    assert found["probability"] == round(ruled.probability, 3)
    assert found["at_s"] == round(ruled.at_sample / 16_000, 2)
    assert found["quality"] == plain(ruled.quality.to_dict())
    np.testing.assert_allclose(found["curve"], ruled.curve, atol=5e-5)
    assert set(found["placement"]) == set(ruled.placement._fields)
    assert found["kept"] is True
    assert "sound" not in found, "sound is fetched where somebody plays it, and not told to all"


@pytest.mark.parametrize("mode", ["both", "wake", "liveness"])
def test_a_page_is_told_of_the_words_and_cut_offs(bundle, mode):
    word = bundle.words[0]
    listener = Listener(bundle, mode=mode, words=[word.id] if mode != "liveness" else ())
    found = plain(hello_record(listener.state, bundle, listener.reference))
    assert found["mode"] == mode
    assert (found["accept_cutoff"], found["reject_cutoff"]) == (
        bundle.liveness.accept_cutoff,
        bundle.liveness.reject_cutoff,
    )
    assert [entry["id"] for entry in found["words"]] == ([] if mode == "liveness" else [w.id for w in bundle.words])
    assert [entry["listened"] for entry in found["words"]] == [w is word for w in bundle.words][: len(found["words"])]
    assert len(found["decay"]["frequencies_hz"]) == len(found["decay"]["live"]["middle"])


def test_a_state_without_sound_is_plain():
    state = State((), (), 0.6, 0.4, 40)
    state.level_dbfs = -math.inf
    state.note = "<b>né\ud800"
    found = plain(state_record(state, False))
    assert found["hears"] is False
    assert found["level_dbfs"] is None
    assert found["note"] == "<b>né\ud800"


def test_columns_are_a_byte_a_value_oldest_first():
    assert columns_record([]) == ""
    columns = [np.array([0.0, 0.5, 1.0], np.float32), np.array([-1.0, 2.0, 0.25], np.float32)]
    assert list(base64.b64decode(columns_record(columns))) == [0, 128, 255, 0, 255, 64]


def test_a_miss_is_told_in_seconds():
    assert miss_record(Miss(24_000, "hey", 0.12345)) == {"at_s": 1.5, "word": "hey", "score": 0.123}
