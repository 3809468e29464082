"""The speech embedding read into Keras, and the verifier that is made of it and a classifier."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edge.errors import DataError, UsageError

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from edge.log_mel import log_mel, samples_of_mel_frames
from tests.train.fake_speech_embedding import noise, write_fake_embedding
from train import embedding_material, verifier_training
from train.embedding_words import EmbeddingWords, EmbeddingWordsSettings
from train.keras import tf, tf_keras
from train.speech_embedding import DIMENSIONS, FILES, HOP_FRAMES, SpeechEmbedding
from train.speech_network import speech_network
from train.verifier_network import MOMENTS, verifier_frames, verifier_network
from train.verifier_training import train_verifier
from train.wake_embeddings import EMBEDDING_STEP
from train.wake_settings import WakeSettings

pytestmark = pytest.mark.tf

ROOT = Path(__file__).resolve().parents[2]
TAPS = 3
FRAMES = verifier_frames(TAPS)


def real_embedding() -> Path:
    """Return the folder of Google's files, unpacked as the documentation says."""
    around = Path(os.environ.get("VIVAVOCE_EMBEDDING", ROOT / "build" / "openwakeword"))
    found = sorted(around.rglob(FILES[1]))
    if not found:
        pytest.skip(f"needs the speech embedding, and {around} does not hold it (VIVAVOCE_EMBEDDING names another)")
    return found[0].parent


def in_keras(folder, frames, bands=32):
    given = tf_keras.Input((frames, bands, 1), batch_size=1)
    return tf_keras.Model(given, speech_network(folder, given))


@pytest.mark.parametrize("kind", ["noise", "speech-like", "silence"])
def test_it_is_the_speech_embedding(kind):
    folder = real_embedding()
    samples = {
        "noise": noise(1.742),
        # Tones that come and go five times a second.
        "speech-like": noise(1.742) // 200
        + (3000 * np.sin(np.arange(27_872) * 0.08) * np.sin(np.arange(27_872) / 510).clip(0)).astype(np.int16),
        "silence": np.zeros(27_872, np.int16),
    }[kind]
    found = in_keras(folder, 172)(log_mel(samples)[None, :, :, None])[0, :, 0]
    told = SpeechEmbedding(folder).embed(samples)
    assert found.shape == told.shape == (13, DIMENSIONS)
    np.testing.assert_allclose(found, told, atol=1e-3)
    assert told.std() > 1


def chain(folder, change=lambda x: x):
    """Write a chain of all operations that the embedding is made of."""
    folder.mkdir(parents=True, exist_ok=True)
    tf_keras.utils.set_random_seed(4)
    layers = tf_keras.layers
    given = tf_keras.Input((20, 8, 1), batch_size=1)
    x = layers.ZeroPadding2D(((0, 0), (1, 1)))(given)
    x = layers.Conv2D(4, 3, bias_initializer="normal")(x)
    x = tf.maximum(layers.LeakyReLU(0.3)(x), -0.2)
    x = layers.MaxPooling2D((1, 2))(x)
    x = layers.Conv2D(6, (1, 3), padding="same", bias_initializer="normal")(x)
    x = layers.MaxPooling2D((2, 2))(tf.maximum(layers.LeakyReLU(0.3)(x), -0.2))
    x = change(layers.Conv2D(5, (3, 1), strides=(2, 1))(x))
    content = tf.lite.TFLiteConverter.from_keras_model(tf_keras.Model(given, x)).convert()
    (folder / FILES[1]).write_bytes(content)
    return content


def test_every_operation_becomes_a_layer(tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    content = chain(tmp_path)
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    x = np.random.default_rng(1).normal(size=(1, 20, 8, 1)).astype(np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    told = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    found = in_keras(tmp_path, 20, 8)(x).numpy()
    assert found.shape == told.shape == (1, 4, 2, 5)
    np.testing.assert_allclose(found, told, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda x: tf.nn.relu(x), "CONV_2D has an activation of its own"),
        (lambda x: tf.concat([x, x], axis=1), ".* is no constant"),
        (lambda x: tf.sigmoid(x), "LOGISTIC with 0 constants"),
    ],
)
def test_another_network_is_refused(tmp_path, change, told):
    chain(tmp_path, change)
    with pytest.raises(DataError, match=rf"{FILES[1]}: got another network than the speech embedding \({told}"):
        in_keras(tmp_path, 20, 8)


@pytest.mark.parametrize("content", [None, b"", b"no network at all", b"\x10\0\0\0TFL3" + bytes(40)])
def test_a_file_that_is_none_is_refused_in_one_line(tmp_path, content):
    if content is not None:
        (tmp_path / FILES[1]).write_bytes(content)
    with pytest.raises(DataError, match=rf"{FILES[1]}: (cannot be read|got another network) .*pip download") as told:
        in_keras(tmp_path, 172)
    assert "\n" not in str(told.value)


def test_a_file_that_was_cut_is_refused(tmp_path):
    content = chain(tmp_path)
    for length in np.linspace(8, len(content) - 600, 25).astype(int):
        (tmp_path / FILES[1]).write_bytes(content[:length])
        with pytest.raises(DataError, match="got another network"):
            in_keras(tmp_path, 20, 8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_fake_embedding(tmp_path_factory.mktemp("embedding"))


def a_classifier(words=3):
    rng = np.random.default_rng(7)
    shapes = (TAPS * DIMENSIONS, 8), (8,), (8, 4), (4,), (4, words), (words,)
    return EmbeddingWords(tuple(rng.normal(0, shape[0] ** -0.5, shape).astype(np.float32) for shape in shapes))


def test_the_verifier_hears_at_each_moment_what_the_classifier_hears(folder):
    classifier = a_classifier()
    network = verifier_network(folder, classifier, 2)
    assert network.input_shape == (1, FRAMES, 32)
    spectrogram = np.random.default_rng(2).normal(5, 2, (1, FRAMES, 32)).astype(np.float32)
    found = network(spectrogram)["logits"][0].numpy()
    assert found.shape == (MOMENTS, 2)
    embeddings = in_keras(folder, FRAMES)(spectrogram[..., None])[0, :, 0].numpy() / EMBEDDING_STEP
    # As a recording, of which every second embedding is one that the classifier takes.
    told = classifier.logits(np.repeat(embeddings, 2, axis=0))[::2]
    np.testing.assert_allclose(found, told[TAPS - 1 :, :2], rtol=1e-3, atol=1e-3)


def test_its_newest_moment_is_the_end_of_what_it_hears(folder):
    network = verifier_network(folder, a_classifier(), 3)
    spectrogram = np.zeros((1, FRAMES, 32), np.float32)
    before = network(spectrogram)["logits"][0].numpy()
    spectrogram[0, -HOP_FRAMES:] = 3.0
    changed = np.abs(network(spectrogram)["logits"][0].numpy() - before).max(axis=1)
    assert (changed[:-1] == 0).all()
    assert changed[-1] > 0


@pytest.fixture
def made_up(monkeypatch):
    """Stand in for what renders; the rest of the training is real."""
    rng = np.random.default_rng(3)
    embeddings = rng.integers(-100, 101, (12, 56, DIMENSIONS)).astype(np.int8)
    scenes = {"end_sample": np.full(12, 30_000, np.int32), "word": (np.arange(12) % 3).astype(np.int8)}
    scenes["end_sample"][scenes["word"] == 2] = 25_000
    clip = SimpleNamespace(split="train", corpus="c", licence="CC0-1.0")
    monkeypatch.setattr(embedding_material, "taught_words", lambda data, without: {"two": "two", "one": "one, please"})
    monkeypatch.setattr(embedding_material, "other_words", lambda data: ("yes",))
    monkeypatch.setattr(embedding_material, "spoken", lambda *_: [])
    monkeypatch.setattr(embedding_material, "wake_scenes", lambda *_, **__: {"train": scenes})
    monkeypatch.setattr(embedding_material, "build_wake_embeddings", lambda *_, **__: embeddings)
    monkeypatch.setattr(embedding_material, "load_manifest", lambda data: [clip])
    monkeypatch.setattr(
        embedding_material, "licences", lambda clips: [{"material": c.corpus, "licence": c.licence} for c in clips]
    )
    monkeypatch.setattr(verifier_training, "data_hash", lambda data: "0" * 64)
    monkeypatch.setattr(
        verifier_training, "rendered", lambda *_, **__: (SimpleNamespace(samples=noise(3.0, i)) for i in range(6))
    )


def test_a_training_leaves_a_checkpoint_that_is_converted_and_looks(folder, tmp_path, made_up):
    from edge.interpreter import load_model
    from edge.verifier import Verifier
    from quantize.convert import convert

    settings = EmbeddingWordsSettings(embeddings=TAPS, hidden=8, epochs=1, batch=16)  # normalised by default
    train_verifier(
        settings, WakeSettings(), embedding=folder, data=tmp_path, cache=tmp_path, out=tmp_path / "out", seed=5
    )
    spec, record = (json.loads((tmp_path / "out" / f"{name}.json").read_text()) for name in ("spec", "record"))
    assert spec == {
        "role": "verifier", "words": [{"id": "one", "phrase": "one, please"}, {"id": "two", "phrase": "two"}],
        "frames": FRAMES, "moments": MOMENTS, "delay_ms": 100, "again_ms": 250, "ranges": {"mel": [-2.0, 14.0]},
    }  # fmt: skip
    assert (record["seed"], record["data_hash"], record["settings"]["normalised"]) == (5, "0" * 64, False)
    assert record["settings"]["other_words"] == ["yes"]
    assert record["licences"] == [
        {"material": "c", "licence": "CC0-1.0"},
        {"material": "speech_embedding (Google, TensorFlow Hub), a part of the network", "licence": "Apache-2.0"},
    ]
    again = {"embedding": folder, "data": tmp_path, "cache": tmp_path, "out": tmp_path / "out"}
    before = (tmp_path / "out" / "record.json").read_bytes()
    train_verifier(settings, WakeSettings(), seed=5, **again)
    assert (tmp_path / "out" / "record.json").read_bytes() == before, "what is done is left alone"
    with pytest.raises(DataError, match=r"another run \(seed: 5, now 7\)"):
        train_verifier(settings, WakeSettings(), seed=7, **again)
    with np.load(tmp_path / "out" / "representative.npz") as samples:
        assert samples["mel"].shape == (6, FRAMES, 32)
        # At several levels.
        assert np.ptp(samples["mel"].max(axis=(1, 2))) > 0.5
    convert(tmp_path / "out")
    model = load_model(tmp_path / "out" / "model_int8.tflite")
    assert model.inputs["mel"].scale == pytest.approx(16 / 255)
    verifier = Verifier(model, [0.0, 0.0], candidates=[0.5, 0.5], delay_samples=0, refractory_samples=0)
    assert verifier.stretch_samples == samples_of_mel_frames(FRAMES)
    verifier.offer(1, 0)
    (look,) = verifier.push(noise(2.0))
    assert 0 < look.score < 1


def test_no_more_is_heard_than_a_scene_has(folder, tmp_path):
    settings = EmbeddingWordsSettings(embeddings=26)
    with pytest.raises(UsageError, match=r"embeddings: got 26, for which the network hears 3\.00 s at once"):
        train_verifier(settings, WakeSettings(), embedding=folder, data=tmp_path, cache=tmp_path, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
