"""The watch: what of an answer is watched, learning, alarms, and a restart."""

import json
import math
from dataclasses import replace

import pytest
from drift_answers import START_S, answer, home

from edge.drift import Detector, Reference
from edge.drift_monitor import read_state
from edge.drift_reference import OF_ANSWERS, STATISTICS, figures_of
from edge.drift_watch import Watch
from tests.edge.drift_monitoring import DAY_S, RULES, feed


def test_figures_are_those_of_the_answer():
    found = figures_of(answer(accepted=False, live=-2.0, wake=0.96, level=-40.0, snr=12.0).to_dict())
    assert found == {"wake_score": 0.96, "live_score": -2.0, "level_dbfs": -40.0, "snr_db": 12.0, "accepted": 0.0}


def test_what_could_not_be_judged_is_left_out():
    found = figures_of(answer(quality=None, live_score=math.nan, decision="unsure").to_dict())
    assert found == {"wake_score": 0.97, "accepted": 0.0}


def test_another_rule_of_the_policy_is_no_drift():
    held_back = answer(action="block", decision="accept", reasons=("refractory", "live"))
    assert figures_of(held_back.to_dict())["accepted"] == 1.0


def test_enough_answers_and_enough_days_make_the_reference():
    watch = Watch(RULES)
    feed(watch, home(7, a_day=40))
    assert watch.references == {}  # 280 answers, but less than seven days between the first and the last
    feed(watch, home(1, start_s=START_S + 7 * DAY_S, a_day=2))
    assert set(watch.references) == set(OF_ANSWERS)
    watch = Watch(RULES)
    feed(watch, home(16))
    assert watch.references == {}  # 192 answers
    feed(watch, home(1, start_s=START_S + 16 * DAY_S))
    assert set(watch.references) == set(OF_ANSWERS)
    assert {one.answers for one in watch.references.values()} == {200}


def test_days_have_their_reference_after_four_weeks():
    watch = Watch(RULES)
    feed(watch, home(28))
    assert watch.learned == pytest.approx(27 / 28)  # the last is not over
    feed(watch, home(1, start_s=START_S + 28 * DAY_S))
    assert watch.learned == 1.0
    assert set(watch.references) == set(STATISTICS)
    assert watch.references["rejected_per_day"].answers == 28


def test_days_are_counted_as_they_were():
    watch = Watch(RULES)
    for day, refused in enumerate((3, 5, 0, 2)):
        for number in range(8):
            at_s = START_S + day * DAY_S + number * 3600
            watch.push({"accepted": float(number >= refused)}, at_s, "1")
    # The last is not over.
    assert watch.to_dict()["statistics"]["rejected_per_day"]["learning"] == [3.0, 5.0, 0.0]


def test_answers_of_one_minute_are_one():
    watch = Watch(RULES)
    for at_s in (0.0, 30.0, 59.9, 60.0, 100.0, 120.0, 119.0):
        watch.push({"wake_score": at_s}, START_S + at_s, "1")
    # A clock that is set back is no burst.
    assert watch.to_dict()["statistics"]["wake_score"]["learning"] == [0.0, 60.0, 120.0, 119.0]


def test_where_nothing_changes_there_is_no_alarm():
    watch = Watch(RULES)
    assert feed(watch, home(150)) == []
    gauges = watch.gauges()
    assert gauges["drift_alarm"] == 0
    assert all(0 <= gauges[f"drift_evidence_{name}"] < 0.2 for name in STATISTICS)


def test_a_change_is_told_once_by_what_changed_and_is_over_when_it_is():
    watch = Watch(RULES)
    feed(watch, home(40))
    changed_s = START_S + 40 * DAY_S
    raised = feed(watch, home(30, 1, start_s=changed_s, gain=-12.0))
    assert [(one.statistic, one.change) for one in raised] == [("level_dbfs", "lower")]
    assert 1 * DAY_S < raised[0].at_s - changed_s < 10 * DAY_S
    assert watch.up == raised
    gauges = watch.gauges()
    assert gauges["drift_alarm"] == gauges["drift_alarm_level_dbfs"] == 1
    assert gauges["drift_alarm_snr_db"] == 0
    assert gauges["drift_mean_rank_level_dbfs"] < 0.2
    assert gauges["drift_psi_level_dbfs"] > gauges["drift_psi_limit_level_dbfs"]
    # It was mended.
    again = feed(watch, home(30, 2, start_s=changed_s + 30 * DAY_S))
    assert again == []
    assert watch.up == []
    assert watch.alarms == raised


def test_false_alarms_are_shared_by_all_statistics():
    assert RULES.days == 6 * 365.25
    assert replace(RULES, false_alarms_per_year=12.0).days == 365.25 / 2


def test_a_reference_of_few_answers_is_given_more_tolerance():
    # Four answers after learning, and twelve after a silence of which a week is counted.
    answers = [*home(17), *home(1, 1, start_s=START_S + 300 * DAY_S)]
    watch = Watch(RULES)
    feed(watch, answers)
    levels = [figures_of(one.to_dict())["level_dbfs"] for one in answers]
    reference = Reference.of(levels[:200])
    assert watch.references["level_dbfs"] == reference
    detector = Detector(0.03 + 2.3263 / (12 * 200) ** 0.5, RULES.days)
    for number in range(200, len(answers)):
        days = (answers[number].at_s - answers[number - 1].at_s) / DAY_S
        detector.push(float(reference.ranks([levels[number]])[0]), min(7.0, days))
    assert watch.gauges()["drift_evidence_level_dbfs"] == pytest.approx(detector.evidence, rel=1e-3)


def test_a_change_to_the_other_side_is_another_alarm():
    watch = Watch(RULES)
    feed(watch, home(40))
    feed(watch, home(10, 1, start_s=START_S + 40 * DAY_S, gain=-12.0))
    raised = feed(watch, home(20, 2, start_s=START_S + 50 * DAY_S, gain=12.0))
    assert [(one.statistic, one.change) for one in raised] == [("level_dbfs", "higher")]
    assert len(watch.up) == 1


def test_more_refusals_are_told():
    watch = Watch(RULES)
    feed(watch, home(60))
    raised = feed(watch, home(60, 1, start_s=START_S + 60 * DAY_S, refused=0.7))
    told = {(one.statistic, one.change) for one in raised}
    assert {("accepted", "lower"), ("rejected_per_day", "higher")} <= told


def test_another_bundle_is_learned_anew_and_the_microphone_is_not():
    watch = Watch(RULES)
    feed(watch, home(40))
    feed(watch, home(1, start_s=START_S + 40 * DAY_S, bundle="4.0"))
    assert set(watch.references) == {"level_dbfs", "snr_db"}
    assert watch.bundle == "4.0"


@pytest.mark.parametrize("at", [0, 37, 199, 200, 333, 500])
def test_a_restart_changes_nothing(tmp_path, at):
    answers = home(50, 3)
    whole = Watch(RULES)
    feed(whole, answers)
    first = Watch(RULES)
    feed(first, answers[:at])
    (tmp_path / "state.json").write_text(json.dumps(first.to_dict(), allow_nan=False))
    second = Watch(RULES)
    read_state(tmp_path / "state.json", second)
    feed(second, answers[at:])
    assert second.to_dict() == whole.to_dict()
