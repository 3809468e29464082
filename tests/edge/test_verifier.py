"""The verifier: what becomes of candidates, and when."""

import numpy as np
import pytest

from edge.errors import ModelAbiError
from edge.frontend import Frontend
from edge.frontend_tables import FrontendSettings
from edge.hearing import Ear, Heard, Hearing, Listener
from edge.interpreter import TensorSpec
from edge.log_mel import MEL_BANDS, log_mel, samples_of_mel_frames
from edge.stages import NEVER
from edge.verifier import Look, Verifier
from edge.wake import WakeDetection, WakeStage

FRAMES, MOMENTS, WORDS = 20, 3, 2
STRETCH = samples_of_mel_frames(FRAMES)
DELAY, REFRACTORY = 1600, 16_000


class Network:
    """Has the tensors of a verifier, keeps what it was shown, and says what it is told to."""

    def __init__(self, logits=None, shape=(1, FRAMES, MEL_BANDS), out=(1, MOMENTS, WORDS), kind=np.float32, scale=0.0):
        self.name = "verifier.tflite"
        self.inputs = {"mel": TensorSpec("mel", shape, np.dtype(kind), scale, 0)}
        self.outputs = (TensorSpec("logits", out, np.dtype(kind), scale, 0),)
        self.logits = np.zeros(out, kind) if logits is None else np.asarray(logits, kind).reshape(out)
        self.shown = []

    def run(self, inputs):
        self.shown.append(inputs["mel"][0])
        return {"logits": self.logits}


def verifier(network=None, cutoffs=(0.7, 0.7), candidates=(0.4, 0.5)):
    return Verifier(
        network or Network(),
        cutoffs,
        candidates=candidates,
        delay_samples=DELAY,
        refractory_samples=REFRACTORY,
    )


def sound(n, seed=0):
    return np.clip(np.random.default_rng(seed).standard_normal(n) * 500, -32768, 32767).astype(np.int16)


def saying(word, logit):
    logits = np.full((1, MOMENTS, WORDS), -9.0)
    logits[0, 1, word] = logit
    return logits


def test_a_look_waits_and_rests_on_the_stretch_that_ends_with_the_delay():
    network, samples = Network(saying(1, 2.0)), sound(30_000)
    one = verifier(network)
    assert one.push(samples[:20_000]) == []
    one.offer(1, 19_840)
    assert one.push(samples[20_000:21_439]) == []
    assert one.push(samples[21_439:21_440]) == [Look(1, pytest.approx(1 / (1 + np.exp(-2.0))), 19_840, True)]
    end = 19_840 + DELAY
    assert np.array_equal(network.shown[0], log_mel(samples[end - STRETCH : end]))


@pytest.mark.parametrize("piece", [1, 159, 160, 1600, 5000, 30_000])
def test_what_is_looked_at_does_not_depend_on_how_samples_arrive(piece):
    network, samples = Network(), sound(8000)
    one = verifier(network)
    one.push(samples[:6000])
    one.offer(0, 5920)
    for at in range(6000, 8000, piece):
        one.push(samples[at : at + piece])
    assert np.array_equal(network.shown[0], log_mel(samples[5920 + DELAY - STRETCH : 5920 + DELAY]))


def test_the_best_moment_of_the_word_counts_and_of_no_other_word():
    assert verifier_hears(saying(0, 3.0), 0) == [True]
    assert verifier_hears(saying(1, 3.0), 0) == [False]


def verifier_hears(logits, word):
    one = verifier(Network(logits))
    one.offer(word, 0)
    return [look.heard for look in one.push(sound(DELAY))]


def test_a_score_at_the_cutoff_is_not_enough():
    one = verifier(Network(saying(0, 0.0)), cutoffs=(0.5, 0.5))
    one.offer(0, 0)
    assert one.push(sound(DELAY)) == [Look(0, 0.5, 0, False)]


def test_what_is_missing_at_the_beginning_is_silence():
    network, samples = Network(), sound(DELAY + 480)
    one = verifier(network)
    one.offer(0, 480)
    one.push(samples)
    padded = np.concatenate((np.zeros(STRETCH - samples.size, np.int16), samples))
    assert np.array_equal(network.shown[0], log_mel(padded))


def test_after_a_word_was_heard_candidates_are_dropped_for_a_while():
    one = verifier(Network(saying(0, 5.0)))
    for at in (0, 160, REFRACTORY - 160, REFRACTORY):
        one.offer(0, at)
    looks = one.push(sound(REFRACTORY + DELAY))
    assert [look.at for look in looks] == [0, REFRACTORY]
    assert one.looks == 2


def test_after_a_look_in_vain_the_next_candidate_is_looked_at():
    one = verifier(Network(saying(0, -5.0)))
    for at in (0, 160):
        one.offer(0, at)
    assert [look.at for look in one.push(sound(DELAY + 160))] == [0, 160]


def test_the_end_of_a_stream_is_not_waited_for():
    network, samples = Network(saying(0, 5.0)), sound(STRETCH + 100)
    one = verifier(network)
    one.push(samples)
    one.offer(0, STRETCH)
    assert [look.heard for look in one.finish()] == [True]
    assert np.array_equal(network.shown[0], log_mel(samples[100:]))
    assert one.finish() == []


def test_the_highest_score_of_each_word_is_kept_until_a_reset():
    one = verifier(Network(saying(1, 1.0)))
    one.offer(1, 0)
    one.push(sound(DELAY))
    assert one.max_scores.tolist() == [0.0, pytest.approx(1 / (1 + np.exp(-1.0)))]
    kept = one.max_scores
    one.offer(1, 160)
    one.reset()
    assert one.max_scores.tolist() == [0.0, 0.0]
    assert kept[1] > 0.7
    assert one.push(sound(2 * DELAY)) == []
    assert one.looks == 0


def test_a_word_that_is_not_listened_for_is_neither_looked_at_nor_a_candidate():
    one = verifier(Network(saying(0, 5.0)), cutoffs=(NEVER, 0.7))
    assert one.candidates == [NEVER, 0.5]
    one.offer(0, 0)
    assert one.push(sound(DELAY)) == []
    one.set_cutoffs((0.7, NEVER))
    assert one.candidates == [0.4, NEVER]
    one.offer(0, 160)
    assert [look.heard for look in one.push(sound(DELAY))] == [True]


def test_integers_are_those_of_the_network():
    network = Network(np.rint(saying(0, 3.0) / 0.1), kind=np.int8, scale=0.1)
    one, samples = verifier(network), sound(DELAY, seed=3)
    one.offer(0, 0)
    assert one.push(samples) == [Look(0, pytest.approx(1 / (1 + np.exp(-3.0)), abs=1e-6), 0, True)]
    padded = np.concatenate((np.zeros(STRETCH - samples.size, np.int16), samples))
    steps = np.clip(np.rint(log_mel(padded) / np.float32(0.1)), -128, 127)
    assert np.array_equal(network.shown[0], steps.astype(np.int8))


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (Network(shape=(1, FRAMES, 40)), "mel"),
        (Network(shape=(FRAMES, MEL_BANDS)), "mel"),
        (Network(out=(1, MOMENTS, 3)), "output"),
        (Network(out=(1, WORDS)), "output"),
        (Network(shape=(1, 5000, MEL_BANDS)), "at most 3000"),
        (Network(kind=np.int16), "mel"),
    ],
)
def test_another_network_is_refused(network, told):
    with pytest.raises(ModelAbiError, match=told):
        verifier(network)


def test_a_network_without_the_input_is_refused():
    network = Network()
    network.inputs = {"features": network.inputs["mel"]}
    with pytest.raises(ModelAbiError, match="mel"):
        verifier(network)


class Candidates(WakeStage):
    """Finds a candidate every few frames, whatever is said."""

    def __init__(self, every):
        self.max_scores = np.zeros(WORDS)
        self._every = every
        self.frames = 0
        self.cutoffs = None

    def push(self, features):
        found = []
        for _ in range(len(features)):
            if self.frames % self._every == self._every - 1:
                found.append(WakeDetection(self.frames // self._every % WORDS, 0.9, self.frames))
            self.frames += 1
        return found

    def set_cutoffs(self, cutoffs):
        self.cutoffs = cutoffs

    def reset(self):
        self.frames = 0


def hearing(network, every=50):
    stage, one = Candidates(every), verifier(network)
    ear = Ear(Frontend(FrontendSettings()), (Listener(stage, ("a", "b")),))
    return Hearing([ear], one), stage


@pytest.mark.parametrize("piece", [1, 100, 160, 1000, 32_000])
def test_hearing_tells_of_what_the_verifier_heard_when_it_was_a_candidate(piece):
    both, _ = hearing(Network(saying(1, 4.0)))
    samples, found = sound(32_000), []
    for at in range(0, samples.size, piece):
        found += both.push(samples[at : at + piece])
    score = pytest.approx(1 / (1 + np.exp(-4.0)))
    assert found == [Heard("b", score, 480 + 160 * 99)]
    assert both.max_scores == {"a": pytest.approx(1 / (1 + np.exp(9.0))), "b": score}


def test_hearing_finishes_what_waits():
    both, _ = hearing(Network(saying(0, 4.0)))
    samples = sound(480 + 160 * 49 + 160)
    assert both.push(samples) == []
    assert [heard.word for heard in both.finish()] == ["a"]


def test_hearing_without_a_verifier_has_nothing_to_finish():
    ear = Ear(Frontend(FrontendSettings()), (Listener(Candidates(50), ("a", "b")),))
    assert Hearing([ear]).finish() == []


def test_hearing_says_how_far_a_detection_may_lie_back_and_in_which_steps():
    both, _ = hearing(Network())
    settings = FrontendSettings()
    assert both.delay_samples == settings.window_samples + settings.step_samples + DELAY
    assert both.hop_samples == 160


def test_cutoffs_of_hearing_are_those_of_the_verifier():
    both, stage = hearing(Network(saying(0, 2.0)))
    both.set_cutoffs({"a": 0.99, "b": NEVER})
    assert stage.cutoffs == [0.4, NEVER]
    assert both.push(sound(20_000)) == []
    both.set_cutoffs({"a": 0.5, "b": 0.5})
    both.reset()
    assert [heard.word for heard in both.push(sound(20_000))] == ["a"]


def test_hearing_waits_while_a_candidate_does():
    both, _ = hearing(Network(saying(0, 4.0)))
    assert not both.waiting
    both.push(sound(480 + 160 * 49 + 160))
    assert both.waiting
    both.push(sound(DELAY))
    assert not both.waiting
