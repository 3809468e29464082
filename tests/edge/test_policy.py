from dataclasses import replace

import pytest

from edge.bundle import open_bundle
from edge.errors import UsageError
from edge.events import Decision
from edge.policy import REASONS, Circumstances, GateSettings, Policy, WordSettings
from edge.sample_time import SAMPLE_RATE_HZ

NOTHING = Circumstances()


def decision(verdict="accept", reasons=("live",), word="w"):
    return Decision(word, verdict, 0.9, reasons, 100, 200)


@pytest.mark.parametrize(
    ("verdict", "reasons", "settings", "action"),
    [
        ("accept", ("live",), {}, "pass"),
        ("reject", ("loudspeaker",), {"unsure": "pass", "failure": "pass"}, "block"),
        ("unsure", ("near_cutoff",), {}, "block"),
        ("unsure", ("noisy",), {"unsure": "ask"}, "ask"),
        ("unsure", ("noisy",), {"unsure": "pass"}, "pass"),
        ("unsure", ("failed",), {"unsure": "pass"}, "block"),
        ("unsure", ("failed",), {"unsure": "ask"}, "block"),
        ("unsure", ("failed",), {"failure": "pass"}, "pass"),
    ],
)
def test_what_follows_is_what_the_owner_said(verdict, reasons, settings, action):
    assert Policy(GateSettings(**settings)).push(decision(verdict, reasons), 0, NOTHING) == (action, reasons)


def test_a_word_may_differ():
    policy = Policy(GateSettings(unsure="pass", words={"w": WordSettings(unsure="block"), "x": WordSettings()}))
    assert policy.push(decision("unsure", ("noisy",), "w"), 0, NOTHING).action == "block"
    assert policy.push(decision("unsure", ("noisy",), "x"), 0, NOTHING).action == "pass"


@pytest.mark.parametrize("name", ["own_playback", "playing", "heard_before"])
@pytest.mark.parametrize("settings", [{}, {"unsure": "ask"}])
def test_what_is_known_beside_the_sound_blocks(name, settings):
    policy = Policy(GateSettings(**settings))
    verdict = ("unsure", ("noisy",)) if settings else ("accept", ("live",))
    outcome = policy.push(decision(*verdict), 0, Circumstances(**{name: True}))
    assert outcome == ("block", (name, *verdict[1]))


def test_a_rejected_word_keeps_its_own_reason():
    outcome = Policy(GateSettings()).push(decision("reject", ("loudspeaker",)), 0, Circumstances(heard_before=True))
    assert outcome.reasons == ("loudspeaker",)


def test_playing_may_be_judged_as_usual():
    policy = Policy(GateSettings(while_playing="judge"))
    assert policy.push(decision(), 0, Circumstances(playing=True)).action == "pass"


def test_a_second_command_right_after_one_that_passed_is_blocked():
    policy = Policy(GateSettings(refractory_s=2.0))
    assert policy.push(decision(), 1000, NOTHING).action == "pass"
    assert policy.push(decision(), 1000 + 2 * SAMPLE_RATE_HZ - 1, NOTHING) == ("block", ("refractory", "live"))
    # What was blocked does not begin the time again.
    assert policy.push(decision(), 1000 + 2 * SAMPLE_RATE_HZ, NOTHING).action == "pass"


def test_blocked_words_have_no_refractory_time():
    policy = Policy(GateSettings(refractory_s=2.0))
    policy.push(decision("reject", ("loudspeaker",)), 0, NOTHING)
    assert policy.push(decision(), 10, NOTHING).action == "pass"


def test_no_more_commands_pass_in_a_minute_than_allowed():
    policy = Policy(GateSettings(refractory_s=0, passes_per_minute=3))
    times = [0, 10, 20, 30, 60 * SAMPLE_RATE_HZ - 1, 60 * SAMPLE_RATE_HZ, 60 * SAMPLE_RATE_HZ + 1]
    actions = [policy.push(decision(), at, NOTHING) for at in times]
    assert [one.action for one in actions] == ["pass"] * 3 + ["block"] * 2 + ["pass", "block"]
    assert actions[3].reasons == ("rate_limit", "live")


def test_no_limit_is_no_limit():
    policy = Policy(GateSettings(refractory_s=0, passes_per_minute=0))
    assert {policy.push(decision(), at, NOTHING).action for at in range(100)} == {"pass"}


def test_other_settings_do_not_forget_what_passed():
    policy = Policy(GateSettings(refractory_s=0.0))
    policy.push(decision(), 0, NOTHING)
    policy.follow(GateSettings(refractory_s=5.0))
    assert policy.push(decision(), SAMPLE_RATE_HZ, NOTHING).action == "block"
    policy.reset()
    assert policy.push(decision(), SAMPLE_RATE_HZ, NOTHING).action == "pass"


def test_every_reason_is_told_in_words():
    used = {"live", "loudspeaker", "near_cutoff", "not_compared", *Circumstances._fields, "refractory", "rate_limit"}
    assert used <= set(REASONS)
    assert all(REASONS.values())


def test_cutoffs_take_the_place_of_the_bundles():
    bundle = open_bundle()
    word = bundle.words[0]
    settings = GateSettings(accept_cutoff=0.9, words={word.phrase: WordSettings(cutoff=0.123)})
    fitted = settings.fitted(bundle)
    assert fitted.words == (replace(word, cutoff=0.123), *bundle.words[1:])
    assert fitted.liveness.accept_cutoff == 0.9
    assert fitted.liveness.reject_cutoff == bundle.liveness.reject_cutoff
    assert GateSettings(words={word.id: WordSettings(unsure="ask")}).fitted(bundle) == bundle


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (GateSettings(words={"nothing": WordSettings()}), "got 'nothing'"),
        (GateSettings(accept_cutoff=0.1, reject_cutoff=0.2), r"gate\.reject_cutoff: got 0\.2"),
        (GateSettings(reject_cutoff=1.0), r"expected at most gate\.accept_cutoff"),
    ],
)
def test_cutoffs_that_cannot_be_are_refused(settings, told):
    with pytest.raises(UsageError, match=told):
        settings.fitted(open_bundle())
