"""The stage of a model for ESPHome: what is shown to the network, and what its outputs lead to."""

from itertools import pairwise

import numpy as np
import pytest

from edge.errors import ModelAbiError
from edge.esphome_stage import WAIT_FRAMES, EsphomeStage, StreamingNetwork
from edge.frontend import quantise_features

CHANNELS = 40
CUTOFF = 0.9  # 229 of 255


class Script:
    """A network that gives scripted outputs, the last of them for ever, and keeps what it was shown."""

    def __init__(self, outputs, stride=3):
        self._outputs = outputs
        self.stride_frames = stride
        self.shown = []

    def run(self, frames):
        self.shown.append(frames.copy())
        return self._outputs[min(len(self.shown), len(self._outputs)) - 1]

    def reset(self):
        self.shown = []


def stage_of(network, *, cutoff=CUTOFF, window=5):
    return EsphomeStage(network, cutoff=cutoff, window_runs=window, channels=CHANNELS)


def frames(n, first=0):
    """Frame *i* holds the value 3 (first + i) in every channel, so that it can be recognised."""
    return np.repeat((first + np.arange(n)) * 3, CHANNELS).reshape(n, CHANNELS).astype(np.uint16)


def simulate(outputs, *, stride=3, cutoff=CUTOFF, window=5, n):
    """Do what the component does, in its own terms: a ring, a counter from -100 to 0, and a mark of news."""
    ring, last, ignored, fresh, found = [0] * window, 0, -100, False, []
    for frame in range(n):
        if frame % stride == stride - 1:
            last = (last + 1) % window
            ring[last] = outputs[min(frame // stride, len(outputs) - 1)]
            fresh = True
        if ring[last] < int(cutoff * 255):
            ignored = min(ignored + 1, 0)
        if fresh and ignored == 0:
            fresh = False
            if sum(ring) > int(cutoff * 255) * window:
                found.append((frame, sum(ring) / 255 / window))
                ring, ignored = [0] * window, -100
    return found


def quiet(n_runs):
    return [0] * n_runs


WAIT_RUNS = 34  # that end the wait at a stride of 3: 102 frames


# -------------------------------------------------------------------------------------------- frames


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_the_network_is_shown_every_frame_once(stride):
    network = Script([0], stride)
    stage = stage_of(network)
    sound = frames(50)
    stage.push(sound)
    assert stage.runs == len(network.shown) == 50 // stride
    for run, shown in enumerate(network.shown):
        assert shown.dtype == np.int8
        np.testing.assert_array_equal(shown, quantise_features(sound[run * stride : (run + 1) * stride]))


def test_frames_of_the_next_stride_do_not_change_what_was_shown():
    class Keeper(Script):
        def run(self, shown):
            self.shown.append(shown)
            return 0

    network = Keeper([0])
    stage = stage_of(network)
    stage.push(frames(3))
    before = network.shown[0].copy()
    stage.push(frames(2, first=50))
    np.testing.assert_array_equal(before, quantise_features(frames(3)))


@pytest.mark.parametrize("sizes", [(1,), (2, 5), (0, 1, 4), (300,)])
def test_pushes_of_any_size_give_the_same_detections(sizes):
    outputs = np.random.default_rng(4).choice([0, 255], 300, p=[0.4, 0.6]).tolist()
    expected = stage_of(Script(outputs), cutoff=0.3).push(frames(900))
    assert len(expected) > 1
    stage = stage_of(Script(outputs), cutoff=0.3)
    got, at, i = [], 0, 0
    while at < 900:
        got += stage.push(frames(min(sizes[i % len(sizes)], 900 - at), at))
        at += sizes[i % len(sizes)]
        i += 1
    assert got == expected


# ---------------------------------------------------------------------------------- mean and cut-off


@pytest.mark.parametrize(("total", "heard"), [(229 * 5, False), (229 * 5 + 1, True)])
def test_a_word_is_heard_where_the_mean_is_above_the_cutoff(total, heard):
    # 0.9 of 255 is 229.5, and the component cuts that off.
    last = total - 4 * 229
    stage = stage_of(Script([*quiet(WAIT_RUNS), 229, 229, 229, 229, last, 0]))
    found = stage.push(frames(3 * (WAIT_RUNS + 5)))
    assert bool(found) == heard
    if heard:
        assert found == [(0, pytest.approx(total / 5 / 255), 3 * (WAIT_RUNS + 5) - 1)]


def test_one_loud_output_is_not_enough():
    stage = stage_of(Script([*quiet(WAIT_RUNS), 255, *quiet(20)]))
    assert stage.push(frames(3 * (WAIT_RUNS + 20))) == []
    assert stage.max_scores[0] == pytest.approx(1 / 5)


@pytest.mark.parametrize(("window", "loud_runs"), [(1, 1), (2, 2), (5, 5), (10, 9), (20, 18)])
def test_the_mean_is_over_the_window(window, loud_runs):
    stage = stage_of(Script([*quiet(WAIT_RUNS), 255]), window=window)
    (found,) = stage.push(frames(1000))
    assert found.frame == 3 * (WAIT_RUNS + loud_runs) - 1


# ---------------------------------------------------------------------------------------------- wait


@pytest.mark.parametrize(("runs", "heard"), [(32, []), (33, [3 * (33 + 5) - 1])])
def test_nothing_is_heard_before_100_quiet_frames(runs, heard):
    # 98 frames are quiet before the 33rd run, 101 before the 34th; those of a loud network do not count.
    stage = stage_of(Script([*quiet(runs), 255]))
    assert [hit.frame for hit in stage.push(frames(2000))] == heard


def test_what_was_said_in_the_wait_is_heard_when_it_ends():
    # Four outputs of 255 and one of 130 are above the cut-off in the mean, while the newest is below it. 98 frames were
    # quiet before; the frame of that last run is the 99th, and the next one the 100th.
    stage = stage_of(Script([*quiet(32), 255, 255, 255, 255, 130, 0]))
    assert stage.push(frames(300)) == [(0, pytest.approx(1150 / 1275), 3 * 37)]
    # One run earlier the next output comes before the wait ends.
    stage = stage_of(Script([*quiet(31), 255, 255, 255, 255, 130, 0]))
    assert stage.push(frames(300)) == []


def test_one_utterance_is_heard_once_however_long_it_lasts():
    stage = stage_of(Script([*quiet(WAIT_RUNS), 255]))
    assert len(stage.push(frames(3 * 1000))) == 1


@pytest.mark.parametrize(("pause_runs", "heard"), [(32, 1), (33, 2)])
def test_the_next_utterance_is_heard_after_100_quiet_frames(pause_runs, heard):
    # The 2 frames between the detection and the next run are quiet already, because the window was cleared and the
    # newest output with it: 2 frames and 32 runs are 98, 2 frames and 33 runs are 101.
    stage = stage_of(Script([*quiet(WAIT_RUNS), *[255] * 5, *quiet(pause_runs), 255]))
    assert len(stage.push(frames(3 * 400))) == heard


def test_with_a_cutoff_of_1_or_0_nothing_is_heard():
    for cutoff in (1.0, 0.0):
        assert stage_of(Script([*quiet(40), 255]), cutoff=cutoff).push(frames(900)) == []


def test_detections_are_those_of_the_components_own_terms():
    total = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        stride, window = int(rng.integers(1, 5)), int(rng.integers(1, 12))
        cutoff = float(rng.uniform(0.3, 0.97))
        # Stretches of low and high outputs, of all lengths.
        levels = np.repeat(rng.choice([0, 90, 200, 230, 255], 80), rng.integers(1, 60, 80))
        outputs = np.clip(levels + rng.integers(-30, 31, levels.size), 0, 255).tolist()
        n = stride * len(outputs)
        expected = simulate(outputs, stride=stride, cutoff=cutoff, window=window, n=n)
        found = stage_of(Script(outputs, stride), cutoff=cutoff, window=window).push(frames(n))
        assert [hit.frame for hit in found] == [frame for frame, _ in expected]
        np.testing.assert_allclose([hit.score for hit in found], [score for _, score in expected])
        assert all(b.frame - a.frame >= WAIT_FRAMES for a, b in pairwise(found))
        total += len(found)
    assert total > 100


def test_reset_forgets_everything():
    outputs = np.random.default_rng(5).choice([0, 255], 300, p=[0.4, 0.6]).tolist()
    stage = stage_of(Script(outputs), cutoff=0.3)
    first = stage.push(frames(601))
    assert first
    stage.reset()
    assert stage.runs == stage.max_scores[0] == 0
    assert stage.push(frames(601)) == first


# ------------------------------------------------------------------------------------------- network


def streaming(content, **settings):
    return StreamingNetwork(content, name="some.tflite", channels=CHANNELS, **settings)


@pytest.mark.parametrize("what", ["garbage", "two inputs", "float", "logits of two words", "channels"])
def test_networks_of_another_kind_are_refused(what, network, layer, tensor, wake_network):
    rng = np.random.default_rng(0)
    given, said = tensor("x", (1, 3, 40), 0.1, -128), tensor("y", (1, 1), 0.1, 0)
    match what:
        case "garbage":
            content, told = b"TFL3" * 100, "cannot load the model"
        case "two inputs":
            content, told = wake_network(), "inputs: got features, state"
        case "float":
            flat = layer(tensor("x", (1, 3, 40)), tensor("y", (1, 1)), rng.normal(size=(1, 120)))
            content, told = network([flat]), r"input 'x': got float32 \[1, 3, 40\], expected int8 \[1, 3, 40\]"
        case "logits of two words":
            two = layer(given, tensor("y", (1, 2), 0.1, 0), rng.integers(-9, 9, (2, 120)))
            content, told = network([two]), r"outputs: got int8 \[1, 2\].*expected uint8 \[1, 1\]"
        case "channels":
            narrow = layer(tensor("x", (1, 3, 20), 0.1, -128), said, rng.integers(-9, 9, (1, 60)))
            content, told = network([narrow]), r"input 'x': got int8 \[1, 3, 20\].*expected int8 \[1, 3, 40\]"
    with pytest.raises(ModelAbiError, match=f"some.tflite: .*{told}"):
        streaming(content)
