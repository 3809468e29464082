"""A candidate on trial: it hears what the active bundle hears, and has to do as well."""

import itertools
import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile
from updating import SHIPPED_VERSION, make_bundle, use

import edge
from edge.bundle import open_bundle
from edge.errors import UsageError
from edge.events import Decision, End, Wake
from edge.pipeline import Pipeline
from edge.slots import Slots
from edge.strict_toml import from_tables
from edge.trial import Trial, TrialSettings
from edge.update import UpdateSettings
from edge.update_watch import UpdateWatch

RATE = 16_000
SCENE = Path(edge.__file__).parent / "data" / "scene.flac"
SECOND = np.zeros(RATE, np.int16)


def wake(at, word="alexa"):
    return Wake(word, 0.9, at - RATE, at, at)


def decision(at, verdict="accept", word="alexa"):
    return Decision(word, verdict, 0.9, (), at, at + 1600)


class Puppet:
    """A candidate that says what it was told to, at a second of its stream."""

    def __init__(self, says=None, clock=None, takes=0.0):
        self.says, self.clock, self.takes = says or {}, clock, takes
        self.heard, self.resets = 0, []

    def reset(self, *, native_rate_hz=RATE):
        self.heard = 0
        self.resets.append(native_rate_hz)

    def push(self, samples):
        if self.clock is not None:
            self.clock.now += self.takes
        self.heard += samples.size
        said = self.says.get(self.heard // RATE, ())
        if isinstance(said, BaseException):
            raise said
        yield from said


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def run(puppet, seconds, theirs=None, *, clock=None, **settings):
    """Push seconds of silence, with what the active bundle made of each; return the verdict."""
    settings = {"minutes": seconds / 60, **settings}
    trial = Trial(puppet, TrialSettings(**settings), clock=clock or Clock())
    for second in range(1, seconds + 1):
        verdict = trial.push(SECOND, (theirs or {}).get(second, ()), start_sample=(second - 1) * RATE)
    return verdict


def test_a_trial_runs_until_enough_was_heard():
    trial = Trial(Puppet(), TrialSettings(minutes=0.05), clock=Clock())
    states = [trial.push(SECOND).state for _ in range(4)]
    assert states == ["running", "running", "passed", "passed"]
    assert (trial.verdict.heard_s, trial.verdict.compared) == (3.0, 0)


def test_an_error_of_the_candidate_ends_it_at_once_and_goes_no_further():
    puppet = Puppet({3: ValueError("no such\ntensor")})
    verdict = run(puppet, 10)
    assert (verdict.state, verdict.reasons) == ("failed", ("the candidate raised ValueError: no such tensor",))
    assert puppet.heard == 3 * RATE  # it is not run again


def test_who_interrupts_the_daemon_is_not_held_up():
    with pytest.raises(KeyboardInterrupt):
        run(Puppet({1: KeyboardInterrupt()}), 2)


@pytest.mark.parametrize(("takes", "state"), [(0.4, "passed"), (0.6, "failed")])
def test_a_slow_candidate_fails(takes, state):
    clock = Clock()
    verdict = run(Puppet(clock=clock, takes=takes), 60, clock=clock)
    assert (verdict.state, verdict.load) == (state, pytest.approx(takes))
    if state == "failed":
        assert verdict.heard_s == 10.0  # it does not go on for half an hour
        assert verdict.reasons == ("too slow: got a load of 0.60, expected at most 0.5",)


@pytest.mark.parametrize(("ours", "state"), [(4, "passed"), (5, "failed")])
def test_a_candidate_that_wakes_up_too_often_fails(ours, state):
    # ceil(1.5 * 2 + 2 per hour * 1/60 hour)
    theirs = {second: [wake(second * RATE)] for second in (10, 20)}
    puppet = Puppet({second: [wake(second * RATE)] for second in range(10, 10 + ours)})
    verdict = run(puppet, 60, theirs)
    assert (verdict.state, verdict.wakes, verdict.active_wakes) == (state, ours, 2)
    if state == "failed":
        assert verdict.reasons == ("wakes up too often: got 5 words, expected at most 4 in 1.0 min",)


@pytest.mark.parametrize(
    ("ours", "agreed"),
    [
        (lambda at: [decision(at)], 10),
        (lambda at: [decision(at + RATE // 2)], 10),
        (lambda at: [decision(at + 2 * RATE)], 0),
        (lambda at: [decision(at, "reject")], 0),
        (lambda at: [decision(at, "unsure")], 0),
        (lambda at: [decision(at, word="jarvis")], 0),
        (lambda at: [], 0),
        (lambda at: [decision(at, "reject")] if at < 80 * RATE else [decision(at)], 7),
        (lambda at: [decision(at, "reject")] if at < 70 * RATE else [decision(at)], 8),
        (lambda at: [decision(at + RATE // 2, "reject"), decision(at)], 10),
    ],
)
def test_a_candidate_that_decides_differently_fails(ours, agreed):
    seconds = range(50, 150, 10)
    puppet = Puppet({second: ours(second * RATE) for second in seconds})
    verdict = run(puppet, 160, {second: [decision(second * RATE)] for second in seconds})
    assert (verdict.compared, verdict.agreed) == (10, agreed)
    assert verdict.state == ("passed" if agreed >= 8 else "failed")
    if agreed < 8:
        assert f"got {agreed} of 10 decisions of the active bundle, expected 80% of them" in verdict.reasons[0]


def test_a_candidate_may_decide_a_little_earlier_or_later():
    for ours, theirs in ((10, 11), (11, 10)):
        verdict = run(Puppet({ours: [decision(10 * RATE)]}), 20, {theirs: [decision(10 * RATE)]})
        assert (verdict.compared, verdict.agreed) == (1, 1)


def test_a_decision_is_taken_for_one_decision_only():
    theirs = {10: [decision(10 * RATE), decision(10 * RATE + 4000)]}
    verdict = run(Puppet({10: [decision(10 * RATE)]}), 20, theirs)
    assert (verdict.compared, verdict.agreed) == (2, 1)


def test_a_decision_that_comes_much_later_is_another_one():
    """Of the same place, but after the other bundle was given up on: each of the two stands alone."""
    for ours, theirs in ((10, 15), (15, 10)):
        verdict = run(Puppet({ours: [decision(10 * RATE)]}), 20, {theirs: [decision(10 * RATE)]})
        assert (verdict.compared, verdict.agreed) == (1, 0)


def test_a_candidate_that_joined_late_may_decide_a_little_earlier():
    puppet = Puppet({10: [decision(10 * RATE)]})
    trial = Trial(puppet, TrialSettings(minutes=1.0), clock=Clock())
    for second in range(1, 14):
        at = 1000 * RATE + second * RATE
        theirs = [decision(1010 * RATE)] if second == 11 else ()
        trial.push(SECOND, theirs, start_sample=at - RATE)
    assert (trial.verdict.compared, trial.verdict.agreed) == (1, 1)


def test_what_was_waited_for_when_the_stream_began_anew_is_not_compared():
    trial = Trial(Puppet(), TrialSettings(minutes=1.0), clock=Clock())
    for second in range(1, 11):
        trial.push(SECOND, [decision(10 * RATE)] if second == 10 else (), start_sample=(second - 1) * RATE)
    for second in range(100, 110):
        trial.push(SECOND, start_sample=second * RATE)
    assert (trial.verdict.compared, trial.verdict.state) == (0, "running")


def test_a_few_decisions_say_too_little_unless_the_owner_waits_for_more():
    theirs = {second: [decision(second * RATE)] for second in (10, 12, 14, 16, 18)}
    verdict = run(Puppet(), 17, {second: theirs[second] for second in (10, 12, 14, 16)})
    assert (verdict.state, verdict.compared) == ("passed", 3)
    trial = Trial(Puppet(), TrialSettings(minutes=0.2, min_decisions=5), clock=Clock())
    states = [trial.push(SECOND, theirs.get(second, ())).state for second in range(1, 22)]
    assert states == [*["running"] * 20, "failed"]
    assert trial.verdict.compared == 5


def test_nothing_is_compared_before_the_frontend_knows_the_room():
    early = {second: [wake(second * RATE), decision(second * RATE - 1600)] for second in (1, 2, 4)}
    verdict = run(Puppet(), 20, early)
    assert (verdict.compared, verdict.active_wakes) == (0, 0)
    verdict = run(Puppet(early), 20)
    assert (verdict.wakes, verdict.state) == (0, "passed")


def test_the_candidate_may_join_in_the_middle_and_follows_when_the_stream_begins_anew():
    puppet = Puppet({10: [decision(10 * RATE)]})
    trial = Trial(puppet, TrialSettings(minutes=1.0), clock=Clock())
    trial.restart(native_rate_hz=8000)
    for second in range(1, 14):
        at = 1000 * RATE + second * RATE
        trial.push(SECOND, [decision(at)] if second == 10 else (), start_sample=at - RATE)
    assert (trial.verdict.compared, trial.verdict.agreed, puppet.resets) == (1, 1, [8000])
    trial.push(SECOND, start_sample=0)  # the source was opened again
    assert puppet.resets == [8000, 8000]
    trial.restart()
    trial.push(SECOND, start_sample=0)
    assert (puppet.resets, puppet.heard, trial.verdict.heard_s) == ([8000, 8000, RATE], RATE, 15.0)


def test_a_real_candidate_agrees_with_itself_and_not_with_a_deaf_one():
    samples, _ = soundfile.read(SCENE, dtype="int16")
    active, same = Pipeline(open_bundle()), Pipeline(open_bundle())
    deaf = Puppet()
    quiet = np.zeros(6 * RATE, np.int16)  # both have to be warm when the first word comes
    stream = np.concatenate([quiet, samples, quiet])
    settings = TrialSettings(minutes=stream.size / RATE / 60 - 0.01, min_compared=1)
    trials = [Trial(one, settings, clock=Clock()) for one in (same, deaf)]
    for at in range(0, stream.size, 1000):
        block = stream[at : at + 1000]
        events = list(active.push(block))
        for trial in trials:
            trial.push(block, events, start_sample=at)
    verdicts = [trial.verdict for trial in trials]
    assert verdicts[0].state == "passed", verdicts[0].told()
    assert verdicts[0].agreed == verdicts[0].compared > 0
    assert (verdicts[1].state, verdicts[1].agreed, verdicts[1].compared) == ("failed", 0, verdicts[0].compared)
    record = verdicts[0].to_dict()
    assert (record["event"], record["state"], record["reasons"]) == ("trial", "passed", [])
    assert "decisions agree" in verdicts[0].told()


def test_words_that_neither_listens_for_are_told_to_both():
    samples, _ = soundfile.read(SCENE, dtype="int16")
    active, same = (Pipeline(open_bundle(), listen=False) for _ in range(2))
    stream = np.concatenate([np.zeros(6 * RATE, np.int16), samples, np.zeros(2 * RATE, np.int16)])
    trial = Trial(same, TrialSettings(minutes=stream.size / RATE / 60 - 0.01, min_compared=1), clock=Clock())
    trial.told(wake(0))  # before any sound it means nothing
    for at in range(0, stream.size, 1000):
        trial.push(stream[at : at + 1000], list(active.push(stream[at : at + 1000])), start_sample=at)
        if at in (100_000, 140_000):
            trial.told(active.heard("smart_mirror", 0.9))
    verdict = trial.verdict
    assert (verdict.state, verdict.wakes, verdict.active_wakes) == ("passed", 2, 2), verdict.told()
    assert verdict.agreed == verdict.compared == 2


def test_a_candidate_that_cannot_take_a_word_fails():
    trial = Trial(Puppet(), TrialSettings(minutes=1.0), clock=Clock())
    trial.push(SECOND)
    trial.told(wake(RATE))
    assert trial.verdict.state == "failed"
    assert "the candidate raised TypeError" in trial.verdict.reasons[0]


def test_events_of_other_kinds_are_passed_over():
    verdict = run(Puppet({9: [End(9 * RATE)]}), 10, {9: [End(9 * RATE)]})
    assert (verdict.state, verdict.wakes, verdict.active_wakes) == ("passed", 0, 0)


# ----------------------------------------------------------------------------------------- the daemon's side


class Daemon:
    """What a daemon does with a watch: hears silence, a second at a time."""

    def __init__(self, folder, shadow=None, *, trial=0.1, confirm=0.1, **limits):
        self.settings = UpdateSettings(
            slots=str(folder), confirm_minutes=confirm, trial=TrialSettings(minutes=trial, **limits)
        )
        self.slots = Slots(folder, max_boots=self.settings.max_boots)
        self.made = []

        def make(bundle):
            self.made.append(bundle.bundle_version)
            return shadow() if shadow else Puppet()

        self.watch = UpdateWatch(self.slots, self.settings, make)
        self.used = [self.watch.start().bundle_version]
        self.at = 0

    def hear(self, seconds, events=None):
        for second in range(1, seconds + 1):
            bundle = self.watch.heard(SECOND, (events or {}).get(second, ()), start_sample=self.at)
            self.at += RATE
            if bundle is not None:
                self.used.append(bundle.bundle_version)


def test_a_daemon_tries_switches_and_confirms(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    daemon = Daemon(tmp_path / "slots")
    daemon.hear(3)
    Slots(tmp_path / "slots").stage(make_bundle(tmp_path, "1.0"))  # by a command, in another process
    daemon.hear(2)
    assert daemon.made == ["1.0"]
    assert daemon.used == [SHIPPED_VERSION]
    daemon.hear(6)
    assert daemon.used == [SHIPPED_VERSION, "1.0"]
    assert daemon.watch.verdict.state == "passed"
    assert daemon.slots.state().probation
    daemon.hear(8)
    assert not daemon.slots.state().probation
    assert daemon.slots.state().minimum.version == "1.0"
    daemon.hear(10)
    assert daemon.used == [SHIPPED_VERSION, "1.0"]
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == []


def test_a_candidate_that_was_there_before_the_start_is_tried(tmp_path):
    Slots(tmp_path / "slots").stage(make_bundle(tmp_path, "1.0"))
    daemon = Daemon(tmp_path / "slots")
    daemon.hear(9)
    assert daemon.used == [SHIPPED_VERSION, "1.0"]


def fails_to_start():
    raise RuntimeError("no memory")


@pytest.mark.parametrize(
    ("shadow", "reason"),
    [
        (fails_to_start, "it does not start: no memory"),
        (lambda: Puppet({2: ValueError("bad")}), "the candidate raised ValueError: bad"),
    ],
)
def test_a_candidate_that_fails_is_given_up_and_tried_once(tmp_path, shadow, reason):
    daemon = Daemon(tmp_path / "slots", shadow)
    daemon.slots.stage(make_bundle(tmp_path, "1.0"))
    daemon.hear(20)
    assert (daemon.used, daemon.made) == ([SHIPPED_VERSION], ["1.0"])
    assert daemon.slots.state().refused[0].reason == reason
    daemon.slots.stage(make_bundle(tmp_path, "1.0"), retry=True)
    daemon.hear(20)
    assert daemon.made == ["1.0", "1.0"]


def test_a_bundle_on_probation_is_rolled_back_when_the_daemon_is_not_healthy(tmp_path):
    daemon = Daemon(tmp_path / "slots")
    daemon.slots.stage(make_bundle(tmp_path, "1.0"))
    daemon.hear(9)
    assert daemon.used[-1] == "1.0"
    assert daemon.watch.failed("three errors").bundle_version == SHIPPED_VERSION
    assert daemon.slots.state().refused[0].reason == "three errors"
    assert daemon.watch.failed("again") is None
    use(daemon.slots, make_bundle(tmp_path, "2.0"))
    daemon.hear(2)
    assert daemon.used[-1] == "2.0"
    assert daemon.watch.failed("too late: it was confirmed") is None


def test_what_a_command_does_is_followed_within_a_second(tmp_path):
    daemon = Daemon(tmp_path / "slots", trial=10.0, confirm=10.0)
    command = Slots(tmp_path / "slots")
    command.stage(make_bundle(tmp_path, "1.0"))
    daemon.hear(2)
    command.accept_trial()  # install --now
    daemon.hear(1)
    assert daemon.used == [SHIPPED_VERSION, "1.0"]
    command.roll_back("no")
    daemon.hear(1)
    assert daemon.used == [SHIPPED_VERSION, "1.0", SHIPPED_VERSION]
    command.stage(make_bundle(tmp_path, "2.0"))
    daemon.hear(1)
    command.roll_back("no")
    daemon.hear(1)
    assert daemon.watch.verdict.state == "running"
    assert daemon.made == ["1.0", "2.0"]


def test_only_what_was_tried_is_switched_to(tmp_path, caplog):
    """The command exchanges the candidate in the second in which its trial ends."""
    daemon = Daemon(tmp_path / "slots", trial=0.05)
    daemon.slots.stage(make_bundle(tmp_path, "1.0"))
    daemon.hear(3)
    daemon.slots.stage(make_bundle(tmp_path, "2.0"))
    daemon.hear(1)
    assert daemon.used == [SHIPPED_VERSION]
    assert "expected" in caplog.text
    daemon.hear(6)
    assert daemon.used == [SHIPPED_VERSION, "2.0"]
    assert daemon.made == ["1.0", "2.0"]


def test_a_bundle_whose_start_cannot_be_counted_is_not_used(tmp_path, monkeypatch):
    slots = Slots(tmp_path / "slots")
    use(slots, make_bundle(tmp_path, "1.0"))
    slots.stage(make_bundle(tmp_path, "2.0"))
    slots.accept_trial()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("edge.slots.write_state", full)
        daemon = Daemon(tmp_path / "slots")
        daemon.hear(3)
    daemon.hear(20)
    assert daemon.used == ["1.0"]
    assert slots.state().probation  # and what was not used was not confirmed


def test_a_confirmation_that_cannot_be_written_is_tried_again_and_not_told_every_second(tmp_path, monkeypatch, caplog):
    daemon = Daemon(tmp_path / "slots", confirm=0.1)
    daemon.slots.stage(make_bundle(tmp_path, "1.0"))
    daemon.hear(9)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("edge.slots.write_state", full)
        daemon.hear(13)
    assert 1 <= caplog.text.count("No space left on device") <= 2
    daemon.hear(8)
    assert not daemon.slots.state().probation
    assert daemon.used == [SHIPPED_VERSION, "1.0"]


def test_restarts_of_the_daemon_go_back_in_the_end(tmp_path):
    slots = Slots(tmp_path / "slots")
    slots.stage(make_bundle(tmp_path, "1.0"))
    slots.accept_trial()
    used = list(itertools.chain.from_iterable(Daemon(tmp_path / "slots").used for _ in range(4)))
    assert used == ["1.0", "1.0", "1.0", SHIPPED_VERSION]


def test_settings_are_read_strictly():
    settings = from_tables(UpdateSettings, {"slots": "/x", "trial": {"minutes": 5}}, "daemon.toml", name="update")
    assert (settings.trial.minutes, settings.fetch.attempts) == (5.0, 5)
    with pytest.raises(UsageError, match=r"daemon\.toml: update\.trial\.minute is unknown; did you mean"):
        from_tables(UpdateSettings, {"trial": {"minute": 5}}, "daemon.toml", name="update")
