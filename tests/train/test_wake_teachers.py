"""Networks that teach a wake network: what they say is mixed into the targets, and who cannot teach is refused."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from edge.errors import DataError, UsageError

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from tests.train.wake_checkpoint import SHAPE, WORDS, member
from train.keras import tf
from train.new_word_checkpoint import read_wake_checkpoint
from train.wake_labels import weighted_loss
from train.wake_settings import WakeSettings
from train.wake_teachers import WakeTeachers
from train.wake_training import fit_wake, wake_shape

pytestmark = pytest.mark.tf

PUPIL = replace(SHAPE, words=3)
"""It tells one word more than its teachers."""


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teachers")
    tf.keras.utils.set_random_seed(3)
    # Of another size than the pupil: only moments and words have to be the same.
    wide = replace(SHAPE, width=12, kernels=(7,))
    return [member(folder / "one"), member(folder / "wide", wide)]


@pytest.fixture(scope="module")
def teachers(paths):
    return WakeTeachers(paths, WORDS, PUPIL)


@pytest.fixture(scope="module")
def features():
    return tf.constant(np.random.default_rng(1).uniform(0, 26, (4, 65, 40)).astype(np.float32))


@pytest.fixture(scope="module")
def truth(teachers, features):
    n_outputs = teachers.logits(features).shape[1]
    rng = np.random.default_rng(2)
    target = rng.integers(0, 2, (4, n_outputs, 3))
    weight = np.where(target, 4.0, rng.integers(0, 2, target.shape))
    return tf.constant(np.stack([target, weight], -1).astype(np.float32))


def test_the_mean_of_the_networks_as_the_device_runs_them_teaches(paths, teachers, features):
    of_each = []
    for path in paths:
        device = tf.saved_model.load(str(path / "model")).signatures["serving_default"]
        shape = read_wake_checkpoint(path).shape
        state, said = tf.zeros((1, *shape.state_shape)), []
        for at in range(0, features.shape[1] - 4, 3):
            result = device(features=features[:1, at : at + 5], state=state)
            state = result["state_out"]
            said.append(result["logits"][0])
        of_each.append(tf.stack(said))
    np.testing.assert_allclose(teachers.logits(features)[0], (of_each[0] + of_each[1]) / 2, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_loss_is_shared_between_labels_and_teachers(teachers, features, truth, share):
    logits = tf.constant(np.random.default_rng(3).normal(0, 2, truth.shape[:3]).astype(np.float32))
    said = tf.sigmoid(teachers.logits(features))
    of_teachers = weighted_loss(tf.stack([said, 1.0 + 3.0 * said], -1), logits[..., :2])
    of_labels = weighted_loss(truth[..., :2, :], logits[..., :2])
    alone = weighted_loss(truth[..., 2:, :], logits[..., 2:])
    taught = teachers.teach(features, truth, share=share, positive_weight=4.0)
    assert float(weighted_loss(taught, logits)) == pytest.approx(
        float((1 - share) * of_labels + share * of_teachers + alone), rel=1e-5
    )
    np.testing.assert_array_equal(taught[..., 2:, :], truth[..., 2:, :])


def test_what_labels_leave_open_the_teachers_tell(teachers, features, truth):
    taught = teachers.teach(features, truth, share=0.5, positive_weight=4.0).numpy()
    opened = truth[..., :2, 1].numpy() == 0
    assert opened.any()
    np.testing.assert_allclose(
        taught[..., :2, 0][opened], tf.sigmoid(teachers.logits(features)).numpy()[opened], rtol=1e-5
    )


def test_a_pupil_learns_what_its_teacher_says(tmp_path, teachers):
    rng = np.random.default_rng(4)
    scenes = {
        "features": rng.integers(-128, 127, (64, 68, 40)).astype(np.int8),
        "end_sample": np.full(64, -1, np.int32),
        "word": np.full(64, -1, np.int8),
    }
    settings = WakeSettings.from_dict(
        {"width": 8, "kernels": [3, 5], "epochs": 12, "batch": 16, "sparsity": 0, "ema": 0, "rate": 0.02}
        | {"teacher_share": 1.0, "variety": {"dropout": 0.0}}
    )
    shape = wake_shape(settings, 3)
    x = tf.constant((scenes["features"].astype(np.float32) + 128) * np.float32(26 / 255))

    def apart(teachers, folder):
        pupil, _ = fit_wake(
            settings, scenes, scenes, shape, seed=1, resume=tmp_path / folder, trained={}, teachers=teachers
        )
        said = tf.sigmoid(pupil(x, training=False))[..., :2]
        wanted = tf.sigmoid(WakeTeachers.logits(given, x))
        return float(tf.reduce_mean(tf.abs(said - wanted)))

    given = teachers
    # Its labels say that there is never a word; its teachers, whose weights are chance, say all kinds of things.
    assert apart(given, "taught") < 0.6 * apart(None, "alone")


def test_the_record_names_the_teachers(teachers, paths):
    said = teachers.identities
    assert [one["width"] for one in said] == [8, 12]
    assert len({one["sha256"] for one in said}) == 2
    assert json.loads(json.dumps(said)) == said
    assert WakeTeachers(paths[:1], WORDS, PUPIL).identities[0] == said[0]


def test_what_the_teachers_learnt_from_is_what_the_pupil_has(paths, tmp_path, teachers):
    assert teachers.licences == [{"material": "c", "licence": "CC0-1.0"}]
    other = member(tmp_path / "other")
    record = json.loads((other / "record.json").read_text())
    record["licences"].append({"material": "speech", "licence": "CC-BY-4.0"})
    (other / "record.json").write_text(json.dumps(record))
    assert [one["material"] for one in WakeTeachers([paths[0], other], WORDS, PUPIL).licences] == ["c", "speech"]


def test_who_cannot_teach_is_refused(paths):
    with pytest.raises(UsageError, match=r"--teacher .*one: got a network for alexa, jarvis, expected one for alexa;"):
        WakeTeachers(paths[:1], ("alexa",), PUPIL)
    with pytest.raises(UsageError, match=r"--teacher .*one: got stride_frames 3, expected 2"):
        WakeTeachers(paths[:1], WORDS, replace(PUPIL, stride_frames=2))


def _cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _edit(path, **entries):
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda at: _cut(at / "model" / "saved_model.pb"), r"model: got (no saved|a damaged) network"),
        (lambda at: _cut(at / "model/variables/variables.data-00000-of-00001"), "model: got a damaged network"),
        (lambda at: (at / "model/variables/variables.index").unlink(), r"model: got (no saved|a damaged) network"),
        (lambda at: _cut(at / "spec.json"), "spec.json: got text that is not JSON"),
        (lambda at: _edit(at / "spec.json", role="liveness"), "got a checkpoint of the role 'liveness'"),
        (lambda at: _edit(at / "spec.json", words=2), "spec.json: words: got no list of words"),
        (lambda at: _edit(at / "spec.json", words=["alexa", "jarvis"]), "spec.json: words: got no list of words"),
        (
            lambda at: _edit(at / "spec.json", words=[{"id": "alexa", "phrase": "alexa"}]),
            "got 1 words in spec.json and 2",
        ),
        (lambda at: _edit(at / "spec.json", stride_frames="3"), "spec.json: stride_frames: got '3'"),
        (lambda at: _edit(at / "record.json", licences=["CC0"]), "record.json: licences: got something else"),
    ],
)
def test_a_damaged_teacher_is_told_in_one_line(tmp_path, paths, damage, told):
    shutil.copytree(paths[0], tmp_path / "teacher")
    damage(tmp_path / "teacher")
    with pytest.raises(DataError, match=told) as caught:
        WakeTeachers([tmp_path / "teacher"], WORDS, PUPIL)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "teacher") in str(caught.value)
