"""``vivavoce train report``: results that are missing, damaged or of another bundle, and options that cannot be met."""

import json
import re

import pytest

from tests.train.report_page import Page, bundle_fixture, made_fixture, report_fixture  # noqa: F401  # fixtures


@pytest.mark.parametrize("name", ["wake_test.json", "liveness_test.json", "protocol.json", "runtime.json"])
def test_a_missing_file_is_told_with_what_to_run(report, made, name):
    del made[name]
    code, text, told, err = report()
    assert (code, err) == (0, "")
    remedy = f"There is no {name} in"
    assert remedy in text
    assert remedy in told
    assert told.count("Run:") == 1
    assert Page(text).open == []


def test_without_any_results_there_is_still_a_page(report, made):
    made.clear()
    code, text, _, _ = report()
    found = Page(text)
    assert code == 0
    assert found.open == []
    assert "A television" not in text
    assert "What it cannot do" in text
    assert json.loads(re.search(r'id="places">(.*?)</script>', text, re.DOTALL)[1]) == {}


def test_results_of_another_bundle_do_not_count(report, made):
    made["wake_test.json"]["bundle_sha256"] = "f" * 64
    code, text, _, _ = report()
    assert code == 0
    assert "wake_test.json" in text
    assert "is about another bundle (ffffffffffff)" in text
    assert "Of wake words that are said" not in text


@pytest.mark.parametrize(
    ("name", "keys", "value", "told"),
    [
        ("wake_test.json", ("int8", "mean_recall", "rate"), 1.5, "int8.mean_recall.rate: got 1.5"),
        ("wake_test.json", ("int8", "mean_recall", "clips"), 1.5, "int8.mean_recall.clips: got 1.5"),
        ("wake_test.json", ("int8", "mean_recall", "interval_95"), [0.9, 0.1], "interval_95: got [0.9, 0.1]"),
        ("wake_test.json", ("int8", "mean_recall", "interval_95"), [0.1], "interval_95: got [0.1]"),
        ("wake_test.json", ("int8", "recall"), [], "int8.recall: got a list"),
        ("wake_test.json", ("made_by",), 3, "made_by: got a number"),
        ("liveness_test.json", ("raw",), None, "raw: got null"),
        ("liveness_test.json", ("simulated", "slices", "near_and_quiet"), None, "slices.near_and_quiet: got null"),
        ("liveness_test.json", ("simulated", "by_kind", "phone", "apcer"), True, "phone.apcer: got true"),
        ("liveness_test.json", ("simulated", "by_kind", "phone", "replay"), -1, "phone.replay: got -1"),
        ("protocol.json", ("probes", "alike"), "no", 'probes.alike: got "no"'),
        ("protocol.json", ("probes", "judged", "silence", "at_chance"), 1, "silence.at_chance: got 1"),
        ("runtime.json", ("results", "vivavoce"), 1, "results.vivavoce: got "),
    ],
)
def test_a_wrong_figure_is_one_line_and_no_page(report, made, name, keys, value, told):
    part = made[name]
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    code, text, out, err = report()
    assert (code, text, out) == (2, "", "")
    assert told in err
    assert name in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["wake_test.json", "protocol.json", "test_ledger.json"])
@pytest.mark.parametrize("content", ["", "{", "null", "3", "[" * 100_000])
def test_damaged_results_are_one_line(report, made, name, content):
    made[name] = content
    code, text, _, err = report()
    assert (code, text) == (2, "")
    assert name in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--clips", "8"), "--clips is given without --data"),
        (("--data", ".", "--clips", "7"), "--clips is 7"),
        (("--data", ".", "--clips", "0"), "--clips is 0"),
        (("--workers", "0"), "--workers is 0"),
        (("--results", "/nowhere"), "/nowhere: is no folder"),
        (("--out", "/"), "--out is /, a folder"),
        (("--data", "/nowhere"), "/nowhere"),
        (("--bundle", "/nowhere"), "/nowhere"),
        (("--task", "/nowhere"), "/nowhere"),
    ],
)
def test_what_cannot_be_asked_for_is_one_line(options, told, report):
    code, text, _, err = report(*options)
    assert (code, text) == (2, "")
    assert told in err
    assert err.count("\n") == 1
