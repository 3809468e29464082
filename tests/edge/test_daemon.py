"""The daemon with a source and a sink that the test holds in its hands; everything between them is real."""

import queue
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import edge
from edge.answers import Answer, Audio, Status
from edge.bundle import open_bundle
from edge.daemon import Daemon
from edge.daemon_settings import Chosen, DaemonSettings, load
from edge.errors import AudioError, UsageError
from edge.events import Decision
from edge.live import SoundLost, WordHeard
from edge.pipeline import Pipeline
from edge.policy import GateSettings

SCENE = Path(edge.__file__).parent / "data" / "scene.flac"
PATIENCE_S = 20
END = object()


class Tape:
    """A source that yields what the test puts in, and fails when it is told to."""

    native_rate_hz = 16_000
    overflows = 0
    live = False
    endless = False

    def __init__(self):
        self.name = "tape"
        self.waiting = queue.Queue()

    def put(self, samples, block=512):
        if not isinstance(samples, np.ndarray):
            self.waiting.put(samples)
            return
        for at in range(0, samples.size, block):
            self.waiting.put(samples[at : at + block])

    def blocks(self):
        while (item := self.waiting.get()) is not END:
            if isinstance(item, Exception):
                raise item
            yield item


class Ear:
    """A sink that keeps what it is told."""

    def __init__(self, name, wants):
        self.name, self.wants = name, wants
        self.told = []
        self.news = threading.Condition()
        self.closed = 0

    def open(self):
        pass

    def push(self, message):
        with self.news:
            self.told.append(message)
            self.news.notify_all()

    def close(self):
        self.closed += 1

    def of(self, kind):
        return [message for message in self.told if isinstance(message, kind)]

    def wait(self, condition):
        """Wait until a condition holds of what was told."""
        with self.news:
            assert self.news.wait_for(lambda: condition(self), PATIENCE_S), self.told


class Running:
    """A daemon in a thread of its own."""

    def __init__(self, folder, text="", wants=(Answer, Status), hears_words=False):
        self.tape = Tape()
        self.tape.hears_words = hears_words
        self.ear = Ear("ear", wants)
        self.path = folder / "daemon.toml"
        self.path.write_text(
            'pre_roll_s = 1.0\n[gate]\nrefractory_s = 0.0\n[source]\nkind = "file"\npath = "x"\n'
            "[store]\nenabled = false\n[monitor]\nenabled = false\n" + (text or "[memory]\nenabled = false\n")
        )
        file = load(self.path)
        source = Chosen("tape", SimpleNamespace(make=lambda settings: self.tape), None)
        sink = Chosen("ear", SimpleNamespace(make=lambda settings, name, house: self.ear), None)
        self.daemon = Daemon(
            DaemonSettings(path=self.path, tables=file.tables, source=source, reference=None, sinks={"ear": sink})
        )
        self.fault = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        try:
            self.daemon.run()
        except BaseException as error:
            self.fault = error

    def end(self):
        self.tape.waiting.put(END)
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()
        assert self.fault is None

    def hear(self, samples):
        """Push samples, and wait until all of them were heard."""
        wanted = self.daemon.health.samples + samples.size
        self.tape.put(samples)
        deadline = threading.Event()
        for _ in range(PATIENCE_S * 100):
            if self.daemon.health.samples >= wanted:
                return
            deadline.wait(0.01)
        raise AssertionError(f"{self.daemon.health.samples} of {wanted} samples were heard")


@pytest.fixture
def running(tmp_path):
    started = []

    def start(*arguments, **settings):
        started.append(Running(tmp_path, *arguments, **settings))
        return started[-1]

    yield start
    for one in started:
        one.daemon.stop()
        one.tape.waiting.put(END)
        one.thread.join(PATIENCE_S)


@pytest.fixture(scope="module")
def scene():
    return soundfile.read(SCENE, dtype="int16")[0]


@pytest.fixture(scope="module")
def decisions(scene):
    pipeline = Pipeline(open_bundle())
    return [e for e in [*pipeline.push(scene), *pipeline.finish()] if isinstance(e, Decision)]


def test_everybody_is_told_what_the_pipeline_decides(running, scene, decisions):
    one = running()
    one.tape.put(scene)
    one.end()
    answers = one.ear.of(Answer)
    assert [(a.word, a.decision, a.decided_sample) for a in answers] == [
        (d.word, d.decision, d.decided_sample) for d in decisions
    ]
    assert {a.origin for a in answers} == {"source"}
    assert [s.source for s in one.ear.of(Status)][-2:] == ["listening", "ended"]
    assert one.ear.closed
    assert one.daemon.health.samples == scene.size


def test_sound_goes_on_where_the_pre_roll_ends(running, scene, decisions):
    one = running(wants=(Answer, Audio))
    one.tape.put(scene)
    one.end()
    blocks = one.ear.of(Audio)
    np.testing.assert_array_equal(np.concatenate([block.samples for block in blocks]), scene)
    assert [b.start_sample for b in blocks[1:]] == [b.end_sample for b in blocks[:-1]]
    for answer in one.ear.of(Answer):
        place = one.ear.told.index(answer)
        following = next(message for message in one.ear.told[place:] if isinstance(message, Audio))
        assert following.start_sample <= answer.decided_sample <= following.end_sample


def test_while_it_is_muted_nothing_is_heard_and_time_goes_on(running, scene, decisions):
    one = running(wants=(Answer, Status, Audio))
    one.daemon.mute(True)
    one.hear(scene)
    assert one.ear.of(Answer) == []
    one.daemon.mute(False)
    one.hear(scene)
    one.end()
    assert [a.decided_sample - scene.size for a in one.ear.of(Answer)] == [d.decided_sample for d in decisions]
    assert one.ear.of(Audio)[0].start_sample == scene.size
    assert one.ear.of(Status)[-1].muted is False
    assert any(status.muted for status in one.ear.of(Status))


def test_what_was_said_before_a_mute_is_not_handed_on_after_it(running, scene, decisions):
    one = running()
    one.hear(np.full(16_000, 1234, np.int16))
    one.daemon.mute(True)
    one.hear(np.full(512, 99, np.int16))
    one.daemon.mute(False)
    first = decisions[0].decided_sample
    one.hear(scene[first - 16_000 + 2000 : first + 1600])
    one.end()
    for answer in one.ear.of(Answer):
        assert not np.isin(answer.pre_roll, [1234, 99]).all()
        assert answer.pre_roll_start_sample >= 16_512


def test_a_switch_mutes_and_software_cannot_end_it(running, scene, decisions):
    one = running()
    one.daemon.mute_switch("panel", True)
    with pytest.raises(UsageError, match="switch of panel"):
        one.daemon.mute(False)
    assert (one.daemon.status.muted, one.daemon.status.mute_switch) == (True, True)
    one.hear(scene)
    assert one.ear.of(Answer) == []
    one.daemon.mute_switch("panel", False)
    assert (one.daemon.status.muted, one.daemon.status.mute_switch) == (False, False)
    one.hear(scene)
    one.end()
    assert len(one.ear.of(Answer)) == len(decisions)


def test_words_of_a_source_that_hears_them_are_answered_for(running, scene, decisions):
    one = running(hears_words=True)
    at = 0
    for decision in decisions:
        one.tape.put(scene[at : decision.wake.decided_sample])
        one.tape.put(WordHeard(decision.word, 0.75))
        at = decision.wake.decided_sample
    one.tape.put(scene[at:])
    one.end()
    answers = one.ear.of(Answer)
    assert [(a.word, a.decision, a.live_probability, a.decided_sample) for a in answers] == [
        (d.word, d.decision, d.live_probability, d.decided_sample) for d in decisions
    ]
    assert {a.wake_score for a in answers} == {0.75}
    assert {a.origin for a in answers} == {"source"}


def test_a_source_that_hears_the_words_is_the_only_one_who_does(running, scene):
    one = running(hears_words=True)
    one.hear(scene)
    one.daemon.mute(True)
    one.hear(scene[:16_000])
    one.tape.put(WordHeard("smart_mirror", 1.0))
    one.hear(scene)
    one.end()
    assert one.ear.of(Answer) == []
    assert one.fault is None


def test_a_word_of_the_source_before_any_sound_is_no_end(running):
    one = running(hears_words=True)
    one.tape.put(WordHeard("smart_mirror", 1.0))
    one.hear(np.zeros(16_000, np.int16))
    one.end()
    (answer,) = one.ear.of(Answer)
    assert answer.action == "block"


def test_sound_that_a_source_knows_to_be_lost_is_counted(running, scene, decisions, caplog):
    one = running()
    one.tape.put(scene[:5000])
    one.tape.put(SoundLost(1000, "the wire was cut"))
    one.tape.put(SoundLost(0, "of no interest"))
    one.tape.put(scene)
    one.end()
    assert [a.decided_sample - 6000 for a in one.ear.of(Answer)] == [d.decided_sample for d in decisions]
    told = [record.getMessage() for record in caplog.records if "were lost" in record.getMessage()]
    assert told == ["1000 samples were lost: the wire was cut"]


def test_own_sound_blocks_while_somebody_says_it_plays(running, scene, decisions):
    one = running()
    one.daemon.playing(True)
    one.hear(scene)
    one.daemon.playing(False)
    one.hear(scene)
    one.end()
    answers = one.ear.of(Answer)
    played, quiet = answers[: len(decisions)], answers[len(decisions) :]
    live = [d.decision == "accept" for d in decisions]
    assert [a.reasons[0] == "playing" for a in played] == live
    assert {a.action for a in played} == {"block"}
    assert [a.action == "pass" for a in quiet] == live


def test_settings_are_read_again_without_losing_a_sample(running, scene, decisions):
    one = running()
    one.hear(scene)
    one.path.write_text(one.path.read_text().replace("[gate]", "[gate]\naccept_cutoff = 0.999"))
    one.daemon.reload()
    one.hear(scene)
    one.end()
    assert one.daemon.health.reloads == 1
    second = [a for a in one.ear.of(Answer) if a.decided_sample > scene.size]
    assert [a.word for a in second] == [d.word for d in decisions]
    assert "accept" not in {a.decision for a in second}
    assert one.daemon.health.samples == 2 * scene.size


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[gaet]\n", "gaet is unknown; did you mean gate?"),
        ("[gate]\naccept_cutoff = 7\n", "gate.accept_cutoff: got 7, expected a number from -1 to 1"),
        ('words = ["nothing"]\n', "got 'nothing'"),
        ('bundle = "/nowhere"\n', "/nowhere: got nothing, expected the folder of a bundle"),
        ("words =\n", "text that is not TOML"),
    ],
)
def test_settings_that_cannot_be_used_change_nothing(running, scene, decisions, caplog, text, told):
    one = running()
    one.hear(scene[:512])
    one.path.write_text(text)
    one.daemon.reload()
    one.hear(scene[512:])
    one.end()
    assert one.daemon.health.reload_faults == 1
    assert told in caplog.text
    assert len(one.ear.of(Answer)) == len(decisions)


def test_what_needs_a_restart_is_named(running, scene, caplog):
    one = running()
    one.path.write_text(one.path.read_text().replace('path = "x"', 'path = "y"'))
    for _ in range(2):
        one.hear(scene[:512])
        one.daemon.reload()
        one.hear(scene[:512])
    one.end()
    assert caplog.text.count("changes of source need a restart") == 2


def test_a_source_that_fails_is_opened_again_and_time_goes_on(running, scene, decisions):
    one = running()
    one.hear(scene)
    one.tape.waiting.put(AudioError("tape: the tape is torn"))
    one.tape.put(scene)
    one.ear.wait(lambda ear: len(ear.of(Answer)) >= 2 * len(decisions))
    one.end()
    states = [(status.source, status.source_name) for status in one.ear.of(Status)]
    assert [state for state, _ in states if state != "opening"] == ["listening", "lost", "listening", "ended"]
    assert "torn" in dict(states)["lost"]
    second = [a.decided_sample for a in one.ear.of(Answer)][len(decisions) :]
    assert [at - second[0] for at in second] == [d.decided_sample - decisions[0].decided_sample for d in decisions]
    assert second[0] >= scene.size


def test_the_same_recording_passes_once(running, scene, decisions):
    one = running(text="[memory]\nenabled = true\n")
    one.hear(np.concatenate((scene, scene)))
    one.end()
    answers = one.ear.of(Answer)
    live = [d.decision == "accept" for d in decisions]
    assert [(a.action == "pass", a.reasons) for a in answers[: len(live)]] == [
        (is_live, d.reasons) for is_live, d in zip(live, decisions, strict=True)
    ]
    again = answers[len(live) :]
    assert [a.reasons[0] == "heard_before" for a in again] == live
    assert {a.action for a in again} == {"block"}
    assert [a.decision for a in again] == [d.decision for d in decisions], "the sound is judged as before"


def test_a_word_before_the_source_fails_is_still_answered(running, scene, decisions):
    one = running()
    one.hear(scene[: decisions[0].decided_sample - 160])
    assert one.ear.of(Answer) == []
    one.tape.waiting.put(AudioError("tape: torn"))
    one.tape.put(scene[:512])
    one.ear.wait(lambda ear: len(ear.of(Answer)) == 1)
    assert one.ear.of(Answer)[0].word == decisions[0].word
    one.end()


def test_others_may_send_sound_of_their_own(running, scene, decisions):
    one = running()
    session = one.daemon.session("wyoming 1", words=(decisions[0].word,))
    answers = [event for event in session.push(scene) if isinstance(event, Answer)]
    assert [a.decided_sample for a in answers] == [d.decided_sample for d in decisions if d.word == decisions[0].word]
    one.ear.wait(lambda ear: len(ear.of(Answer)) == len(answers))
    assert {a.origin for a in one.ear.of(Answer)} == {"wyoming 1"}
    with pytest.raises(UsageError, match="got 'nothing'"):
        one.daemon.session("wyoming 2", words=("nothing",))
    many = [one.daemon.session(f"wyoming {i}") for i in range(7)]
    with pytest.raises(UsageError, match="one stream more than the 8"):
        one.daemon.session("wyoming 9")
    many[0].close()
    one.daemon.session("wyoming 9").close()
    one.end()


def test_it_stops_when_it_is_told_though_nothing_comes(running):
    one = running()
    one.daemon.stop()
    one.thread.join(PATIENCE_S)
    assert not one.thread.is_alive()
    assert one.fault is None
    assert one.ear.closed


def test_a_word_is_answered_when_the_source_is_lost_and_not_when_it_comes_back(running, scene, decisions):
    one = running()
    one.tape.endless = True
    one.hear(scene[: decisions[0].decided_sample - 160])
    assert not one.ear.of(Answer)
    one.tape.waiting.put(AudioError("gone"))
    one.ear.wait(lambda ear: any(status.source == "lost" for status in ear.of(Status)))
    assert [type(message) for message in one.ear.told][-2:] == [Answer, Status]
    one.tape.endless = False
    one.end()


def test_settings_that_raise_what_nobody_expects_do_not_end_the_daemon(running, scene):
    one = running()
    one.path.write_text('[trust]\npublic_keys = ["a\\u0000b"]\n')
    one.daemon.reload()
    one.hear(scene[:1600])
    one.hear(scene[:1600])
    assert one.daemon.health.reload_faults == 1
    one.end()


@pytest.mark.parametrize(("up", "counts"), [(True, False), (False, True)])
def test_that_this_device_plays_counts_while_there_is_nothing_to_compare_with(running, up, counts):
    one = running()
    one.daemon._guard = SimpleNamespace(up=up, own=lambda start, stop: False)
    one.daemon.playing(True)
    found = one.daemon.circumstances("source", np.zeros(0, np.int16), 0, 0, 0.0)
    assert found.playing == counts
    one.daemon._guard = None
    one.end()


@pytest.mark.parametrize(("failure", "action"), [("block", "block"), ("pass", "pass")])
def test_a_comparison_that_fails_neither_ends_the_daemon_nor_lets_a_command_pass(
    running, scene, monkeypatch, failure, action
):
    def broken(samples, at_s):
        raise ZeroDivisionError("a fault")

    one = running()
    one.daemon._own._policy.follow(GateSettings(failure=failure))
    monkeypatch.setattr(one.daemon._memory, "match", broken)
    one.hear(scene[: 4 * 16_000])
    one.ear.wait(lambda ear: ear.of(Answer))
    answer = one.ear.of(Answer)[0]
    assert (answer.action, "not_compared" in answer.reasons) == (action, failure == "block")
    one.end()
