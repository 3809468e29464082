"""What the live demo listens with: it decides as the gate does, and shows what is on its way."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

import edge
from edge.bundle import open_bundle
from edge.cues import CueSettings
from edge.decay import decay_curve, place_curve
from edge.endpoint import LOOK_BACK_SAMPLES
from edge.errors import UsageError
from edge.events import Decision, End, Wake
from edge.frontend import Frontend
from edge.live_demo.listener import Listener
from edge.live_demo.state import FLOOR_DBFS, Ruled, State, level_dbfs
from edge.live_demo.utterances import Utterances
from edge.liveness import judged_window
from edge.pipeline import Pipeline
from edge.sample_time import SAMPLE_RATE_HZ
from edge.stages import NEVER

SCENE = Path(edge.__file__).parent / "data" / "scene.flac"


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    return soundfile.read(SCENE, dtype="int16")[0]


@pytest.fixture(scope="module")
def bundle():
    return open_bundle()


@pytest.fixture(scope="module")
def events(bundle, scene):
    pipeline = Pipeline(bundle)
    return [event for event in (*pipeline.push(scene), *pipeline.finish()) if not isinstance(event, End)]


def heard(listener: Listener, samples: np.ndarray, block: int = 1024) -> list:
    found = []
    for at in range(0, samples.size, block):
        found += listener.push(samples[at : at + block])
    return [*found, *listener.finish()]


def state(**other) -> State:
    return State(("hey", "you"), (0.5, NEVER), 0.6, 0.4, 40, **other)


@pytest.mark.parametrize("block", [160, 1024, 100_000])
def test_it_decides_what_a_pipeline_decides(bundle, scene, events, block):
    assert sum(isinstance(event, Decision) for event in events) == 2
    assert heard(Listener(bundle), scene, block) == events


def test_the_decisions_are_listed_newest_first_with_what_they_rest_on(bundle, scene, events):
    listener = Listener(bundle)
    heard(listener, scene)
    decisions = [event for event in events if isinstance(event, Decision)]
    listed = list(listener.state.decisions)
    assert [ruled.verdict for ruled in listed] == ["reject", "accept"]
    for ruled, decision in zip(listed, reversed(decisions), strict=True):
        assert (ruled.word, ruled.reasons, ruled.at_sample) == (
            decision.word,
            decision.reasons,
            decision.decided_sample,
        )
        assert (ruled.probability, ruled.quality) == (decision.evidence.probability, decision.evidence.quality)
        assert ruled.wake_score == decision.wake.score
        assert ruled.delay_s == (decision.decided_sample - decision.end_sample) / SAMPLE_RATE_HZ
    assert listener.state.needle is listed[0]


def test_a_decision_shows_the_decay_of_what_was_judged(bundle, scene, events):
    listener = Listener(bundle)
    heard(listener, scene)
    decisions = [event for event in events if isinstance(event, Decision)]
    cues = CueSettings.from_dict(bundle.liveness.cues)
    for ruled, decision in zip(listener.state.decisions, reversed(decisions), strict=True):
        end = decision.decided_sample
        judged = judged_window(scene[max(0, end - LOOK_BACK_SAMPLES) : end], cues)
        np.testing.assert_array_equal(ruled.curve, decay_curve(judged, listener.reference.settings))
        assert ruled.placement == place_curve(ruled.curve, listener.reference)
        assert ruled.sound is None, "sound was kept, and nobody asked for it"


@pytest.mark.parametrize("block", [160, 1000, 200_000])
def test_sound_is_kept_up_to_the_decision_where_it_was_asked_for(bundle, scene, events, block):
    listener = Listener(bundle)
    listener.keeps_sound = True
    heard(listener, scene, block)
    decisions = [event for event in events if isinstance(event, Decision)]
    for ruled, decision in zip(listener.state.decisions, reversed(decisions), strict=True):
        end = decision.decided_sample
        np.testing.assert_array_equal(ruled.sound, scene[max(0, end - 2 * SAMPLE_RATE_HZ) : end])


def test_sound_is_kept_from_the_moment_on_at_which_it_is_asked_for(bundle, scene):
    listener = Listener(bundle)
    heard(listener, scene[: 5 * SAMPLE_RATE_HZ])
    listener.keeps_sound = True
    list(listener.push(scene[5 * SAMPLE_RATE_HZ :]))
    assert [ruled.sound is None for ruled in listener.state.decisions] == [False, True]


@pytest.mark.parametrize(("mode", "seconds"), [("wake", 2.0), ("liveness", 1.6)])
@pytest.mark.parametrize("block", [7, 200_000])
def test_sound_is_kept_in_the_other_modes_too(bundle, scene, mode, seconds, block):
    listener = Listener(bundle, mode=mode)
    listener.keeps_sound = True
    heard(listener, np.concatenate((scene, np.zeros(SAMPLE_RATE_HZ, np.int16))), block)
    assert len(listener.state.decisions) == 2
    padded = np.concatenate((scene, np.zeros(SAMPLE_RATE_HZ, np.int16)))
    for ruled in listener.state.decisions:
        assert ruled.sound.size == seconds * SAMPLE_RATE_HZ
        # A word is ruled on when the verifier has looked.
        late = bundle.verifier.delay_samples if mode == "wake" and bundle.verifier is not None else 0
        ends = range(ruled.at_sample, ruled.at_sample + late + SAMPLE_RATE_HZ // 50)
        assert any(np.array_equal(ruled.sound, padded[end - ruled.sound.size : end]) for end in ends)


def test_judging_is_timed(bundle, scene):
    ticks = iter(range(1000))
    listener = Listener(bundle, clock=lambda: 0.5 * next(ticks))
    heard(listener, scene)
    assert [ruled.judging_s for ruled in listener.state.decisions] == [0.5, 0.5]


def test_between_word_and_decision_it_waits(bundle, scene):
    listener = Listener(bundle)
    waiting = []
    for at in range(0, scene.size, 160):
        for event in listener.push(scene[at : at + 160]):
            waiting.append((type(event), listener.state.waiting))
    assert waiting == [(Wake, True), (Decision, False)] * 2


def test_a_stream_that_begins_again_goes_on_in_time(bundle, scene, events):
    listener = Listener(bundle)
    heard(listener, scene[: 5 * SAMPLE_RATE_HZ])
    listener.begin(SAMPLE_RATE_HZ)
    assert heard(listener, scene[: 5 * SAMPLE_RATE_HZ]) == events[:2]
    first = events[1].decided_sample
    assert [ruled.at_sample for ruled in listener.state.decisions] == [5 * SAMPLE_RATE_HZ + first, first]


def test_a_recording_of_half_the_rate_is_unsure(bundle, scene):
    listener = Listener(bundle)
    listener.begin(8_000)
    heard(listener, scene)
    assert {(ruled.verdict, ruled.reasons) for ruled in listener.state.decisions} == {("unsure", ("band_limited",))}


def test_a_word_that_is_not_chosen_is_not_heard(bundle, scene):
    listener = Listener(bundle, words=["alexa"])
    assert heard(listener, scene) == []
    assert [word for word, cutoff in zip(listener.state.words, listener.state.cutoffs, strict=True) if cutoff <= 1] == [
        "alexa"
    ]
    with pytest.raises(UsageError, match="nobody"):
        Listener(bundle, words=["nobody"])


def test_wake_only_hears_at_the_same_moments_and_judges_nothing(bundle, scene, events):
    listener = Listener(bundle, mode="wake")
    found = heard(listener, scene)
    wakes = [event for event in events if isinstance(event, Wake)]
    assert [(event.word, event.score, event.decided_sample) for event in found] == [
        (event.word, event.score, event.decided_sample) for event in wakes
    ]
    assert [ruled.verdict for ruled in listener.state.decisions] == ["heard", "heard"]
    assert listener.state.needle is None


@pytest.mark.parametrize("block", [7, 1024, 200_000])
def test_liveness_only_judges_each_utterance_once_without_a_word(bundle, scene, block):
    listener = Listener(bundle, mode="liveness")
    assert heard(listener, np.concatenate((scene, np.zeros(SAMPLE_RATE_HZ, np.int16))), block) == []
    assert listener.state.words == ()
    assert [(ruled.verdict, ruled.word) for ruled in listener.state.decisions] == [("reject", ""), ("accept", "")]
    # The two utterances end at 2.75 and 6.75 s, and their rooms go on for a while.
    ends = [ruled.at_sample / SAMPLE_RATE_HZ for ruled in reversed(listener.state.decisions)]
    assert 2.95 <= ends[0] <= 3.4
    assert 6.95 <= ends[1] <= 7.4
    assert listener.state.needle is listener.state.decisions[0]


def test_speech_without_a_pause_is_judged_while_it_goes_on():
    time_s = np.arange(8 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    syllables = 0.1 + np.abs(np.sin(2 * np.pi * 2.5 * time_s))
    sound = np.random.default_rng(1).standard_normal(time_s.size) * 3000 * syllables * (time_s > 1)
    found = list(Utterances().push(sound.clip(-32768, 32767).astype(np.int16)))
    ends = [end / SAMPLE_RATE_HZ for end, _ in found]
    # The first as soon as the window is full of it, the others as soon as it is full of what came later.
    assert 2.4 <= ends[0] <= 2.6
    assert len(ends) == 4
    assert all(1.4 <= after - before <= 1.6 for before, after in pairwise(ends))
    assert {window.size for _, window in found} == {LOOK_BACK_SAMPLES}


class TestState:
    def test_the_level_is_that_of_the_newest_block_and_the_peak_stays_a_while(self):
        shown = state()
        loud, quiet = np.full(1600, 16384, np.int16), np.full(1600, 164, np.int16)
        shown.hear(loud)
        shown.hear(quiet)
        assert shown.level_dbfs == pytest.approx(-46.0, abs=0.1)
        assert shown.peak_dbfs == pytest.approx(-6.02, abs=0.01)
        for _ in range(15):
            shown.hear(quiet)
        assert shown.peak_dbfs == shown.level_dbfs
        assert shown.heard_s == 1.7

    def test_no_sound_is_at_the_floor(self):
        assert level_dbfs(np.zeros(10, np.int16)) == level_dbfs(np.zeros(0, np.int16)) == FLOOR_DBFS
        assert level_dbfs(np.full(10, -32768, np.int16)) == 0.0

    def test_five_frames_make_a_column_and_the_strongest_counts(self):
        shown = state()
        frames = np.zeros((9, 40), np.uint16)
        frames[3, 7] = 666
        shown.see(frames)
        assert len(shown.columns) == 1
        assert shown.columns[0][7] == 1.0
        assert shown.columns[0].sum() == 1.0
        shown.see(frames[:1])
        assert len(shown.columns) == 2

    def test_the_picture_is_that_of_the_frontend(self, scene):
        shown = state()
        shown.see(Frontend().push(scene))
        assert len(shown.columns) == 179
        values = np.asarray(shown.columns)
        assert 0 <= values.min() < 0.1
        assert 0.6 < values.max() <= 1.0

    def test_the_best_score_stays_a_while(self):
        shown = state()
        shown.score(np.array([0.9, 0.2]))
        shown.score(np.array([0.05, 0.0]))
        assert (shown.scores, shown.best_scores) == ((0.05, 0.0), (0.9, 0.2))
        for _ in range(2):
            shown.hear(np.zeros(SAMPLE_RATE_HZ, np.int16))
        shown.score(np.array([0.05, 0.0]))
        assert shown.best_scores == (0.05, 0.0)

    def test_history_and_spectrogram_do_not_grow_for_ever(self):
        shown = state()
        for i in range(100):
            shown.rule(Ruled(i, "hey", "accept", ("live",)))
        assert [shown.decisions[0].at_sample, len(shown.decisions)] == [99, 20]
        for _ in range(30):
            shown.see(np.zeros((100, 40), np.uint16))
        assert len(shown.columns) == 400

    def test_a_word_alone_does_not_move_the_needle(self):
        shown = state()
        shown.rule(Ruled(1, "hey", "heard", (), 0.9))
        assert shown.needle is None
        assert math.isnan(shown.decisions[0].probability)
