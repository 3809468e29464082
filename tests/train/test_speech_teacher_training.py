"""The teacher that knows speech is trained for the network to be taught: its words, its record, its folder."""

import json

import numpy as np
import pytest

from edge.errors import DataError, UsageError

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from tests.train.fake_speech_embedding import noise, write_fake_embedding
from train import embedding_material, speech_teacher_training, wake_material
from train.embedding_words import EmbeddingWordsSettings
from train.recorded_settings import recorded_wake
from train.speech_embedding import FILES, SpeechEmbedding
from train.speech_teacher import read_speech_teacher
from train.speech_teacher_training import train_speech_teacher
from train.wake_embeddings import quantised_embeddings
from train.wake_settings import WakeSettings

pytestmark = pytest.mark.tf

OWN = EmbeddingWordsSettings(embeddings=2, hidden=8, epochs=1, batch=16)


@pytest.fixture(scope="module")
def embedding(tmp_path_factory):
    return write_fake_embedding(tmp_path_factory.mktemp("embedding"))


@pytest.fixture
def world(tmp_path, monkeypatch, embedding):
    """Return a function that trains a teacher on noise, and the list of words that were rendered."""
    rendered = []

    def scenes(settings, told, *, splits, **rest):
        rendered.append((told, splits))
        return {"train": {"end_sample": np.full(3, 20_000, np.int32), "word": np.array([0, -1, 0], np.int8)}}

    def embeddings(folder, data, split, cache, *, words, **rest):
        network = SpeechEmbedding(folder)
        return np.stack([quantised_embeddings(network, noise(3.0, seed)) for seed in range(3)])

    monkeypatch.setattr(wake_material, "phrases", lambda data: {"one": "one", "two": "two"})
    for name, made in (
        ("other_words", lambda data: ("zero",)), ("wake_scenes", scenes), ("build_wake_embeddings", embeddings),
        ("spoken", lambda *given: []), ("load_manifest", lambda data: []),
    ):  # fmt: skip
        monkeypatch.setattr(embedding_material, name, made)
    monkeypatch.setattr(speech_teacher_training, "data_hash", lambda data: "d" * 64)

    def train(settings, *, own=OWN, out="teacher"):
        train_speech_teacher(
            own, settings, embedding=embedding, data=tmp_path, cache=tmp_path / "cache", out=tmp_path / out
        )
        return tmp_path / out

    return train, rendered


def test_words_that_are_left_out_are_not_learnt(world):
    train, rendered = world
    settings = WakeSettings(without=("two",), synth=(), scenes=0.5)
    out = train(settings)
    assert rendered == [(("one", "zero"), ("train",))]
    assert read_speech_teacher(out, ("one", "zero")).words == ("one", "zero")
    recorded = json.loads((out / "record.json").read_text())["settings"]
    assert recorded_wake(recorded["scenes_of"], out / "record.json") == settings
    assert (recorded["hidden"], recorded["rendered"]) == (8, {"train": 3})
    with pytest.raises(UsageError, match=r"without: got three, expected some, and not all, .*: one, two;"):
        train(WakeSettings(without=("three",)))
    with pytest.raises(UsageError, match="without: got one, two, expected some, and not all"):
        train(WakeSettings(without=("two", "one")))


def test_a_run_that_breaks_leaves_no_record_of_another_teacher(world, embedding, monkeypatch):
    train, _ = world
    out = train(WakeSettings())
    before = (out / "words.npz").read_bytes()

    def full(path, content, **how):
        if path.name == "words.npz":
            raise DataError(f"{path}: cannot be written (No space left on device)")
        path.write_bytes(content)

    with monkeypatch.context() as patched:
        patched.setattr("train.speech_teacher.put_bytes", full)
        with pytest.raises(DataError, match="No space left"):
            train(WakeSettings(), own=EmbeddingWordsSettings(embeddings=2, hidden=4, epochs=1))
    assert (out / "words.npz").read_bytes() == before
    assert not (out / "record.json").exists()
    with pytest.raises(DataError, match=r"record.json: cannot be read"):
        read_speech_teacher(out)
    assert [(out / name).read_bytes() for name in FILES] == [(embedding / name).read_bytes() for name in FILES]
