"""A word more for a verifier: the others keep their logits, and the new one is heard."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from edge.errors import DataError
from tests.train.fake_speech_embedding import noise, write_fake_embedding
from tests.train.synthetic_speech import synthetic_word
from train import new_word_verifier
from train.clip import Clip
from train.embedding_words import EmbeddingWords
from train.fitting import RunRecord, read_representative, save_checkpoint
from train.keras import tf
from train.new_word_scenes import Given
from train.new_word_verifier import (
    WORD_CLASSIFIER,
    append_to_verifier,
    beside,
    check_verifier,
    read_verifier_checkpoint,
)
from train.speech_embedding import DIMENSIONS, SpeechEmbedding
from train.verifier_network import MOMENTS, verifier_frames, verifier_network

pytestmark = pytest.mark.tf

TAPS = 3
FRAMES = verifier_frames(TAPS)
SETTINGS = replace(WORD_CLASSIFIER, hidden=24, epochs=12, batch=16, dropout=0.0)


def a_classifier(words, hidden=8, seed=7):
    rng = np.random.default_rng(seed)
    shapes = (TAPS * DIMENSIONS, hidden), (hidden,), (hidden, 4), (4,), (4, words), (words,)
    return EmbeddingWords(tuple(rng.normal(0, shape[0] ** -0.5, shape).astype(np.float32) for shape in shapes))


@pytest.fixture(scope="module")
def embedding(tmp_path_factory):
    return write_fake_embedding(tmp_path_factory.mktemp("embedding"))


@pytest.fixture
def verifier(embedding, tmp_path):
    """Return a checkpoint of two words."""
    save_checkpoint(
        tmp_path / "verifier",
        verifier_network(embedding, a_classifier(2), 2),
        {"mel": np.zeros((3, FRAMES, 32), np.float32)},
        RunRecord(1, "x", {"embedding": SpeechEmbedding(embedding).sha256}, [{"material": "c", "licence": "CC0-1.0"}]),
        {
            "role": "verifier", "words": [{"id": word, "phrase": word} for word in ("alexa", "jarvis")],
            "frames": FRAMES, "moments": MOMENTS, "delay_ms": 100, "again_ms": 250, "ranges": {"mel": [-2.0, 14.0]},
        },
    )  # fmt: skip
    return tmp_path / "verifier"


def test_both_classifiers_say_what_each_said_alone():
    one, other = a_classifier(2), a_classifier(1, hidden=5, seed=8)
    embeddings = np.random.default_rng(1).integers(-100, 101, (40, DIMENSIONS)).astype(np.int8)
    both = beside(one, other).logits(embeddings)
    np.testing.assert_allclose(both[:, :2], one.logits(embeddings), atol=1e-4)
    np.testing.assert_allclose(both[:, 2:], other.logits(embeddings), atol=1e-4)


def test_what_is_read_is_what_was_trained(verifier):
    found = read_verifier_checkpoint(verifier)
    assert (found.words, found.embeddings) == (("alexa", "jarvis"), TAPS)
    for read, written in zip(found.classifier.weights, a_classifier(2).weights, strict=True):
        np.testing.assert_allclose(read, written, rtol=1e-6)


@pytest.fixture
def learnt(monkeypatch, tmp_path):
    """Return a word with one recording; its scenes are made up, and one direction of the embedding tells it."""
    soundfile.write(tmp_path / "a.wav", synthetic_word(1), 16_000)
    clip = Clip("a.wav", tmp_path / "a.wav", "mine", "ann", "train", "wake", "hey house", 1.0, 16_000, "CC-BY-4.0")
    rng = np.random.default_rng(3)
    scenes = {
        "embedding": rng.integers(-60, 61, (60, 56, DIMENSIONS)).astype(np.int8),
        "end_sample": np.where(np.arange(60) % 2 == 0, 30_000, -1).astype(np.int32),
    }
    scenes["embedding"][::2, 25:45, :20] = 120
    monkeypatch.setattr(new_word_verifier, "build_word_embeddings", lambda *_, **__: scenes)
    monkeypatch.setattr(new_word_verifier, "data_hash", lambda data: "0" * 64)
    train = SimpleNamespace(split="train", corpus="other", licence="CC0-1.0")
    monkeypatch.setattr("train.new_word_learning.load_manifest", lambda data: [train])
    monkeypatch.setattr(
        "train.new_word_learning.licences", lambda clips: [{"material": c.corpus, "licence": c.licence} for c in clips]
    )
    return SimpleNamespace(phrase="hey house", given=Given("hey house", (clip,), (), ())), scenes


def test_the_word_is_added_and_the_others_stay(verifier, embedding, learnt, tmp_path):
    from edge.interpreter import load_model
    from edge.verifier import Verifier
    from quantize.convert import convert

    word, scenes = learnt
    append_to_verifier(
        read_verifier_checkpoint(verifier), word, embedding=embedding, data=tmp_path, cache=tmp_path,
        out=tmp_path / "out", settings=SETTINGS, seed=5,
    )  # fmt: skip
    before, after = read_verifier_checkpoint(verifier), read_verifier_checkpoint(tmp_path / "out")
    assert after.words == ("alexa", "jarvis", "hey_house")
    assert after.spec["words"][-1] == {"id": "hey_house", "phrase": "hey house"}
    assert {key: after.spec[key] for key in ("frames", "delay_ms")} == {"frames": FRAMES, "delay_ms": 100}
    mel = np.random.default_rng(2).normal(5, 2, (1, FRAMES, 32)).astype(np.float32)
    logits = [
        tf.saved_model.load(str(path / "model")).signatures["serving_default"](mel=tf.constant(mel))["logits"].numpy()
        for path in (verifier, tmp_path / "out")
    ]
    np.testing.assert_allclose(logits[1][..., :2], logits[0], atol=1e-4)
    # On scenes like those that it learned from, from the tenth of a second behind the word on.
    heard = [after.classifier.logits(scene)[:, 2] for scene in scenes["embedding"]]
    said, other = (np.array([one[30:44].max() for one in heard[which::2]]) for which in (0, 1))
    assert said.min() > other.max()
    assert before.classifier.weights[0].shape[1] + SETTINGS.hidden == after.classifier.weights[0].shape[1]
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["settings"]["word"]["phrase"] == "hey house"
    assert record["settings"]["embedding"] == SpeechEmbedding(embedding).sha256
    told = [{"licence": "CC-BY-4.0", "material": "mine"}, {"licence": "CC0-1.0", "material": "c"}]
    assert record["licences"] == [*told, {"licence": "CC0-1.0", "material": "other"}]
    mels = read_representative(tmp_path / "out")["mel"]
    assert mels.shape == (4, FRAMES, 32), "the stretches of the verifier, and one of the only recording"
    assert not mels[:3].any()
    assert mels[3].any()

    convert(tmp_path / "out")
    model = load_model((tmp_path / "out" / "model_int8.tflite").read_bytes(), name="verifier")
    stage = Verifier(model, [0.5] * 3, candidates=[0.5] * 3, delay_samples=1600, refractory_samples=16_000)
    stage.push(noise(2.0))
    stage.offer(2, 30_000)
    assert len(stage.push(noise(0.3)) + stage.finish()) == 1


def test_a_second_word_is_added_to_the_first(verifier, embedding, learnt, tmp_path):
    word, _ = learnt
    given = {"embedding": embedding, "data": tmp_path, "cache": tmp_path, "settings": SETTINGS}
    append_to_verifier(read_verifier_checkpoint(verifier), word, out=tmp_path / "one", **given)
    word.phrase = "okay lamp"
    one = read_verifier_checkpoint(tmp_path / "one")
    check_verifier(one, embedding, ("alexa", "jarvis", "hey_house"))
    append_to_verifier(one, word, out=tmp_path / "two", **given)
    assert read_verifier_checkpoint(tmp_path / "two").words == ("alexa", "jarvis", "hey_house", "okay_lamp")


def test_a_verifier_of_other_words_is_told(verifier, embedding):
    with pytest.raises(
        DataError, match="got a verifier for alexa, jarvis, expected one for jarvis, alexa in this order"
    ):
        check_verifier(read_verifier_checkpoint(verifier), embedding, ("jarvis", "alexa"))


def test_another_embedding_is_told(verifier, embedding):
    found = read_verifier_checkpoint(verifier)
    other = replace(found, record={"settings": {"embedding": "0" * 64}})
    with pytest.raises(
        DataError, match=r"got another speech embedding .*give the folder that the verifier was trained with"
    ):
        check_verifier(other, embedding, found.words)


def test_a_checkpoint_of_another_role_and_a_damaged_one_are_told(verifier):
    spec = json.loads((verifier / "spec.json").read_text())
    (verifier / "spec.json").write_text(json.dumps(spec | {"role": "wake"}))
    with pytest.raises(DataError, match="got a checkpoint of the role 'wake', expected 'verifier'; give the folder"):
        read_verifier_checkpoint(verifier)
    (verifier / "spec.json").write_text(json.dumps(spec | {"words": spec["words"][:1]}))
    with pytest.raises(DataError, match=r"got another network than train\.verifier_network makes .*1 words"):
        read_verifier_checkpoint(verifier)
    (verifier / "spec.json").unlink()
    with pytest.raises(DataError, match=r"spec\.json: cannot be read"):
        read_verifier_checkpoint(verifier)
