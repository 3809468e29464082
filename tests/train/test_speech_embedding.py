"""The speech embedding in time, and the teacher made of it; on networks of its form that know no speech."""

import io
import json
import shutil

import numpy as np
import pytest

from edge.errors import DataError, UsageError

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from tests.train.fake_speech_embedding import noise, write_fake_embedding
from train.embedding_words import EmbeddingWords, EmbeddingWordsSettings, chosen_moments, fit_embedding_words
from train.speech_embedding import DIMENSIONS, FILES, SpeechEmbedding, heard_samples
from train.speech_teacher import read_speech_teacher, save_speech_teacher
from train.wake_embeddings import EMBEDDING_STEP, quantised_embeddings

pytestmark = pytest.mark.tf

WORDS = ("one", "two")
SETTINGS = EmbeddingWordsSettings(embeddings=3, hidden=16, dropout=0.1, epochs=30, rate=0.01, batch=16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_fake_embedding(tmp_path_factory.mktemp("embedding"))


@pytest.fixture(scope="module")
def embedding(folder):
    return SpeechEmbedding(folder)


@pytest.mark.parametrize("hop_frames", [2, 4, 8])
def test_one_run_over_a_recording_gives_what_runs_over_its_stretches_give(embedding, hop_frames):
    samples = noise(1.3)
    found = embedding.embed(samples, hop_frames=hop_frames)
    heard = heard_samples(len(found), hop_frames)
    assert heard[-1] <= samples.size < heard[-1] + 160 * hop_frames
    alone = [embedding.embed(samples[end - heard[0] : end])[0] for end in heard]
    np.testing.assert_allclose(found, alone, rtol=1e-4, atol=1e-4)


def test_it_has_heard_as_much_as_is_said(embedding):
    samples = noise(1.3)
    changed = samples.copy()
    end = heard_samples(5, 4)[3]
    changed[end - 1] += 20_000
    before, after = (embedding.embed(one, hop_frames=4) for one in (samples, changed))
    same = np.isclose(before, after, atol=1e-6).all(axis=1)
    assert same[:3].all()
    assert not same[3]


def test_too_little_is_no_embedding(embedding):
    assert embedding.embed(noise(0.77)).shape == (0, DIMENSIONS)
    assert embedding.embed(noise(0.79)).shape == (1, DIMENSIONS)
    with pytest.raises(ValueError, match="hop_frames is 3"):
        embedding.embed(noise(1.0), hop_frames=3)


@pytest.mark.parametrize("missing", FILES)
def test_a_folder_without_the_embedding_is_refused(folder, tmp_path, missing):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / missing).unlink()
    with pytest.raises(DataError, match=rf"{missing}: cannot be read .*pip download"):
        SpeechEmbedding(tmp_path)
    (tmp_path / missing).write_bytes(b"no network")
    with pytest.raises(DataError, match=rf"{missing}: is no network"):
        SpeechEmbedding(tmp_path)


def test_swapped_files_are_refused(folder, tmp_path):
    for name, other in zip(FILES, reversed(FILES), strict=True):
        shutil.copy(folder / name, tmp_path / other)
    with pytest.raises(DataError, match=r"melspectrogram.tflite: got a network that does not take .*swapped") as caught:
        SpeechEmbedding(tmp_path)
    assert "\n" not in str(caught.value)
    shutil.copy(folder / FILES[0], tmp_path / FILES[0])
    shutil.copy(folder / FILES[0], tmp_path / FILES[1])
    with pytest.raises(DataError, match=r"embedding_model.tflite: got embeddings of \(1, 1, 14, 32\)"):
        SpeechEmbedding(tmp_path)


@pytest.mark.parametrize(
    ("changed", "told"),
    [({"bands": 20}, r"got a spectrogram of \(1, 1, 84, 20\)"), ({"dimensions": 12}, "got embeddings of")],
)
def test_other_networks_are_refused(tmp_path, changed, told):
    with pytest.raises(DataError, match=told):
        SpeechEmbedding(write_fake_embedding(tmp_path, **changed))


def made_up_scenes(n=40):
    """Return scenes whose embedding shows in one dimension which word was just said."""
    rng = np.random.default_rng(3)
    embeddings = rng.integers(-5, 6, (n, 56, DIMENSIONS)).astype(np.int8)
    heard = heard_samples(56, 4)
    word = (np.arange(n) % 3 - 1).astype(np.int8)
    end = np.where(word >= 0, rng.integers(20_000, 38_000, n), -1).astype(np.int32)
    for scene, said, at in zip(embeddings, word, end, strict=True):
        if said >= 0:
            scene[(heard >= at) & (heard < at + 3200), said] = 120
    return embeddings, end, word


@pytest.fixture(scope="module")
def classifier():
    embeddings, end, word = made_up_scenes()
    rng = np.random.default_rng(1)
    return fit_embedding_words(
        *chosen_moments(embeddings, end, word, settings=SETTINGS, n_words=2, rng=rng), SETTINGS, seed=1
    )


def test_moments_are_those_of_a_word_and_others(classifier):
    embeddings, end, word = made_up_scenes()
    moments, said = chosen_moments(embeddings, end, word, settings=SETTINGS, n_words=2, rng=np.random.default_rng(1))
    assert moments.shape == (len(said), 3, DIMENSIONS)
    newest = moments[:, -1, :2] == 120
    np.testing.assert_array_equal(newest, said.astype(bool))
    assert said.sum(axis=0).min() > 10
    # 5 moments of 40 ms lie within the hold of 0.2 s; a scene without a word gives 8 others.
    assert len(said) == 40 * SETTINGS.moments + said.sum()


def test_words_are_heard_where_they_are(classifier):
    embeddings, end, word = made_up_scenes()
    heard = heard_samples(56, 4)
    hits, alarms = [], []
    for scene, at, said in zip(embeddings, end, word, strict=True):
        found = classifier.logits(scene) > 0
        after = (heard - at) / 16_000 if said >= 0 else np.full(56, np.inf)
        if said >= 0:
            hits.append(found[(after >= 0) & (after < 0.2), said])
        # Around a word either answer is right.
        alarms.append(found[(after < -0.15) | (after >= 0.35)])
    assert np.concatenate(hits).mean() > 0.9
    assert np.concatenate(alarms).mean() < 0.05


def test_a_recording_is_judged_as_the_moments_that_were_learned_from(classifier):
    scene = made_up_scenes()[0][1]
    whole = classifier.logits(scene)
    first, bias, gain, offset, second, second_bias, head, head_bias = classifier.weights
    for at in (0, 1, 3, 30):
        moment = scene[np.maximum([at - 4, at - 2, at], 0)].astype(np.float64).ravel() * EMBEDDING_STEP / 15
        x = moment @ first + bias
        x = np.maximum((x - x.mean()) / np.sqrt(x.var() + 1e-3) * gain + offset, 0)
        logits = np.maximum(x @ second + second_bias, 0) @ head + head_bias
        np.testing.assert_allclose(whole[at], logits, rtol=1e-3, atol=1e-3)


def test_a_teacher_comes_back_from_its_folder(folder, tmp_path, classifier, embedding):
    save_speech_teacher(tmp_path, folder, classifier, {"settings": {"words": WORDS}})
    found = read_speech_teacher(tmp_path, WORDS)
    assert found.record == {"settings": {"words": list(WORDS)}}
    scene = quantised_embeddings(embedding, noise(1.5))
    np.testing.assert_array_equal(found.classifier.logits(scene), classifier.logits(scene))
    assert found.identity == {"classifier": classifier.sha256, "embedding": embedding.sha256}
    assert classifier.sha256 != EmbeddingWords(tuple(w + 1 for w in classifier.weights)).sha256
    with pytest.raises(UsageError, match=r"--speech-teacher .*: got one for one, two, expected one for one, three"):
        read_speech_teacher(tmp_path, ("one", "three"))
    (tmp_path / "record.json").write_text(json.dumps({"settings": {"words": ["one"]}}))
    with pytest.raises(DataError, match=r"got 2 outputs in words.npz and 1 words"):
        read_speech_teacher(tmp_path)


def test_a_broken_teacher_is_told_in_one_line(folder, tmp_path, classifier):
    save_speech_teacher(tmp_path, folder, classifier, {"settings": {"words": WORDS}})
    path = tmp_path / "words.npz"
    whole, weights = path.read_bytes(), classifier.weights

    def packed(*arrays):
        held = io.BytesIO()
        np.savez(held, *arrays)
        return held.getvalue()

    single = io.BytesIO()
    np.save(single, weights[0])
    for content, told in (
        (b"", "got no classifier"),
        (b"PK cut short", "got no classifier"),
        (whole[: len(whole) // 2], "got no classifier"),
        (single.getvalue(), "got no classifier"),
        (packed(*weights[:-1]), "got no classifier .*arr_7"),
        (packed(np.zeros((5, 16)), *weights[1:]), r"got arrays of \(5, 16\), "),
        (packed(*weights[:3], weights[3][:-1], *weights[4:]), "expected those of a classifier"),
        (packed(*weights[:6], weights[6].T, weights[7]), "expected those of a classifier"),
        (packed(*[w.ravel() for w in weights]), "expected those of a classifier"),
        (packed(weights[0][:0], *weights[1:]), "expected those of a classifier"),
        (packed(*weights[:7], weights[7] * np.nan), "got NaN or infinite weights"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=rf"words.npz: .*{told}") as caught:
            read_speech_teacher(tmp_path)
        assert "\n" not in str(caught.value)
    path.write_bytes(whole)
    for settings in ({}, {"words": []}, {"words": "two"}, {"words": [1, 2]}, None):
        (tmp_path / "record.json").write_text(json.dumps({"settings": settings}))
        with pytest.raises(DataError, match=r"record.json: got no words, expected"):
            read_speech_teacher(tmp_path)


def test_a_teacher_that_was_half_written_has_no_record(folder, tmp_path, classifier):
    out = tmp_path / "teacher"
    save_speech_teacher(out, folder, classifier, {"settings": {"words": WORDS}})
    with pytest.raises(DataError, match=r"melspectrogram.tflite: cannot be read"):
        save_speech_teacher(out, tmp_path / "gone", classifier, {"settings": {"words": ["other"]}})
    assert not (out / "record.json").exists()
    # Beside its own copy of the embedding it is written again.
    save_speech_teacher(out, out, classifier, {"settings": {"words": WORDS}})
    assert read_speech_teacher(out).words == WORDS


def test_quantised_embeddings_are_the_embeddings(embedding):
    samples = noise(1.2)
    np.testing.assert_allclose(
        quantised_embeddings(embedding, samples) * EMBEDDING_STEP,
        np.clip(embedding.embed(samples, hop_frames=4), -64, 63.5),
        atol=EMBEDDING_STEP / 2 + 1e-6,
    )
