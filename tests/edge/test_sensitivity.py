"""Steps of sensitivity: what they move, and what they leave alone."""

import math

import pytest

from edge.bundle import open_bundle
from edge.policy import GateSettings, WordSettings
from edge.sensitivity import SENSITIVITIES, shifted, tuned


@pytest.fixture(scope="module")
def bundle():
    return open_bundle()


def log_odds(p):
    return math.log(p / (1 - p))


@pytest.mark.parametrize("name", SENSITIVITIES)
@pytest.mark.parametrize("cutoff", [0.02, 0.5, 0.9631, 0.9906])
def test_a_step_moves_the_log_odds_by_the_same_whatever_the_cut_off(name, cutoff):
    assert log_odds(shifted(cutoff, name)) - log_odds(cutoff) == pytest.approx(SENSITIVITIES[name], abs=1e-9)


def test_more_sensitive_is_a_lower_cut_off():
    steps = [shifted(0.95, name) for name in ("low", "normal", "high", "highest")]
    assert steps == sorted(steps, reverse=True)
    assert len(set(steps)) == 4


@pytest.mark.parametrize("cutoff", [0.0, 1.0, 2.0])
def test_a_word_that_always_or_never_hears_stays_so(cutoff):
    assert shifted(cutoff, "highest") == cutoff


def test_normal_is_the_bundle_as_it_is_to_the_last_bit(bundle):
    assert tuned(bundle, "normal") == bundle


def test_every_word_is_moved_and_nothing_else(bundle):
    more = tuned(bundle, "high")
    assert [w.cutoff for w in more.words] == [shifted(w.cutoff, "high") for w in bundle.words]
    assert more.liveness == bundle.liveness
    assert more.wake == bundle.wake


def test_in_the_settings_a_cut_off_that_is_given_wins(bundle):
    given = GateSettings(sensitivity="high", words={"jarvis": WordSettings(cutoff=0.7)})
    cutoffs = {w.id: w.cutoff for w in given.fitted(bundle).words}
    own = {w.id: w.cutoff for w in bundle.words}
    assert cutoffs.pop("jarvis") == 0.7
    assert cutoffs == {name: shifted(own[name], "high") for name in cutoffs}


def test_in_the_settings_one_word_may_differ(bundle):
    given = GateSettings(sensitivity="high", words={"jarvis": WordSettings(sensitivity="low")})
    cutoffs = {w.id: w.cutoff for w in given.fitted(bundle).words}
    own = {w.id: w.cutoff for w in bundle.words}
    assert cutoffs["jarvis"] == shifted(own["jarvis"], "low")
    assert cutoffs["alexa"] == shifted(own["alexa"], "high")
