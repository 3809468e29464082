"""``vivavoce train word``, from a phrase to a checkpoint that converts; and what is refused before anything is made."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("tensorflow", reason="the networks are made with TensorFlow")
pytestmark = [
    pytest.mark.tf,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pyroomacoustics"),
    pytest.mark.skipif(
        any(shutil.which(program) is None for program in ("flite", "espeak-ng")),
        reason="needs the Debian packages flite and espeak-ng",
    ),
]

from edge.cli import main  # noqa: E402
from edge.frontend import FEATURE_SCALE  # noqa: E402
from edge.frontend_tables import FrontendSettings  # noqa: E402
from tests.train.synthetic_speech import synthetic_word  # noqa: E402
from train import new_word_learning, new_word_scenes  # noqa: E402
from train.engines import choice  # noqa: E402
from train.engines.work import Report  # noqa: E402
from train.fitting import RunRecord, save_checkpoint  # noqa: E402
from train.new_word_checkpoint import read_wake_checkpoint  # noqa: E402
from train.new_word_scenes import WordMix  # noqa: E402
from train.simulator.rooms import RoomBank, make_room  # noqa: E402
from train.wake_network import RELU_CEILING, WakeShape, device_form, training_form, weights_of  # noqa: E402

SHAPE = WakeShape(words=2, width=8, kernels=(3, 5))


class InThisProcess:
    """An engine without processes: what a test has replaced stays replaced."""

    def make(self, make, indices, folder, watch):
        for index in indices:
            watch.finished(Report(index, make(index), 0.0))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rows = ["path,corpus,speaker,split,role,label,seconds,native_hz,licence"]
    rng = np.random.default_rng(1)

    def add(name, samples, role, label):
        soundfile.write(folder / name, samples, 16_000)
        rows.append(f"{name},c,{name},train,{role},{label},{len(samples) / 16_000},16000,CC0-1.0")

    for number in range(4):
        add(f"wake{number}.wav", synthetic_word(number), "wake", ("alexa", "jarvis")[number % 2])
        add(f"speech{number}.wav", synthetic_word(10 + number), "speech", f"other{number}")
    for number in range(5):
        add(f"noise{number}.wav", rng.normal(0, 0.01, 16_000 * 4), "noise", "")
        speech = np.concatenate([synthetic_word(20 + number)] * 8)
        add(f"long{number}.wav", speech, "longform", "")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def trunk(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "wake"
    device = device_form(SHAPE, [weights_of(training_form(SHAPE))])
    rng = np.random.default_rng(1)
    inputs = {
        "features": rng.uniform(0, 26, (8, 5, 40)).astype(np.float32),
        "state": rng.uniform(0, 6, (8, *SHAPE.state_shape)).astype(np.float32),
    }
    spec = {
        "role": "wake", "words": [{"id": word, "phrase": word} for word in ("alexa", "jarvis")],
        "frontend": FrontendSettings().to_dict(), "stride_frames": 3, "context_frames": 5, "smoothing_steps": 3,
        "refractory_ms": 1000, "ranges": {"features": [0.0, 255 * FEATURE_SCALE], "state": [0.0, RELU_CEILING]},
    }  # fmt: skip
    save_checkpoint(
        folder, device, inputs, RunRecord(1, "x", {"a": 1}, [{"material": "c", "licence": "CC0-1.0"}]), spec
    )
    return folder


@pytest.fixture
def small(monkeypatch):
    """Few scenes, few rooms, few utterances, and no processes."""
    mix = WordMix(recorded=24, spoken=120, parts=10, near=30, other_words=4, speech=8, longform=8, background=4)
    monkeypatch.setattr(new_word_learning, "WordMix", lambda: mix)
    monkeypatch.setattr(new_word_learning, "_PER_NEAR_PHRASE", 1)
    monkeypatch.setattr(new_word_learning, "_PER_EVERYDAY_PHRASE", 1)
    monkeypatch.setattr(
        new_word_scenes, "load_room_bank", lambda cache, split: RoomBank([make_room(split, n) for n in range(2)])
    )
    monkeypatch.setattr(choice, "engine_from", lambda args: InThisProcess())
    new_word_scenes._corpus.cache_clear()
    yield
    new_word_scenes._corpus.cache_clear()


def command(data, trunk, tmp_path, *more: str, phrase: str = "hey house") -> list[str]:
    out = ["--cache", str(tmp_path / "cache"), "-o", str(tmp_path / "out")]
    return ["train", "word", phrase, "--data", str(data), "--wake", str(trunk), *out, *more]


def test_a_word_is_added_and_the_others_stay(data, trunk, small, tmp_path, capsys):
    for number in range(3):
        path = tmp_path / f"in/{number}/a.wav"
        path.parent.mkdir(parents=True)
        soundfile.write(path, synthetic_word(number), 16_000)
    given = ["--recordings", str(tmp_path / "in"), "--synth", "espeak-ng,flite", "--utterances", "12"]
    assert main(command(data, trunk, tmp_path, *given, "--epochs", "3", "--first-block", "1")) == 0
    assert "false accepts in" in capsys.readouterr().out
    before, after = read_wake_checkpoint(trunk), read_wake_checkpoint(tmp_path / "out")
    assert after.words == ("alexa", "jarvis", "hey_house")
    assert after.spec["words"][-1] == {"id": "hey_house", "phrase": "hey house"}
    for name, weights in before.members[0].items():
        for old, new in zip(weights, after.members[0][name], strict=True):
            np.testing.assert_array_equal(old, new)
    record = json.loads((tmp_path / "out/record.json").read_text())
    assert record["settings"]["base"] == {"a": 1}
    assert (record["settings"]["word"]["recordings"], record["settings"]["word"]["synthesised"]) == (3, 12)
    assert {"material": "synthetic", "licence": "synthesised"} in record["licences"]
    assert {"material": "c", "licence": "CC0-1.0"} in record["licences"]
    history = [json.loads(line) for line in (tmp_path / "out/resume/history.jsonl").read_text().splitlines()]
    assert len(history) == 3
    assert history[-1]["loss"] < history[0]["loss"]

    # One more, on top of it, and then to integers.
    more = ["--synth", "flite", "--utterances", "12", "--epochs", "1", "--first-block", "2"]
    second = command(data, tmp_path / "out", tmp_path, *more, phrase="okay lamp")
    second[second.index("-o") + 1] = str(tmp_path / "both")
    assert main(second) == 0
    assert [one.first for one in read_wake_checkpoint(tmp_path / "both").branches] == [1, 2]
    assert main(["quantize", "convert", str(tmp_path / "both")]) == 0


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ([], "got nothing that says 'hey house'"),
        (["--synth", "festival"], "synthesiser is 'festival', expected one of"),
        (["--synth", "flite", "--first-block", "3"], "expected 0 to 2"),
        (["--synth", "flite", "--epochs", "0"], "--epochs is 0"),
        (["--recordings", "/nowhere"], "/nowhere: no such folder"),
        (
            ["--synth", "flite", "--verifier", "/nowhere"],
            "got one of --verifier and --embedding, expected both or none",
        ),
        (
            ["--synth", "flite", "--verifier", "/nowhere", "--embedding", "/nowhere"],
            "/nowhere/spec.json: cannot be read",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line(more, says, data, trunk, small, tmp_path, capsys):
    assert main(command(data, trunk, tmp_path, *more)) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out/model").exists()


@pytest.mark.parametrize("phrase", ["", "Ünder", "a" * 41, "--help me", "hey; house", "R2D2"])
def test_a_phrase_that_cannot_be_said_or_named_is_refused(phrase, data, trunk, tmp_path, capsys):
    words = command(data, trunk, tmp_path, "--synth", "flite")
    words[2:3] = []
    assert main([*words, "--", phrase]) == 2
    assert "expected one to six words" in capsys.readouterr().err


def test_a_word_that_is_known_and_a_checkpoint_that_is_none_are_refused(data, trunk, tmp_path, capsys):
    assert main(command(data, trunk, tmp_path, "--synth", "flite", phrase="Alexa")) == 2
    assert "knows 'alexa' already" in capsys.readouterr().err
    assert main(command(data, tmp_path, tmp_path, "--synth", "flite")) == 2
    assert "spec.json: cannot be read" in capsys.readouterr().err
    same = command(data, trunk, tmp_path, "--synth", "flite")
    same[same.index("-o") + 1] = str(trunk)
    assert main(same) == 2
    assert "is the checkpoint that is read" in capsys.readouterr().err


def test_few_recordings_alone_are_refused_before_anything_is_rendered(data, trunk, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in/a.wav", synthetic_word(1), 16_000)
    assert main(command(data, trunk, tmp_path, "--recordings", str(tmp_path / "in"))) == 2
    assert "got 1 recordings of 'hey house', expected at least 10" in capsys.readouterr().err
