"""Options of a wake training over its settings, and the teachers that a record names."""

import argparse
import json

import pytest

from edge.errors import UsageError
from train.training_options import add_settings_options
from train.wake_options import add_scene_options, add_teacher_options, check_teachers, given_wake

TEACHERS = [{"sha256": "ab" * 32, "seed": 1}, {"sha256": "cd" * 32, "seed": 2}]
SPEECH = {"classifier": "12" * 32, "embedding": "34" * 32}


def parsed(*words):
    parser = argparse.ArgumentParser()
    add_settings_options(parser)
    add_scene_options(parser)
    add_teacher_options(parser)
    return parser.parse_args(list(map(str, words)))


@pytest.fixture
def record(tmp_path):
    """Return a function that writes a record of a training with these teachers."""

    def write(**taught):
        path = tmp_path / "record.json"
        path.write_text(json.dumps({"seed": 1, "settings": {"epochs": 3, "words": ["alexa"], **taught}}))
        return path

    return write


@pytest.mark.parametrize(
    ("taught", "given", "told"),
    [
        ({"teachers": TEACHERS}, (), r"expected --teacher \(sha256 abababababab..., cdcdcdcdcdcd...\), too"),
        ({"speech_teacher": SPEECH}, (), r"expected --speech-teacher \(sha256 121212121212...\), too"),
        ({"teachers": TEACHERS, "speech_teacher": SPEECH}, (), "expected --teacher .* and --speech-teacher "),
        ({"teachers": TEACHERS, "speech_teacher": SPEECH}, ("--teacher", "x"), "expected --speech-teacher "),
        ({"teachers": TEACHERS}, ("--speech-teacher", "x"), "expected --teacher "),
        ({"teachers": "two"}, (), r"expected --teacher \(unnamed\)"),
    ],
)
def test_teachers_of_a_record_are_not_dropped(record, taught, given, told):
    path = record(**taught)
    with pytest.raises(
        UsageError, match=rf"record.json: got the record of a network that was taught, {told}"
    ) as caught:
        check_teachers(parsed("--settings", path, *given))
    assert "\n" not in str(caught.value)
    check_teachers(parsed("--settings", path, *given, "--untaught"))


def test_who_taught_nobody_is_not_asked_for(record, tmp_path):
    check_teachers(parsed())
    check_teachers(parsed("--teacher", "x"))
    check_teachers(parsed("--settings", record(teachers=[], speech_teacher=None)))
    check_teachers(parsed("--settings", record()))
    check_teachers(parsed("--settings", record(teachers=TEACHERS), "--teacher", "another"))
    plain = tmp_path / "settings.toml"
    plain.write_text("epochs = 3")
    check_teachers(parsed("--settings", plain))


def test_options_are_taken_before_the_file(record):
    pytest.importorskip("tensorflow")
    from train.wake_settings import WakeSettings
    from train.wake_variety import VARIETIES

    path = record(batch=8, without=["jarvis"], width=32)
    assert given_wake(parsed("--settings", path)) == WakeSettings(
        epochs=3, batch=8, without=("jarvis",), width=32, synth=()
    )
    given = parsed("--settings", path, "--epochs", 5, "--without", "alexa", "--synth", "flite", "--variety", "narrow")
    assert given_wake(given) == WakeSettings(
        epochs=5, batch=8, without=("alexa",), width=32, synth=("flite",), variety=VARIETIES["narrow"]
    )
    with pytest.raises(UsageError, match=r"options: scenes: got 0.0"):
        given_wake(parsed("--scenes", 0))
