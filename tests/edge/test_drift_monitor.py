"""The watch and its sink: learning, alarms, what is kept, and broken input."""

import json
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drift_answers import START_S, answer, home

from edge.answers import Status
from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.bundle_identity import bundle_hash
from edge.bundle_writing import seal
from edge.drift import Detector, Reference
from edge.drift_monitor import MonitorSettings, MonitorSink, read_state, write_state
from edge.drift_reference import (
    OF_ANSWERS,
    REFERENCE_NAME,
    STATISTICS,
    figures_of,
    read_reference,
    reference_for,
    reference_text,
)
from edge.drift_watch import Rules, Watch
from edge.errors import BundleError, StoreError, UsageError
from edge.health import Health
from edge.strict_toml import from_tables

DAY_S = 86_400.0
RULES = Rules(window=100, false_alarms_per_year=1.0, tolerance=0.03, learn_answers=200, learn_days=7.0)


@pytest.fixture(scope="module")
def bundle():
    return open_bundle()


def feed(watch, answers):
    return [alarm for one in answers for alarm in watch.push(figures_of(one.to_dict()), one.at_s, one.bundle)]


def sink_of(path, bundle, **settings):
    health = Health()
    clock = iter(range(0, 10**9))
    settings = {"learn_answers": 200, "window": 100, **settings}
    sink = MonitorSink(MonitorSettings(path=str(path), **settings), health, bundle, clock=lambda: next(clock))
    return sink, health.gauges


def state_of(path):
    return json.loads(Path(path).read_text())


# ------------------------------------------------------------------------------------------ watching


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


# ------------------------------------------------------------------------------------------ the sink


def test_gauges_are_there_from_the_start_and_stay_the_same_names(tmp_path, bundle):
    sink, gauges = sink_of(tmp_path / "state" / "monitor.json", bundle)
    names = set(gauges)
    sink.open()
    for one in home(30):
        sink.push(one)
    sink.close()
    assert set(gauges) == names
    assert all(math.isfinite(value) for value in gauges.values())
    assert gauges["drift_learned"] == pytest.approx(1.0)
    assert gauges["drift_psi_level_dbfs"] > 0


def test_an_alarm_is_told_in_one_line_and_outlives_a_restart(tmp_path, bundle, caplog):
    path = tmp_path / "monitor.json"
    sink, gauges = sink_of(path, bundle)
    sink.open()
    for one in (*home(40), *home(10, 1, start_s=START_S + 40 * DAY_S, gain=-12.0)):
        sink.push(one)
    sink.close()
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert warnings[0].startswith("drift: loudness is lower than it was; ")
    again, gauges = sink_of(path, bundle)
    again.open()
    assert gauges["drift_alarm"] == 1
    again.close()


def test_the_state_is_for_its_folder_alone_and_holds_no_sound(tmp_path, bundle):
    path = tmp_path / "state" / "monitor.json"
    sink, _ = sink_of(path, bundle)
    sink.open()
    sink.push(answer(pre_roll=np.full(100, 12345, np.int16)))
    sink.close()
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert "12345" not in path.read_text()
    assert sorted(os.listdir(path.parent)) == [".monitor.json.lock", "monitor.json"]


def test_it_is_written_seldom(tmp_path, bundle):
    now = 0.0
    path = tmp_path / "monitor.json"
    sink = MonitorSink(MonitorSettings(path=str(path)), Health(), bundle, clock=lambda: now)
    sink.open()
    written = path.stat().st_ino
    for at, one in enumerate(home(1)):
        now = at * 4.9
        sink.push(one)
    assert path.stat().st_ino == written
    now = 60.0
    sink.push(answer(START_S + DAY_S))
    assert len(state_of(path)["statistics"]["wake_score"]["learning"]) == 13
    sink.push(answer(START_S + DAY_S + 100))
    sink.close()
    assert len(state_of(path)["statistics"]["wake_score"]["learning"]) == 14


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"format": "other"}',
        b'{"format": "vivavoce-monitor", "format_version": 2}',
        b'{"format": NaN}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_state_is_set_aside_and_told_in_one_line(tmp_path, bundle, caplog, content):
    path = tmp_path / "monitor.json"
    path.write_bytes(content)
    sink, _ = sink_of(path, bundle)
    sink.open()
    sink.push(answer())
    sink.close()
    assert (tmp_path / "monitor.json.damaged").read_bytes() == content
    assert len(state_of(path)["statistics"]["wake_score"]["learning"]) == 1
    errors = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert "\n" not in errors[0]


def broken_states():
    """Yield states of which one entry, wherever it is, is something else."""
    watch = Watch(RULES)
    feed(watch, [*home(30), *home(9, 1, start_s=START_S + 30 * DAY_S, gain=-15.0)])
    text = json.dumps(watch.to_dict())
    assert watch.up

    def places(value, path=()):
        if isinstance(value, dict):
            for key in value:
                yield (*path, key)
                yield from places(value[key], (*path, key))

    for path in places(json.loads(text)):
        for other in (..., "x", -1, [1, "x"], {"x": 1}, True, 1e300, [[]], None):
            state = json.loads(text)
            below = state
            for key in path[:-1]:
                below = below[key]
            if other is ...:
                del below[path[-1]]
            else:
                below[path[-1]] = other
            yield state


def test_whatever_a_state_holds_it_is_taken_or_refused(tmp_path):
    refused = taken = 0
    for state in broken_states():
        watch = Watch(RULES)
        try:
            watch.restore(tmp_path / "state.json", state)
        except StoreError:
            refused += 1
            continue
        taken += 1
        # What was taken works.
        feed(watch, home(1, start_s=START_S + 50 * DAY_S))
        assert all(math.isfinite(value) for value in watch.gauges().values())
        json.dumps(watch.to_dict(), allow_nan=False)
    assert refused > 5 * taken
    assert taken > 0


def test_a_folder_that_cannot_be_written_is_told_and_nothing_is_lost(tmp_path, bundle):
    folder = tmp_path / "state"
    sink, _ = sink_of(folder / "monitor.json", bundle)
    sink.open()
    sink.push(answer())
    shutil.rmtree(folder)
    folder.write_text("in the way")
    # Whoever took the file away meant it: what is kept begins with the next answer.
    sink._kept_s = -100.0
    with pytest.raises(StoreError, match=r"monitor\.json: cannot be written"):
        sink.push(answer(START_S + 100))
    sink.close()
    with pytest.raises(StoreError, match="cannot be written"):
        sink.open()
    folder.unlink()
    sink.open()
    sink.push(answer(START_S + 200))
    sink.close()
    assert len(state_of(folder / "monitor.json")["statistics"]["wake_score"]["learning"]) == 2


def test_a_file_that_is_gone_means_that_it_begins_anew(tmp_path, bundle):
    path = tmp_path / "monitor.json"
    sink, _ = sink_of(path, bundle)
    sink.open()
    for one in home(1):
        sink.push(one)
    path.unlink()
    sink.push(answer(START_S + DAY_S))
    sink.close()
    assert len(state_of(path)["statistics"]["wake_score"]["learning"]) == 1


def test_a_reset_just_before_the_end_holds(tmp_path, bundle):
    path = tmp_path / "monitor.json"
    sink = MonitorSink(MonitorSettings(path=str(path)), Health(), bundle, clock=lambda: 0.0)
    sink.open()
    for one in home(1):
        sink.push(one)
    write_state(path, Watch(RULES))
    sink.close()
    assert state_of(path)["statistics"]["wake_score"]["learning"] == []


def test_only_the_origins_that_are_named_are_watched(tmp_path, bundle):
    path = tmp_path / "monitor.json"
    sink, _ = sink_of(path, bundle, origins=("source", "wyoming"))
    sink.open()
    for at, origin in enumerate(("source", "wyoming 127.0.0.1:5", "mqtt", "sourced")):
        sink.push(answer(START_S + 100 * at, origin=origin))
    sink.close()
    assert len(state_of(path)["statistics"]["wake_score"]["learning"]) == 2


def test_before_the_clock_is_set_nothing_is_watched(tmp_path, bundle):
    path = tmp_path / "monitor.json"
    sink, _ = sink_of(path, bundle)
    sink.open()
    sink.push(answer(1000.0))
    sink.push(Status(at_s=START_S, source="lost", source_name="", muted=False, playing=False, words=(), bundle="3.0"))
    sink.close()
    assert state_of(path)["statistics"]["wake_score"]["learning"] == []


# ------------------------------------------------------------------------------------------ references


def dev_figures(seed=0, n=400):
    rng = np.random.default_rng(seed)
    return {
        "wake_score": rng.uniform(0.95, 1.0, n),
        "live_score": rng.normal(1.0, 1.0, n),
        "level_dbfs": rng.normal(-30.0, 6.0, n),
        "snr_db": rng.normal(30.0, 5.0, n),
        "accepted": (rng.random(n) < 0.8).astype(float),
    }


def test_a_reference_is_read_as_it_was_written(tmp_path):
    content = reference_text(dev_figures(), "ab")
    found = read_reference(tmp_path / "r.json", content, bundle_sha256="ab")
    assert set(found) == set(OF_ANSWERS)
    assert {one.answers for one in found.values()} == {400}
    assert found["snr_db"].ranks(dev_figures()["snr_db"]).mean() == pytest.approx(0.5, abs=0.005)


def test_a_reference_of_another_bundle_is_refused(tmp_path, bundle):
    path = tmp_path / "reference.json"
    path.write_bytes(reference_text(dev_figures(), "0" * 64))
    with pytest.raises(BundleError, match=r"bundle_sha256: got '000.*the bundle that is used"):
        reference_for(bundle, str(path))
    path.write_bytes(reference_text(dev_figures(), bundle_hash(bundle.path)))
    assert set(reference_for(bundle, str(path))) == set(OF_ANSWERS)


def test_a_reference_inside_a_bundle_is_verified_with_it(tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, folder)
    (folder / REFERENCE_NAME).write_bytes(reference_text(dev_figures()))
    assert REFERENCE_NAME not in open_bundle(folder).contents
    seal(folder)
    opened = open_bundle(folder)
    assert set(reference_for(opened)) == set(OF_ANSWERS)
    (folder / REFERENCE_NAME).write_bytes(reference_text(dev_figures(1)))
    with pytest.raises(BundleError, match="damaged"):
        open_bundle(folder)


def test_a_reference_beside_the_folder_of_a_bundle_is_found(tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, folder)
    opened = open_bundle(folder)
    with pytest.raises(UsageError, match=r'monitor\.reference: got "bundle", but .*reference_file'):
        sink_of(tmp_path / "monitor.json", opened, reference="bundle")
    with pytest.raises(BundleError, match="cannot be read"):
        sink_of(tmp_path / "monitor.json", opened, reference="bundle", reference_file=str(tmp_path / "none"))
    (tmp_path / "bundle.reference.json").write_bytes(reference_text(dev_figures(), bundle_hash(folder)))
    assert set(reference_for(opened)) == set(OF_ANSWERS)
    (tmp_path / "bundle.reference.json").write_bytes(reference_text(dev_figures(), "0" * 64))
    with pytest.raises(BundleError, match="bundle_sha256"):
        sink_of(tmp_path / "monitor.json", opened, reference="bundle")


def test_the_bundle_that_ships_has_its_reference(bundle):
    found = reference_for(bundle)
    assert {one.answers for one in found.values()} == {found["wake_score"].answers}
    assert found["wake_score"].answers >= 300
    assert min(found["wake_score"].points) > 0.5
    assert set(found["accepted"].points) == {0.0, 1.0}


@pytest.mark.parametrize("change", ["format", "format_version", "statistics", "points", "missing", "extra", "nan"])
def test_a_broken_reference_is_refused_by_name(tmp_path, change):
    record = json.loads(reference_text(dev_figures()))
    match change:
        case "missing":
            del record["statistics"]["snr_db"]
        case "extra":
            record["more"] = 1
        case "points":
            record["statistics"]["snr_db"]["points"] = [1.0]
        case "nan":
            record["statistics"]["snr_db"]["points"][3] = math.nan
        case _:
            record[change] = 7
    named = {"missing": "snr_db", "extra": "more", "nan": "NaN", "points": r"snr_db\.points"}.get(change, change)
    with pytest.raises(BundleError, match=named):
        read_reference(tmp_path / "r.json", json.dumps(record).encode())


def test_with_the_bundles_reference_nothing_but_days_is_learned(tmp_path, bundle, caplog):
    reference = tmp_path / "reference.json"
    reference.write_bytes(reference_text(dev_figures(), bundle_hash(bundle.path)))
    path = tmp_path / "monitor.json"
    chosen = {"reference": "bundle", "reference_file": str(reference)}
    sink, gauges = sink_of(path, bundle, **chosen)
    sink.open()
    version = bundle.bundle_version
    for one in home(12, bundle=version, gain=-12.0):
        sink.push(one)
    assert gauges["drift_alarm_level_dbfs"] == 1
    assert gauges["drift_alarm_snr_db"] == 0
    sink.push(answer(START_S + 50 * DAY_S, bundle="99.0"))
    sink.push(answer(START_S + 51 * DAY_S, bundle="99.0"))
    sink.close()
    assert sum("another than the one of the reference" in record.message for record in caplog.records) == 1
    # What was watched by another reference is not gone on with, but its alarms stay.
    again, gauges = sink_of(path, bundle)
    again.open()
    again.close()
    assert gauges["drift_learned"] == 0
    assert len(state_of(path)["alarms"]) == 1
    assert state_of(path)["reference"] == "home"


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"window": 10}, "monitor.window: got 10, expected a whole number from 50 to 5000"),
        ({"reference": "house"}, "monitor.reference: got 'house', expected one of 'home', 'bundle'"),
        ({"false_alarms_per_year": 0}, "monitor.false_alarms_per_year: got 0"),
        ({"tolerances": 0.1}, "did you mean monitor.tolerance?"),
    ],
)
def test_settings_are_strict(table, told):
    with pytest.raises(UsageError) as fault:
        from_tables(MonitorSettings, table, "vivavoce.toml", name="monitor")
    assert told in str(fault.value)


def test_a_second_daemon_leaves_the_state_alone(tmp_path):
    settings = MonitorSettings(path=str(tmp_path / "monitor.json"))
    first, second = (MonitorSink(settings, Health(), open_bundle()) for _ in range(2))
    first.open()
    before = (tmp_path / "monitor.json").read_bytes()
    with pytest.raises(StoreError, match="another vivavoce daemon writes to it"):
        second.open()
    second.close()
    assert (tmp_path / "monitor.json").read_bytes() == before
    first.close()
    second.open()
    second.close()
