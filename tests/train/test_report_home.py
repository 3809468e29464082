"""Errors a day: the arithmetic, and how it is said."""

import re

import numpy as np
import pytest

from train.report.home import COMMANDS, HOURS, PLAYED, Expected, expected, has_to_repeat, how_many, in_words
from train.report.results_folder import Rate


def test_events_are_occasions_times_the_rate_and_so_are_the_ends():
    assert expected(10, Rate(0.15, 0.1, 0.25)) == Expected(1.5, 1.0, 2.5)
    assert expected(4, Rate(5.25, None, 9.5)) == Expected(21.0, None, 38.0)
    assert expected(0.5, Rate(0.0)) == Expected(0.0, None, None)


def test_the_rest_of_a_share_turns_its_ends_round():
    rest = Rate(0.8, 0.7, 0.95).rest()
    assert (rest.value, rest.low, rest.high) == pytest.approx((0.2, 0.05, 0.3))
    assert Rate(0.8, None, 0.9).rest().high is None


def test_who_is_not_heard_or_is_refused_says_it_again():
    rng = np.random.default_rng(5)
    tries = 400_000
    heard, refused = rng.random(tries) < 0.85, rng.random(tries) < 0.07
    found = has_to_repeat(Rate(0.85, 0.8, 0.9), Rate(0.07, 0.05, 0.1))
    assert found.value == pytest.approx(float(np.mean(~(heard & ~refused))), abs=0.003)
    assert (found.low, found.high) == pytest.approx((1 - 0.9 * 0.95, 1 - 0.8 * 0.9))
    assert has_to_repeat(Rate(0.85), Rate(0.07, 0.05, 0.1)).low is None


@pytest.mark.parametrize(
    ("per_day", "told"),
    [
        (0.0, "none"),
        (128.2, "128 a day"),
        (9.5, "10 a day"),
        (9.4, "9.4 a day"),
        (2.0, "2 a day"),
        (1.06, "1.1 a day"),
        (1.04, "one a day"),
        (0.95, "one a day"),
        (6 / 7, "6 a week"),
        (0.42, "3 a week"),
        (2 / 7, "2 a week"),
        (0.2, "one every 5 days"),
        (1 / 12, "one every 12 days"),
        (1 / 14, "one every 2 weeks"),
        (1 / 56, "one every 8 weeks"),
        (1 / 122, "one every 4 months"),
        (1 / 360, "one every 12 months"),
        (1 / 3650, "one every 10 years"),
    ],
)
def test_how_many_in_words(per_day, told):
    assert how_many(per_day) == told


_DAYS = {"day": 1.0, "days": 1.0, "week": 7.0, "weeks": 7.0, "months": 30.44, "years": 365.25}


def _meant(told: str) -> float:
    """Read words back as events a day."""
    if told == "one a day":
        return 1.0
    if many := re.fullmatch(r"([\d.]+) a (day|week)", told):
        return float(many[1]) / _DAYS[many[2]]
    rare = re.fullmatch(r"one every (\d+) (\w+)", told)
    assert rare, told
    return 1 / (int(rare[1]) * _DAYS[rare[2]])


def test_words_mean_about_what_was_computed():
    for per_day in np.geomspace(1e-4, 500, 4000).tolist():
        assert _meant(how_many(per_day)) == pytest.approx(per_day, rel=0.34), per_day
    for per_day in np.geomspace(1.05, 500, 1000).tolist():
        assert _meant(how_many(per_day)) == pytest.approx(per_day, rel=0.06), per_day


def test_an_interval_is_said_as_far_as_it_is_known():
    told = {
        Expected(2.0, 1.0, 3.0): "about 2 a day are missed (between one a day and 3 a day)",
        Expected(21.4, None, 37.3): "about 21 a day are missed (up to 37 a day)",
        Expected(2.0, None, None): "about 2 a day are missed",
        Expected(0.0, 0.0, 0.25): "about 0 a day are missed (between none and 2 a week)",
        Expected(0.0, 0.0, 0.0): "about 0 a day are missed",
        Expected(30.0, 29.9, 30.1): "about 30 a day are missed",
    }
    assert {events: in_words(events, "missed") for events in told} == told


def test_whatever_the_rate_it_is_the_failure_that_is_counted():
    """A sentence that could be read the other way round, as 'is not heard once in 4 weeks', is not written."""
    for per_day in (0.0, *np.geomspace(1e-4, 500, 400).tolist()):
        told = in_words(Expected(per_day, None, None), "missed")
        found = re.fullmatch(r"about (.*) (is|are) missed", told)
        assert found, told
        assert (found[2] == "is") == found[1].startswith("one "), told
        assert not re.search(r"never|none|once|times|not", told), told


@pytest.mark.parametrize("habit", [COMMANDS, HOURS, PLAYED])
def test_sliders_begin_at_what_is_assumed(habit):
    assert habit.assumed in habit.places
    assert list(habit.places) == sorted(set(habit.places))
    shown = [habit.shown(place) for place in habit.places]
    assert len(set(shown)) == len(shown)
    assert not any(text.startswith(("1 times", "1 hours")) for text in shown)
