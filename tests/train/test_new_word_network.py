"""A word that was added to a network: both forms compute the same, the other words keep their logits."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the networks are made with TensorFlow")
pytestmark = pytest.mark.tf

from edge.errors import DataError  # noqa: E402
from edge.frontend_tables import FrontendSettings  # noqa: E402
from train.keras import tf  # noqa: E402
from train.new_word import WordSettings, scorer, train_branch  # noqa: E402
from train.new_word_checkpoint import read_wake_checkpoint  # noqa: E402
from train.wake_network import (  # noqa: E402
    Branch,
    WakeShape,
    branch_form,
    branch_weights,
    device_form,
    fill_branch,
    output_frames,
    training_form,
    trunk_form,
    weights_of,
)

SHAPE = WakeShape(words=2, width=8, kernels=(3, 5))


def scrambled(model, seed: int):
    rng = np.random.default_rng(seed)
    # Weights as after training: norms that have seen something, and no bias of zero.
    model.set_weights([w + rng.normal(0, 0.3, w.shape) ** (2 if w.ndim == 1 else 1) for w in model.get_weights()])
    return model


def members(n: int):
    return [weights_of(scrambled(training_form(SHAPE), seed)) for seed in range(n)]


def branch(of, first: int, seed: int = 9) -> Branch:
    return Branch(first, branch_weights(scrambled(branch_form(SHAPE, of, first), seed), len(of)))


def streamed(device, features: np.ndarray) -> np.ndarray:
    state = np.zeros(device.get_layer("state").input_shape[0], np.float32)
    rows = []
    for newest in output_frames(SHAPE, (features.shape[1] - SHAPE.context_frames) // SHAPE.stride_frames + 1):
        out = device([features[:, newest - SHAPE.context_frames + 1 : newest + 1], state], training=False)
        state = out["state_out"].numpy()
        rows.append(out["logits"].numpy()[0])
    return np.array(rows)


@pytest.mark.parametrize("first", [0, 1, 2])
@pytest.mark.parametrize("n", [1, 2])
def test_on_the_device_a_branch_computes_what_was_trained_and_the_others_what_they_did(n, first):
    of = members(n)
    added = branch(of, first)
    features = np.random.default_rng(1).uniform(0, 26, (1, 60, 40)).astype(np.float32)
    got = streamed(device_form(SHAPE, of, [added]), features)
    np.testing.assert_allclose(got[:, :2], streamed(device_form(SHAPE, of), features), rtol=1e-4, atol=1e-4)
    form = branch_form(SHAPE, of, first)
    fill_branch(form, added)
    trunks = [trunk_form(SHAPE, weights, first)(features, training=False) for weights in of]
    expected = form(tf.concat(trunks, -1), training=False).numpy()[0]
    assert expected.std() > 0.01
    np.testing.assert_allclose(got[:, 2:], expected, rtol=1e-4, atol=1e-4)


def test_a_branch_begins_as_its_trunk():
    of = members(1)
    form = branch_form(SHAPE, of, 1)
    for name in ("time1", "mix1", "norm1"):
        for mine, trunks in zip(form.get_layer(name).get_weights(), of[0][name], strict=True):
            np.testing.assert_array_equal(mine, trunks)


def test_the_state_has_the_rings_of_the_branches_behind_those_of_the_members():
    of = members(2)
    device = device_form(SHAPE, of, [branch(of, 1), branch(of, 2), branch(of, 0)])
    assert device.get_layer("state").input_shape[0] == (1, 2 * (2 + 4) + 2 * 4 + 0 + 2 * (2 + 4), 8)


@pytest.mark.parametrize("n", [1, 2])
def test_a_checkpoint_is_taken_apart_into_what_it_was_made_of(n, tmp_path):
    of = members(n)
    branches = [branch(of, 1), branch(of, 2, seed=10)]
    save(device_form(SHAPE, of, branches), tmp_path, ["a", "b", "c", "d"])
    read = read_wake_checkpoint(tmp_path)
    assert read.shape == SHAPE
    assert read.words == ("a", "b", "c", "d")
    assert [one.first for one in read.branches] == [1, 2]
    same([*read.members], of)
    for got, made in zip(read.branches, branches, strict=True):
        same(got.members, made.members)


def same(got, expected):
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        assert set(one) == set(other)
        for name in one:
            for x, y in zip(one[name], other[name], strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-6, err_msg=name)


# Not a head alone: behind a trunk that was never trained it has nothing to tell sounds apart by.
@pytest.mark.parametrize("first", [0, 1])
def test_a_branch_learns_to_fire_where_the_word_ends_and_nowhere_else(first, tmp_path):
    rng = np.random.default_rng(3)
    features = rng.integers(-128, -110, (96, 100, 40)).astype(np.int8)
    ends = np.full(96, -1)
    for scene in range(48):
        last = rng.integers(40, 90)
        features[scene, last - 25 : last, 5:30] += 100
        ends[scene] = last * 160
    # Half of the others hold a shorter sound.
    features[48:72, 50:58, 5:30] += 100
    of = [weights_of(training_form(SHAPE))]
    settings = WordSettings(first_block=first, epochs=40, rate=2e-2, batch=16, dropout=0.0)
    added, history = train_branch(
        SHAPE, of, features, ends, settings, FrontendSettings(), resume=tmp_path, trained={}, seed=1
    )
    assert history["epochs"] == 40
    score = scorer(SHAPE, of, added)
    best = np.array([score(scene).max() for scene in features])
    assert (best[:48] > best[48:].max()).mean() > 0.9
    at = [score(scene).argmax() * 3 * 160 - end for scene, end in zip(features[:48], ends[:48], strict=True)]
    assert np.abs(np.median(at)) < 0.25 * 16_000


def save(model, folder: Path, words: list[str], role: str = "wake"):
    tf.saved_model.save(model, str(folder / "model"))
    spec = {"role": role, "words": [{"id": w, "phrase": w} for w in words], "stride_frames": SHAPE.stride_frames}
    (folder / "spec.json").write_text(json.dumps(spec))
    (folder / "record.json").write_text("{}")


def test_what_is_no_wake_checkpoint_is_one_line(tmp_path):
    with pytest.raises(DataError, match=r"spec\.json: cannot be read"):
        read_wake_checkpoint(tmp_path)
    (tmp_path / "spec.json").write_text("[")
    with pytest.raises(DataError, match="not JSON"):
        read_wake_checkpoint(tmp_path)
    save(device_form(SHAPE, members(1)), tmp_path, ["a", "b", "c"])
    with pytest.raises(DataError, match=r"3 words in spec.json and 2 in the network"):
        read_wake_checkpoint(tmp_path)
    save(device_form(SHAPE, members(1)), tmp_path, ["a", "b"], role="liveness")
    with pytest.raises(DataError, match="'liveness', expected 'wake'"):
        read_wake_checkpoint(tmp_path)
