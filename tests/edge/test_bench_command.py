"""``vivavoce bench``: a measurement from end to end, its page, comparisons, and files that are no results."""

import argparse
import json
import os
from html.parser import HTMLParser
from pathlib import Path

import pytest

from edge.bench.comparing import compare, read
from edge.bench.measuring import STAGES, measure, usable_runtimes
from edge.bench.page import REMARK, page
from edge.bench.starting import starts
from edge.bundle import open_bundle
from edge.commands import bench
from edge.errors import DataError, UsageError

ROOT = Path(__file__).parents[2]


def call(*words):
    parser = argparse.ArgumentParser()
    bench.configure(parser)
    return bench.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    assert call("--repetitions", 2, "--no-starts", "-o", folder / "a.json", "--page", folder / "a.html") == 0
    return folder


def test_every_stage_of_every_interpreter_is_measured(measured):
    found = read(measured / "a.json")
    assert [run["interpreter"] for run in found["runs"]] == list(usable_runtimes(open_bundle()))
    for run in found["runs"]:
        assert list(run["stages"]) == list(STAGES)
        for of in run["stages"].values():
            assert len(of["p50_us_of_repetitions"]) == 2
            assert 0 < of["p50_us"] <= of["p95_us"] <= of["p99_us"] <= of["max_us"]
            assert sum(of["histogram"]["counts"]) == of["n"]
        # Nine seconds in hops of 10 ms, twice.
        assert run["stages"]["push"]["n"] == run["stages"]["frontend"]["n"] == 1800
    assert found["bundle"]["bytes"] == open_bundle().size


def test_a_decision_is_timed_from_the_words_true_end(measured):
    for run in read(measured / "a.json")["runs"]:
        decisions = run["decisions"]
        assert [(one["end_s"], one["decision"]) for one in decisions] == [(2.75, "accept"), (6.75, "reject")]
        for one in decisions:
            assert 100 <= one["sound_ms"] < 400
            assert one["delay_ms"] == pytest.approx(one["sound_ms"] + one["compute_ms"], abs=0.01)


class Reader(HTMLParser):
    """Notes what a page would fetch or run, and its text."""

    def __init__(self):
        super().__init__()
        self.bad, self.texts, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag == "script" or {"src", "href"} & {name for name, _ in attrs}:
            self.bad.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip() and "style" not in self.open:
            self.texts.append(data.strip())


def test_the_page_needs_nothing_and_ends_with_the_remark(measured):
    reader = Reader()
    text = (measured / "a.html").read_text()
    reader.feed(text)
    assert reader.bad == []
    assert reader.open == []
    assert reader.texts[-1] == REMARK
    assert "ARM" in REMARK
    assert text.count("<svg") == 2 * len(read(measured / "a.json")["runs"])


def test_what_a_machine_says_of_itself_is_text_on_the_page(measured):
    found = {**read(measured / "a.json"), "starts": []}
    found["machine"]["board"] = "<script>alert(1)</script>"
    reader = Reader()
    reader.feed(page(found))
    assert reader.bad == []


def test_a_machine_of_half_the_speed_takes_twice_as_long(measured, tmp_path, capsys):
    found = read(measured / "a.json")
    for run in found["runs"]:
        for of in run["stages"].values():
            of["p50_us_of_repetitions"] = [2 * value for value in of["p50_us_of_repetitions"]]
    slow = tmp_path / "slow.json"
    slow.write_text(json.dumps(found))
    assert call("--json", "--compare", measured / "a.json", slow) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["stage"] for row in rows} == set(STAGES)
    for row in rows:
        assert row["ratio"] == pytest.approx(2)
        assert row["low"] <= 2 <= row["high"]


def test_machines_with_different_bundles_are_not_compared(measured):
    first, second = (read(measured / "a.json") for _ in range(2))
    second["bundle"]["sha256"] = "0" * 64
    with pytest.raises(DataError, match="expected the same in both"):
        compare(first, second)


def test_machines_with_different_interpreters_are_compared_by_name(measured):
    first, second = (read(measured / "a.json") for _ in range(2))
    first["runs"], second["runs"] = first["runs"][:1], second["runs"][:1]
    first["runs"][0]["interpreter"], second["runs"][0]["interpreter"] = "litert", "tflite"
    assert {row["interpreter"] for row in compare(first, second)} == {"litert / tflite"}


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"format": "vivavoce-bench-2", "runs": []}', '{"format": "vivavoce-bench-1"}',
        '{"format": "vivavoce-bench-1", "runs": [{"interpreter": "litert", "stages": {}}]}',
        '{"format": "vivavoce-bench-1", "runs": [{"interpreter": "litert", "stages": {"wake": 3}}]}',
        *(
            '{"format": "vivavoce-bench-1", "runs": [{"interpreter": "litert", "stages": '
            f'{{"wake": {{"p50_us_of_repetitions": {bad}}}}}}}]}}'
            for bad in ("[]", "[0]", "[-1]", "[NaN]", "[1e999]", '["1"]', "[true]", "3")
        ),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_results_is_told_in_one_line(tmp_path, text):
    path = tmp_path / "sent.json"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        read(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "none.json")


@pytest.mark.parametrize("words", [("--repetitions", 0), ("--repetitions", 10**6), ("--core", 10**6), ("--core", -1)])
def test_a_call_that_cannot_work_is_told_before_anything_is_measured(words, monkeypatch):
    monkeypatch.setattr("edge.bench.measuring.measure", lambda *_, **__: pytest.fail("measured"))
    with pytest.raises(UsageError, match=str(words[0])):
        call(*words)


def test_a_folder_is_no_file_to_write(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.bench.measuring.measure", lambda *_, **__: pytest.fail("measured"))
    with pytest.raises(UsageError, match="folder"):
        call("-o", tmp_path)


def test_two_results_are_not_written_into_one_file(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.bench.measuring.measure", lambda *_, **__: pytest.fail("measured"))
    with pytest.raises(UsageError, match="--page"):
        call("-o", tmp_path / "a", "--page", tmp_path / "a")


def test_an_interpreter_goes_first_as_often_as_last(monkeypatch):
    order = []

    class Fake:
        seconds = 1.0

        def __init__(self, bundle, scene, runtime):
            self.runtime = runtime

        def once(self):
            order.append(self.runtime)
            return {"push": [1000]}, {"wall_s": 0.1, "cpu_s": 0.1, "decisions": []}

    monkeypatch.setattr("edge.bench.measuring.Bench", Fake)
    allowed = os.sched_getaffinity(0)
    found = measure(open_bundle(), runtimes=("litert", "tflite"), repetitions=4)
    # The first round warms up, and does not count.
    assert order[2:] == ["litert", "tflite", "tflite", "litert"] * 2
    assert [len(run["real_time_factors"]) for run in found["runs"]] == [4, 4]
    assert os.sched_getaffinity(0) == allowed


def test_a_start_is_measured_and_a_failing_one_is_told(tmp_path):
    bundle = open_bundle()
    runtime = usable_runtimes(bundle)[0]
    (found,) = starts(bundle.path, [runtime], warm=1, cold=False)
    assert (found["kind"], len(found["seconds"])) == ("warm", 1)
    assert found["peak_rss_kib"] > 10_000
    (failed,) = starts(tmp_path / "none", [runtime], warm=1, cold=False)
    assert "none" in failed["fault"]


def check(value, schema, path="$"):
    """Check a value against the few words of JSON Schema that ours uses."""
    kinds = {
        "object": dict, "array": list, "string": str, "null": type(None), "integer": int, "number": (int, float),
    }  # fmt: skip
    wanted = schema.get("type", [])
    wanted = [wanted] if isinstance(wanted, str) else wanted
    assert not wanted or any(isinstance(value, kinds[kind]) for kind in wanted), f"{path}: {value!r:.40}"
    assert value == schema.get("const", value), path
    if isinstance(value, dict):
        missing = set(schema.get("required", ())) - set(value)
        assert not missing, f"{path}: {missing}"
        known = schema.get("properties", {})
        other = schema.get("additionalProperties", {})
        for name, one in value.items():
            assert name in known or other is not False, f"{path}.{name} is not in the schema"
            check(one, known.get(name, other), f"{path}.{name}")
    if isinstance(value, list):
        for one in value:
            check(one, schema.get("items", {}), f"{path}[]")


def test_what_is_written_is_what_the_schema_says(measured):
    schema = json.loads((ROOT / "docs/benchmarks/schema.json").read_text())
    found = read(measured / "a.json")
    check(found, schema)
    for name in schema["required"]:
        with pytest.raises(AssertionError):
            check({key: value for key, value in found.items() if key != name}, schema)
    with pytest.raises(AssertionError):
        check({**found, "new": 1}, schema)


def test_a_table_has_a_line_for_each_interpreter_and_nothing_of_a_sender_leaves_its_cell(measured, tmp_path, capsys):
    found = read(measured / "a.json")
    found["machine"]["board"] = "Board | <b>\n| evil"
    sent = tmp_path / "sent.json"
    sent.write_text(json.dumps(found))
    assert call("--table", measured / "a.json", sent) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 2 * len(found["runs"])
    assert {line.count("|") for line in lines} == {len(STAGES) + 3}
    assert "<" not in lines[-1]
    medians = found["runs"][-1]["stages"]["push"]["p50_us_of_repetitions"]
    assert lines[-1].endswith(f" {sum(medians) / 2:.1f} |")


def test_a_table_and_a_comparison_are_two_calls(measured):
    one = measured / "a.json"
    with pytest.raises(UsageError, match="--table"):
        call("--table", one, "--compare", one, one)


def test_a_disk_that_refuses_does_not_cost_the_measurement(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        call("--repetitions", 1, "--no-starts", "--json", "-o", tmp_path / "file" / "a.json")
    assert json.loads(capsys.readouterr().out)["event"] == "bench"
