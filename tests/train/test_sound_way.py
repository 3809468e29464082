"""The way of a sound as a network is taught it: how it is kept, how it is told, and what it must not change."""

import json

import numpy as np
import pytest

from edge.cues import CueSettings
from edge.sample_time import SAMPLE_RATE_HZ
from train.sound_way import WAY_STEP_DB, quantised_way, spoken_in, way_of, way_size, ways_to_learn

CUES = CueSettings()
COARSE, FINE = CUES.coarse_bands, CUES.fine_bands


def _noise(seed, n=SAMPLE_RATE_HZ):
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32) * np.float32(0.1)


def test_a_quantised_way_is_within_half_a_step():
    spoken = _noise(1)
    heard = np.round(32768 * (np.diff(spoken, prepend=0.0) + 0.02 * _noise(2))).astype(np.int16)
    kept, way = quantised_way(spoken, heard, CUES), way_of(spoken, heard.astype(np.float32) / 32768, CUES)
    assert kept.shape == (way_size(CUES),)
    gains, known = ways_to_learn(kept[None], CUES)
    assert gains.shape == known.shape == (1, COARSE + FINE)
    expected = np.concatenate((way[:COARSE], way[2 * COARSE :]))
    np.testing.assert_allclose(10 * gains[0], np.clip(expected, -63.5, 63.5), atol=WAY_STEP_DB / 2 + 1e-4)
    np.testing.assert_allclose(known[0, :COARSE], way[COARSE : 2 * COARSE], atol=0.005)
    # 31 Hz wide bands lie four in a band of 125 Hz.
    np.testing.assert_array_equal(known[0, COARSE:], np.repeat(known[0, : FINE // 4], 4))


@pytest.mark.parametrize("gain", [1.0, 0.003])
def test_a_way_knows_no_level(gain):
    spoken = _noise(1)
    heard = (0.3 * np.diff(spoken, prepend=0.0) + 0.01 * _noise(2)).astype(np.float32)
    np.testing.assert_allclose(
        way_of(np.float32(gain) * spoken, heard, CUES), way_of(spoken, np.float32(gain) * heard, CUES), atol=1e-2
    )
    np.testing.assert_allclose(way_of(spoken, np.float32(gain) * heard, CUES), way_of(spoken, heard, CUES), atol=1e-2)


def test_silence_is_a_way_of_which_nothing_is_known():
    way = quantised_way(np.zeros(SAMPLE_RATE_HZ, np.float32), np.zeros(SAMPLE_RATE_HZ, np.int16), CUES)
    gains, known = ways_to_learn(way[None], CUES)
    assert np.isfinite(gains).all()
    assert not known.any()


def test_a_word_of_another_length_is_told():
    from tests.train.synthetic_speech import synthetic_word
    from train.simulator.chain import spoken_part
    from train.simulator.recipe import shipped_recipe

    layout, recording = shipped_recipe().layout, synthetic_word(3)
    speech, first, last = spoken_part(recording, layout)
    found = spoken_in(recording, layout, size=40_000, start=9000, stop=9000 + last - first)
    np.testing.assert_array_equal(found[9000 - first : 9000 - first + speech.size], speech)
    assert np.count_nonzero(found) <= speech.size
    with pytest.raises(ValueError, match=rf"got a word of {last - first} samples, expected 500"):
        spoken_in(recording, layout, size=40_000, start=9000, stop=9500)


tf = pytest.importorskip("tensorflow", reason="training needs TensorFlow")


def _losses(weight, truth, told):
    from train.way_loss import WayLoss

    return float(WayLoss(weight, 0.0)(tf.constant(truth, tf.float32), tf.constant(told, tf.float32)))


@pytest.mark.tf
def test_the_loss_knows_no_level_and_what_cannot_be_known():
    truth = [[1.0, 0.5, -0.5, 9.0, 1.0, 1.0, 0.0]]
    right = _losses(2.0, truth, [[0.0, 0.5, -0.5, 0.0]])
    assert right == pytest.approx(np.log(2))
    assert _losses(2.0, truth, [[0.0, 3.5, 2.5, -4.0]]) == pytest.approx(right, abs=1e-3), "3 above all of them"
    wrong = _losses(2.0, truth, [[0.0, 0.0, 0.0, 0.0]])
    assert wrong == pytest.approx(right + 2.0 * 0.25, abs=1e-2)
    assert _losses(2.0, [[1.0]], [[0.0, 5.0, 5.0, 5.0]]) == pytest.approx(np.log(2)), "validation"


@pytest.mark.tf
def test_the_way_is_left_out_of_the_network_of_a_device():
    from train.liveness_network import LivenessShape, network, without_way

    shape = LivenessShape(stem=4, blocks=((4, 2),), hidden=4)
    taught = network(shape, CUES, tells_way=True)
    rows, bands = CUES.shape
    assert taught.output_shape == (None, 1 + bands)
    device = without_way(taught, shape, CUES)
    x = np.random.default_rng(1).random((3, rows, bands), np.float32)
    np.testing.assert_allclose(device(x), taught(x)[:, :1], atol=1e-5)
    assert device.count_params() == network(shape, CUES).count_params()


@pytest.mark.tf
def test_a_network_learns_the_way_beside_the_answer(tmp_path):
    from train.group_weights import GROUPS
    from train.liveness_training import LivenessSettings, fit_liveness, liveness_batches

    def clips(n, seed):
        rng = np.random.default_rng(seed)
        rows = CUES.shape[0]
        live = (np.arange(n) % 2 == 0).astype(np.int8)
        way = np.zeros((n, way_size(CUES)), np.int8)
        way[:, :COARSE] = rng.integers(-20, 21, (n, COARSE))
        way[:, COARSE : 2 * COARSE] = 127
        cues = np.clip(120 + 2 * np.concatenate((way[:, :COARSE], way[:, 2 * COARSE :]), axis=1), 0, 255)
        cues = np.repeat(cues[:, None], rows, axis=1).astype(np.uint8)
        cues[live == 1, :, -8:] = 250
        kind = np.where(live == 1, "none", np.array(GROUPS[1:])[np.arange(n) // 2 % 4])
        return {"cues": cues, "live": live, "kind": kind, "way": way}

    settings = LivenessSettings.from_dict(
        {
            "shape": {"stem": 4, "blocks": [[6, 2]], "hidden": 6}, "epochs": 3, "batch": 16, "rate": 0.02,
            "way_weight": 1.0, "colour_db": 0.0, "mixup_share": 0.0, "sparsity": 0.5, "ema": 0.0,
        }
    )  # fmt: skip
    _, y = next(iter(liveness_batches(clips(16, 1), CUES, settings, seed=1)))
    assert y.shape == (16, 1 + 2 * CUES.shape[1])
    model, metrics = fit_liveness(settings, clips(96, 1), clips(32, 2), seed=1, resume=tmp_path, trained={})
    assert model.output_shape == (None, 1)
    assert metrics["simulated_dev_eer"] < 0.2
    assert not any(layer.name == "way" for layer in model.layers)
    history = [line for line in (tmp_path / "history.jsonl").read_text().splitlines() if line]
    losses = [json.loads(line)["loss"] for line in history]
    assert losses[-1] < losses[0]


@pytest.mark.tf
def test_one_more_microphone_is_a_part_of_the_way():
    from train.liveness_training import LivenessSettings, liveness_batches

    n, (rows, bands) = 8, CUES.shape
    clips = {
        "cues": np.full((n, rows, bands), 128, np.uint8), "live": np.ones(n, np.int8), "kind": np.full(n, "none"),
        "way": np.zeros((n, way_size(CUES)), np.int8),
    }  # fmt: skip
    settings = LivenessSettings(way_weight=1.0, colour_db=3.0, mixup_share=0.0, batch=n)
    x, y = next(iter(liveness_batches(clips, CUES, settings, seed=1)))
    moved_db = (x[:, 10].numpy() - 128 / 255) * (CUES.top_db - CUES.floor_db)
    assert np.abs(moved_db).max() > 0.5
    np.testing.assert_allclose(10 * y[:, 1 : 1 + bands].numpy(), moved_db, atol=1e-3)
