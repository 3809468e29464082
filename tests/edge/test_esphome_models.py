"""Real models for ESPHome: beside pymicro-wakeword, through the pipeline, and through the commands."""

import functools
import importlib
import importlib.util
import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

import edge.cli
from edge.bundle import open_bundle
from edge.errors import ModelAbiError, UsageError
from edge.esphome import open_esphome_model
from edge.esphome_stage import StreamingNetwork
from edge.events import Decision, End, Wake
from edge.frontend import Frontend, quantise_features
from edge.pipeline import Pipeline
from edge.scorers import WakeScorer
from edge.wake import WakeDetection

pytest.importorskip("pymicro_wakeword", reason="pymicro-wakeword, which brings the models, is not installed")

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("VIVAVOCE_DATA", ROOT.parent / "shared" / "data"))
RATE = 16_000

needs_voice = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs the Debian package espeak-ng")

SAID = [
    ("alexa", "alexa", "en-us"),
    ("alexa", "alexa", "en-gb"),
    ("alexa", "alexa", "en-us+f3"),
    ("okay_nabu", "okay nabu", "en-us"),
    ("okay_nabu", "okay nabu", "en-us+m3"),
    ("hey_mycroft", "hey mycroft", "en-gb"),
    ("hey_jarvis", "hey jarvis", "en-us+f3"),
]


def _load():
    spec = importlib.util.spec_from_file_location("esphome_models", ROOT / "tests" / "bench" / "esphome_models.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bench = _load()


@functools.cache
def model_of(name):
    return open_esphome_model(bench.peer_models() / f"{name}.json")


@functools.cache
def voice(text, name="en-us", words_a_minute=160):
    """Return what a synthetic voice says, ``(n,) int16``."""
    command = ["espeak-ng", "-v", name, "-s", str(words_a_minute), "--stdout", text]
    done = subprocess.run(command, capture_output=True, check=True)
    samples, rate = soundfile.read(io.BytesIO(done.stdout), dtype="float32")
    return np.rint(soxr.resample(samples, rate, RATE) * 20000).astype(np.int16)


def between(*parts, seconds=1.5, seed=0):
    """Return sounds with faint noise before, between, behind and on them."""
    pause = np.zeros(round(seconds * RATE))
    sound = np.concatenate([pause, *(piece for part in parts for piece in (part, pause))])
    sound += np.random.default_rng(seed).normal(0, 20, sound.size)
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)


@pytest.fixture(scope="module")
def talk():
    """Two words, the first of them twice, in the order okay nabu, alexa, okay nabu."""
    return between(voice("okay nabu"), voice("alexa"), voice("okay nabu"))


class Blocks:
    """A source of the blocks of an array."""

    name = "blocks"
    native_rate_hz = RATE

    def __init__(self, samples, block=512):
        self._samples, self._block = samples, block

    def blocks(self):
        for at in range(0, self._samples.size, self._block):
            yield self._samples[at : at + self._block]


# --------------------------------------------------------------------------------- beside the peer


def check_against_peer(model, samples, *, heard=None):
    """Compare the ways of running a model; in the peer's, all is the same."""
    frames = bench.frames_of(model, samples)
    peer = bench.by_peer(model, samples)
    same = bench.in_the_peers_way(model, frames)
    assert peer.outputs.size == same.outputs.size == (len(frames) // 3)
    assert np.abs(same.outputs - peer.outputs).max() <= 1
    assert same.detections == peer.detections
    shipped = bench.as_shipped(model, frames)
    assert len(shipped.detections) == len(peer.detections)
    for ours, theirs in zip(shipped.detections, peer.detections, strict=True):
        assert abs(ours - theirs) <= 1, "runs of the network, of 30 ms"
    if heard is not None:
        assert len(peer.detections) == heard
    return peer


@needs_voice
@pytest.mark.parametrize(("name", "text", "speaker"), SAID)
def test_a_synthetic_voice_is_heard_as_by_the_peer(name, text, speaker):
    found = check_against_peer(model_of(name), between(voice(text, speaker)), heard=1)
    assert found.outputs.max() > 200


@needs_voice
@pytest.mark.parametrize("name", ["alexa", "okay_nabu", "hey_mycroft", "hey_jarvis"])
def test_other_words_are_as_for_the_peer(name):
    check_against_peer(model_of(name), between(voice("the weather is fine"), voice("computer")), heard=0)


@needs_voice
def test_the_comparison_sees_a_difference_of_two_steps(monkeypatch):
    model, samples = model_of("alexa"), between(voice("alexa"))
    run = bench.StreamingNetwork.run
    monkeypatch.setattr(bench.StreamingNetwork, "run", lambda self, shown: run(self, shown) + 2)
    with pytest.raises(AssertionError):
        check_against_peer(model, samples)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alexa", "okay_nabu"])
def test_recordings_are_heard_as_by_the_peer(name):
    if not (DATA / "manifest.csv").exists():
        pytest.skip(f"no recordings at {DATA}: set VIVAVOCE_DATA to a folder with manifest.csv")
    from train.corpus import load_manifest, read_clip
    from train.simulator.levels import to_int16

    clips = [clip for clip in load_manifest(DATA) if clip.role in ("wake", "speech")]
    of_word = [clip for clip in clips if clip.label == "alexa"]
    rng = np.random.default_rng(1)
    chosen = [
        *(of_word[i] for i in rng.permutation(len(of_word))[:40]),
        *(clips[i] for i in rng.permutation(len(clips))[:20]),
    ]
    detections = 0
    for clip in chosen:
        sound = bench.in_noise(to_int16(read_clip(clip)), rng)
        detections += len(check_against_peer(model_of(name), sound).detections)
    assert (detections >= 35) == (name == "alexa")


# ------------------------------------------------------------------------------------- the pipeline


@needs_voice
def test_liveness_is_judged_behind_a_model(talk):
    pipeline = Pipeline(open_bundle(), models=[model_of("alexa"), model_of("okay_nabu")])
    assert pipeline.words == ("alexa", "okay_nabu")
    *events, end = pipeline.run(Blocks(talk))
    wakes, decisions = events[::2], events[1::2]
    assert [wake.word for wake in wakes] == ["okay_nabu", "alexa", "okay_nabu"]
    for wake, decision in zip(wakes, decisions, strict=True):
        assert isinstance(wake, Wake)
        assert isinstance(decision, Decision)
        assert decision.word == wake.word
        assert 0.84 < wake.score <= 1.0
        assert wake.start_sample < wake.end_sample == decision.end_sample
        assert 0 <= decision.decided_sample - wake.decided_sample <= RATE // 10
    assert isinstance(end, End)


@needs_voice
@pytest.mark.parametrize("steps", [(10, 10), (10, 20), (10, 15), (7, 10)], ids=str)
def test_blocks_of_any_size_give_identical_events(talk, steps, tmp_path):
    models = [with_step(name, step, tmp_path) for name, step in zip(("okay_nabu", "alexa"), steps, strict=True)]
    pipeline = Pipeline(open_bundle(), models=models)
    expected = list(pipeline.run(Blocks(talk)))
    assert any(isinstance(event, Decision) for event in expected)
    for block in (160, 777, 16_000, talk.size):
        # With the last run's state in the networks, if it were not forgotten.
        assert list(pipeline.run(Blocks(talk, block))) == expected, block


def with_step(name, step, folder):
    """Return a model whose manifest asks for another step, and which fires on anything."""
    manifest = json.loads((bench.peer_models() / f"{name}.json").read_text())
    if step != 10:
        manifest["micro"] |= {"feature_step_size": step, "probability_cutoff": 0.02}
    (folder / f"{name}.json").write_text(json.dumps(manifest))
    shutil.copy(bench.peer_models() / f"{name}.tflite", folder)
    return open_esphome_model(folder / f"{name}.json")


@pytest.mark.parametrize("steps", [(10, 10), (10, 20), (10, 15), (7, 10)], ids=str)
def test_events_come_in_one_order_whatever_the_blocks(steps, tmp_path, monkeypatch):
    """Moments of several frontends, and those of decisions, may lie closer together than a step."""

    class Eager:
        max_scores = np.zeros(1)

        def __init__(self, network, **settings):
            self._frames = 0

        def reset(self):
            self._frames = 0

        def push(self, features):
            first, self._frames = self._frames, self._frames + len(features)
            return [WakeDetection(0, 0.9, i) for i in range(first, self._frames) if i % 7 == 6]

    monkeypatch.setattr("edge.stages.EsphomeStage", Eager)
    models = [with_step(name, step, tmp_path) for name, step in zip(("okay_nabu", "alexa"), steps, strict=True)]
    pipeline = Pipeline(open_bundle(), models=models)
    sound = np.random.default_rng(0).normal(0, 300, RATE).astype(np.int16)
    expected = list(pipeline.run(Blocks(sound, 16)))
    moments = [event.decided_sample for event in expected[:-1]]
    assert len(moments) > 20
    assert moments == sorted(moments)
    for block in (37, 80, 160, 777, 16_000):
        assert list(pipeline.run(Blocks(sound, block))) == expected, block


@needs_voice
def test_a_network_that_was_reset_has_heard_nothing():
    model = model_of("alexa")
    # To the middle of what is heard: the state is far from that of silence.
    samples = between(voice("alexa"))
    samples = samples[: samples.size - round(1.5 * RATE)]
    quantised = quantise_features(bench.frames_of(model, samples))
    network = StreamingNetwork(model.content, name="alexa", channels=40)

    def outputs():
        return [network.run(quantised[at : at + 3]) for at in range(0, len(quantised) - 2, 3)]

    first = outputs()
    assert max(first) > 200
    assert outputs() != first, "the network has a state"
    network.reset()
    assert outputs() == first


@needs_voice
def test_models_of_one_step_share_a_frontend(talk, tmp_path, monkeypatch):
    made = []

    class Counted(Frontend):
        def __init__(self, settings):
            made.append(settings.step_ms)
            super().__init__(settings)

    monkeypatch.setattr("edge.stages.Frontend", Counted)
    Pipeline(open_bundle(), models=[model_of("alexa"), with_step("okay_nabu", 20, tmp_path), model_of("hey_jarvis")])
    assert made == [10, 20]


@needs_voice
def test_models_do_not_touch_each_other(talk):
    bundle = open_bundle()
    alone = {name: wakes(Pipeline(bundle, models=[model_of(name)]), talk) for name in ("alexa", "okay_nabu")}
    assert [len(found) for found in alone.values()] == [1, 2]
    both = wakes(Pipeline(bundle, models=[model_of("alexa"), model_of("okay_nabu")]), talk)
    assert both == sorted((*alone["alexa"], *alone["okay_nabu"]), key=lambda wake: wake.decided_sample)


def wakes(pipeline, samples):
    return [event for event in pipeline.run(Blocks(samples)) if isinstance(event, Wake)]


@needs_voice
def test_a_word_selects_among_the_models(talk):
    models = [model_of("alexa"), model_of("okay_nabu")]
    for name in ("okay_nabu", "Okay Nabu"):
        pipeline = Pipeline(open_bundle(), words=[name], models=models)
        assert {wake.word for wake in wakes(pipeline, talk)} == {"okay_nabu"}
    with pytest.raises(UsageError, match="word: got 'snowboy', expected one of alexa, okay_nabu; "):
        Pipeline(open_bundle(), words=["snowboy"], models=models)
    with pytest.raises(UsageError, match="did you mean alexa"):
        Pipeline(open_bundle(), words=["alexia"], models=models)


def test_two_models_of_one_word_are_refused(tmp_path):
    again = with_step("alexa", 20, tmp_path)
    with pytest.raises(UsageError, match=r"got 'Alexa', which .*alexa\.json listens for already"):
        Pipeline(open_bundle(), models=[model_of("alexa"), again])


@needs_voice
def test_scores_of_models(talk):
    found = WakeScorer(open_bundle(), models=[model_of("alexa"), model_of("hey_jarvis")]).score(Blocks(talk))
    assert list(found["words"]) == ["alexa", "hey_jarvis"]
    assert [len(entry["detections"]) for entry in found["words"].values()] == [1, 0]
    alexa = found["words"]["alexa"]
    assert alexa["max_score"] >= alexa["detections"][0]["score"] > 0.89
    assert found["words"]["hey_jarvis"]["max_score"] < 0.5


# --------------------------------------------------------------------------------------- by command


@pytest.fixture
def call(capfd, monkeypatch):
    """Return a function that calls the command, and takes what arrives on the descriptors."""
    commands = {name: functools.partial(importlib.import_module, f"edge.commands.{name}") for name in ("run", "score")}
    monkeypatch.setattr(edge.cli, "installed_commands", lambda: commands)

    def run(*arguments):
        code = edge.cli.main([os.fspath(argument) for argument in arguments])
        done = capfd.readouterr()
        return code, [json.loads(line) for line in done.out.splitlines()], done.err.splitlines()

    return run


@needs_voice
def test_the_command_runs_models(talk, tmp_path, call):
    file = tmp_path / "talk.wav"
    soundfile.write(file, talk, RATE)
    models = ("--model", bench.peer_models() / "alexa.json", "--model", bench.peer_models() / "okay_nabu.json")
    code, events, complaints = call("run", "--json", *models, file)
    assert (code, complaints) == (0, [])
    assert [event["word"] for event in events if event["event"] == "wake"] == ["okay_nabu", "alexa", "okay_nabu"]
    assert [event["event"] for event in events] == ["wake", "decision"] * 3 + ["end"]
    code, events, _ = call("run", "--json", *models, "--word", "alexa", file)
    assert {event["word"] for event in events[:-1]} == {"alexa"}
    code, (scores,), _ = call("score", "wake", "--json", *models, file)
    assert set(scores["words"]) == {"alexa", "okay_nabu"}


@pytest.mark.parametrize("command", [("run",), ("score", "wake")], ids=" ".join)
@pytest.mark.parametrize("what", ["network", "cut short", "manifest", "version", "missing", "twice"])
def test_a_model_that_cannot_be_used_is_one_line(command, what, tmp_path, call):
    manifest = json.loads((bench.peer_models() / "alexa.json").read_text())
    content = (bench.peer_models() / "alexa.tflite").read_bytes()
    told, more = {
        "network": ("cannot load the model", ()),
        "cut short": ("cannot load the model", ()),
        "manifest": ("micro.probability_cutoff: got 2, expected a number from 0 to 1", ()),
        "version": ("version: got 3, expected at most 2", ()),
        "missing": ("cannot be read (No such file or directory)", ()),
        "twice": ("listens for already", ("--model", bench.peer_models() / "alexa.json")),
    }[what]
    if what == "network":
        content = b"\0" * 2000
    elif what == "cut short":
        content = content[: len(content) // 2]
    elif what == "manifest":
        manifest["micro"]["probability_cutoff"] = 2
    elif what == "version":
        manifest["version"] = 3
    (tmp_path / "a.json").write_text(json.dumps(manifest))
    (tmp_path / "alexa.tflite").write_bytes(content)
    if what == "missing":
        (tmp_path / "alexa.tflite").unlink()
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE, np.int16), RATE)
    code, events, complaints = call(*command, "--json", "--model", tmp_path / "a.json", *more, tmp_path / "a.wav")
    assert code == 2
    assert events == []
    (line,) = complaints
    assert line.startswith("vivavoce: ")
    assert told in line
    assert str(tmp_path) in line


def test_a_model_of_the_bundle_is_not_one_for_esphome(tmp_path):
    manifest = json.loads((bench.peer_models() / "alexa.json").read_text())
    (tmp_path / "alexa.json").write_text(json.dumps(manifest))
    (tmp_path / "alexa.tflite").write_bytes(open_bundle().content("wake.tflite"))
    with pytest.raises(ModelAbiError, match=r"alexa\.tflite: inputs: got features, state, expected"):
        Pipeline(open_bundle(), models=[open_esphome_model(tmp_path / "alexa.json")])
