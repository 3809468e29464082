"""Settings are read from a record as they were, whichever code wrote it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tf

RECORD = Path("checkpoint/record.json")

FIRST_WAKE = {
    "words": ["alexa"], "synth": "espeak-ng,flite", "spoken": 5120, "average_decay": 0.9995,
    "shape": {"words": 14, "channels": 40, "context_frames": 5, "stride_frames": 3, "width": 64, "kernels": [5, 9]},
    "epochs": 26, "batch": 48, "scenes": {"train": 65630, "dev": 12124}, "positive_weight": 3.0, "variety": "narrow",
    "mask_frames": 7, "label_hold_s": 0.3,
}  # fmt: skip
"""As the first records of wake networks were written."""


def test_what_a_training_records_is_read_again():
    from train.liveness_training import LivenessSettings
    from train.recorded_settings import recorded_liveness, recorded_wake
    from train.wake_settings import WakeSettings
    from train.wake_variety import VARIETIES

    liveness = LivenessSettings(batch=8, label_smoothing=0.1, kind_weights={"tv": 2.0}, speeds=(0.1, 0.2))
    recorded = json.loads(json.dumps({**liveness.to_dict(), "rendering_seed": 2, "simulator_recipe": "703d"}))
    assert recorded_liveness(recorded, RECORD) == liveness
    wake = WakeSettings(width=32, variety=replace(VARIETIES["narrow"], dropout=0.4), synth=("flite",), scenes=0.5)
    recorded = {**wake.to_dict(), "words": ["alexa"], "shape": {"width": 1}, "rendered": {"train": 3}, "teachers": []}
    assert recorded_wake(json.loads(json.dumps(recorded)), RECORD) == wake


def test_the_first_records_are_understood():
    from train.recorded_settings import recorded_liveness, recorded_wake
    from train.wake_variety import VARIETIES

    wake = recorded_wake(FIRST_WAKE, RECORD)
    assert (wake.width, wake.kernels, wake.batch, wake.positive_weight, wake.label_hold_s) == (64, (5, 9), 48, 3.0, 0.3)
    assert wake.variety == replace(VARIETIES["narrow"], mask_frames=7)
    assert wake.synth == ("espeak-ng", "flite")
    assert wake.scenes == 1.0
    # Before there were synthesisers and other speeds.
    assert recorded_wake({name: FIRST_WAKE[name] for name in ("shape", "variety")}, RECORD).synth == ()
    assert recorded_liveness({"batch": 16}, RECORD).speeds == (0.0, 0.0)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"variety": "broad"}, "variety: got 'broad', expected one of wide, narrow"),
        ({"batch": "many"}, "batch"),
        ({"variety": {"mix": 3}}, "variety.mix"),
    ],
)
def test_a_broken_record_is_told_in_one_line(settings, told):
    from edge.errors import DataError
    from train.recorded_settings import recorded_wake

    with pytest.raises(DataError) as caught:
        recorded_wake(settings, RECORD)
    assert told in str(caught.value)
    assert str(RECORD) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("network", "told"),
    [
        ("liveness", "clips, colour_db, dev_clips"),
        ("teacher", "embeddings, hidden, moments"),
        ("joined", "members"),
        ("word", "base"),
    ],
)
def test_a_record_of_something_else_is_no_settings(network, told):
    from edge.errors import DataError
    from train.embedding_words import EmbeddingWordsSettings
    from train.liveness_training import LivenessSettings
    from train.recorded_settings import recorded_liveness, recorded_wake
    from train.wake_settings import WakeSettings

    settings = {
        "liveness": LivenessSettings().to_dict(),
        "teacher": {**EmbeddingWordsSettings().to_dict(), "words": ["alexa"]},
        "joined": {"members": [{"seed": 1, "settings": FIRST_WAKE}]},
        "word": {"base": FIRST_WAKE, "word": {"phrase": "hey"}},
    }[network]
    with pytest.raises(DataError, match=rf"with {told}, expected one that .*train wake"):
        recorded_wake(settings, RECORD)
    with pytest.raises(DataError, match=r"record.json: got a record of something else, with .*train liveness"):
        recorded_liveness(WakeSettings().to_dict() if network == "liveness" else settings, RECORD)


def test_a_record_is_taken_for_settings(tmp_path):
    import argparse
    import json

    from train.recorded_settings import recorded_wake
    from train.training_options import add_settings_options, given_settings

    record = tmp_path / "record.json"
    record.write_text(json.dumps({"seed": 1, "data_hash": "x", "settings": FIRST_WAKE}))
    parser = argparse.ArgumentParser()
    add_settings_options(parser)
    given = given_settings(parser.parse_args(["--settings", str(record), "--epochs", "3"]), recorded=recorded_wake)
    assert given == replace(recorded_wake(FIRST_WAKE, record), epochs=3).to_dict()
