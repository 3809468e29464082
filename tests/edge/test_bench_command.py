"""``vivavoce bench``: a measurement from end to end, its page, comparisons, and files that are no results."""

import argparse
import json
import math
import os
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from edge.bench.comparing import compare, read
from edge.bench.elsewhere import Elsewhere
from edge.bench.measuring import measure
from edge.bench.networks import float_twin, usable_runtimes
from edge.bench.page import REMARK, page
from edge.bench.stages import FORMAT, STAGES
from edge.bench.starting import starts
from edge.bench.table import table
from edge.bundle import open_bundle
from edge.commands import bench
from edge.errors import DataError, ModelAbiError, UsageError

ROOT = Path(__file__).parents[2]
TWO = "1,2" if len(os.sched_getaffinity(0)) > 1 else "1"
"""Threads that this machine has the cores for."""


def call(*words):
    parser = argparse.ArgumentParser()
    bench.configure(parser)
    return bench.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    assert (
        call("--repetitions", 2, "--no-starts", "--threads", TWO, "-o", folder / "a.json", "--page", folder / "a.html")
        == 0
    )
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
            assert one["start_s"] < one["end_s"] < one["heard_s"] < one["decided_s"]
            assert 0 < one["judging_ms"] < one["compute_ms"]
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
    # Of each: bars of the stages, the distribution, the pushes, and two of a decision.
    assert text.count("<svg") == 5 * len(read(measured / "a.json")["runs"])


def test_what_a_machine_says_of_itself_is_text_on_the_page(measured):
    found = {**read(measured / "a.json"), "starts": []}
    found["machine"]["board"] = "<script>alert(1)</script>"
    reader = Reader()
    reader.feed(page(found))
    assert reader.bad == []


def test_a_machine_of_half_the_speed_takes_twice_as_long(measured, tmp_path, capsys):
    found = read(measured / "a.json")
    for run in found["runs"]:
        for one in [run, *run["threads"]]:
            for of in one["stages"].values():
                of["p50_us_of_repetitions"] = [2 * value for value in of["p50_us_of_repetitions"]]
        run["real_time_factors"] = [2 * value for value in run["real_time_factors"]]
    slow = tmp_path / "slow.json"
    slow.write_text(json.dumps(found))
    assert call("--json", "--compare", measured / "a.json", slow) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    threaded = {f"{stage}, 2 threads" for stage in ("liveness", "decision")} if TWO == "1,2" else set()
    assert {row["stage"] for row in rows} == {*STAGES, "real-time factor", *threaded}
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
    assert {row["interpreter"] for row in compare(first, second)} == {"litert int8 / tflite int8"}


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"format": "vivavoce-bench-1", "runs": []}', '{"format": "other"}',
        f'{{"format": "{FORMAT}"}}',
        *(f'{{"format": "{FORMAT}", "runs": {bad}}}' for bad in ("[]", "[3]", "{}", "null", "[{}]")),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_results_is_told_in_one_line(tmp_path, text):
    path = tmp_path / "sent.json"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        read(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "bad",
    [
        "[]", "[0]", "[-1]", "[NaN]", pytest.param(f"[1{400 * '0'}]", id="huge"), "[1e999]", '["1"]', "[true]", "3",
        "null",
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["stages", "threads", "real_time_factors"])
def test_figures_that_are_none_are_told_with_their_place(measured, tmp_path, where, bad):
    found = read(measured / "a.json")
    run = found["runs"][-1]
    run["threads"] = [{"threads": 2, "stages": json.loads(json.dumps(run["stages"]))}]
    if where == "real_time_factors":
        run[where] = json.loads(bad)
    else:
        stages = run["stages"] if where == "stages" else run["threads"][0]["stages"]
        stages["wake"]["p50_us_of_repetitions"] = json.loads(bad)
    path = tmp_path / "sent.json"
    path.write_text(json.dumps(found))
    with pytest.raises(DataError, match=re.escape(f"{path}: runs[{len(found['runs']) - 1}].{where}: ")):
        read(path)


@pytest.mark.parametrize("key", ["interpreter", "numbers", "stages", "threads", "real_time_factors"])
def test_an_entry_that_is_missing_is_told_by_its_name(measured, tmp_path, key):
    found = read(measured / "a.json")
    del found["runs"][0][key]
    path = tmp_path / "sent.json"
    path.write_text(json.dumps(found))
    with pytest.raises(DataError, match=re.escape(f"runs[0].{key}: ")):
        read(path)


def test_a_file_that_was_cut_short_is_told_wherever_it_was_cut(measured, tmp_path):
    whole = (measured / "a.json").read_bytes().rstrip()
    path = tmp_path / "sent.json"
    for size in range(0, len(whole), max(len(whole) // 40, 1)):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match="not JSON"):
            read(path)


def test_a_file_of_another_version_says_what_to_do(measured, tmp_path, capsys):
    found = read(measured / "a.json")
    found["format"] = "vivavoce-bench-1"
    path = tmp_path / "old.json"
    path.write_text(json.dumps(found))
    for words in (("--compare", measured / "a.json", path), ("--table", path)):
        with pytest.raises(DataError, match="another version of vivavoce wrote it; measure again"):
            call(*words)
    assert capsys.readouterr().out == ""


def test_a_file_with_an_interpreter_twice_is_damaged(measured, tmp_path):
    found = read(measured / "a.json")
    found["runs"].append(found["runs"][0])
    path = tmp_path / "sent.json"
    path.write_text(json.dumps(found))
    with pytest.raises(DataError, match="expected each once"):
        read(path)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "none.json")


@pytest.mark.parametrize(
    "words",
    [
        ("--repetitions", 0), ("--repetitions", 10**6), ("--core", 10**6), ("--core", -1), ("--threads", 0),
        ("--threads", "1,x"), ("--threads", ""), ("--threads", 10**6), ("--threads", "1,,2"), ("--threads", -1),
    ],
)  # fmt: skip
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
        numbers = "int8"

        def __init__(self, interpreter):
            self.interpreter = interpreter

        def once(self):
            order.append(self.interpreter)
            return {
                "durations": {"push": [1000]}, "threads": {}, "wall_s": 0.1, "cpu_s": 0.1, "decisions": [],
                "peak_rss_kib": None,
            }  # fmt: skip

    monkeypatch.setattr("edge.bench.measuring.benches_here", lambda _, runtimes, **__: [Fake(one) for one in runtimes])
    allowed = os.sched_getaffinity(0)
    found = measure(open_bundle(), runtimes=("litert", "tflite"), repetitions=4)
    # The first round warms up, and does not count.
    assert order[2:] == ["litert", "tflite", "tflite", "litert"] * 2
    assert [len(run["real_time_factors"]) for run in found["runs"]] == [4, 4]
    assert os.sched_getaffinity(0) == allowed


@pytest.mark.parametrize(("once_s", "expected"), [(0.1, 20), (4.5, 10), (1000.0, 3)])
def test_a_slow_machine_measures_less_often_and_says_so_before(monkeypatch, once_s, expected):
    now = [0.0]

    class Fake:
        interpreter, numbers = "litert", "int8"

        def once(self):
            now[0] += once_s
            return {
                "durations": {"push": [1000]}, "threads": {}, "wall_s": 0.1, "cpu_s": 0.1, "decisions": [],
                "peak_rss_kib": None,
            }  # fmt: skip

    plans = []
    monkeypatch.setattr("edge.bench.measuring.benches_here", lambda *_, **__: [Fake()])
    monkeypatch.setattr("edge.bench.measuring.time.perf_counter", lambda: now[0])
    found = measure(open_bundle(), runtimes=("litert",), threads=(2,), planned=plans.append)
    assert found["repetitions"] == expected
    ((runs, threads, repetitions, seconds),) = plans
    assert (runs, threads, repetitions) == (("litert int8",), (1, 2), expected)
    assert seconds == pytest.approx(expected * once_s)


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
    assert {line.count("|") for line in lines} == {len(STAGES) + 8}
    assert "<" not in lines[-1]
    run = found["runs"][-1]
    medians = run["stages"]["decision"]["p50_us_of_repetitions"]
    delay = max(one["delay_ms"] for one in run["decisions"])
    share = run["cpu_percent"]
    assert lines[-1].endswith(f" {sum(medians) / 2:.1f} | {share:.2f} | {delay:.0f} |")


@pytest.mark.parametrize("odd", [None, 3, "x", True, [], {}, math.nan, math.inf, pytest.param(10**400, id="huge")])
@pytest.mark.parametrize("key", ["machine", "before", "date", "bundle", "decisions", "cpu_percent"])
def test_what_a_sender_left_out_or_wrote_oddly_costs_its_cell_only(measured, tmp_path, key, odd):
    found = read(measured / "a.json")
    (found["runs"][-1] if key in ("decisions", "cpu_percent") else found)[key] = odd
    for run in found["runs"]:
        run["decisions"] = [{"delay_ms": odd}, odd] if key == "decisions" else run["decisions"]
    found["before"] = {"load_1min": odd} if key == "before" else found["before"]
    sent = tmp_path / "sent.json"
    sent.write_text(json.dumps(found))
    whole, lines = (table([path]).splitlines() for path in (measured / "a.json", sent))
    assert [line.count("|") for line in lines] == [line.count("|") for line in whole]
    cells = [line.split("|") for line in (whole[-1], lines[-1])]
    assert sum(a != b for a, b in zip(*cells, strict=True)) == 1


def test_a_table_and_a_comparison_are_two_calls(measured):
    one = measured / "a.json"
    with pytest.raises(UsageError, match="--table"):
        call("--table", one, "--compare", one, one)


def test_a_disk_that_refuses_does_not_cost_the_measurement(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        call("--repetitions", 1, "--no-starts", "--json", "-o", tmp_path / "file" / "a.json")
    assert json.loads(capsys.readouterr().out)["event"] == "bench"


def test_threads_are_measured_beside_one(measured):
    for run in read(measured / "a.json")["runs"]:
        assert [one["threads"] for one in run["threads"]] == ([2] if TWO == "1,2" else [])
        for one in run["threads"]:
            assert list(one["stages"]) == ["liveness", "decision"]
            assert one["stages"]["liveness"]["n"] == run["stages"]["liveness"]["n"]
            assert one["stages"]["decision"]["n"] == run["stages"]["decision"]["n"] == 4


def test_every_push_of_the_scene_has_its_place_on_the_timeline(measured):
    found = read(measured / "a.json")
    sound = found["sound"]
    for run in found["runs"]:
        assert len(run["pushes_us"]) == len(sound["levels_dbfs"]) == 900
        for one in run["decisions"]:
            # The very push that decided, which ends or begins with the sample that was waited for.
            at = round(one["decided_s"] * 1000 / sound["step_ms"])
            assert pytest.approx(1e3 * one["compute_ms"], abs=1) in run["pushes_us"][at - 1 : at + 1]


def folder_of_floats(root, bundle):
    """Lay out checkpoints whose networks are the bundle's own."""
    for role, name in (("wake", bundle.wake.file), ("liveness", bundle.liveness.file)):
        (root / role).mkdir(parents=True)
        (root / role / "model_float.tflite").write_bytes(bundle.content(name))
    return root


def test_float_networks_that_are_none_are_told(tmp_path):
    bundle = open_bundle()
    with pytest.raises(DataError, match=r"wake/model_float.tflite: cannot be read"):
        float_twin(bundle, tmp_path)
    with pytest.raises(UsageError, match="got inputs of int8, expected float32"):
        float_twin(bundle, folder_of_floats(tmp_path, bundle))
    (tmp_path / "wake/model_float.tflite").write_bytes(b"none")
    with pytest.raises(ModelAbiError):
        float_twin(bundle, tmp_path)


@pytest.fixture
def other_environment(tmp_path, monkeypatch):
    """Return a Python that is this one under another name, and finds this package."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return python


def test_another_environment_measures_the_same_things(other_environment):
    bundle = open_bundle()
    there = Elsewhere(other_environment, bundle)
    try:
        assert [bench.interpreter for bench in there.benches] == list(usable_runtimes(bundle))
        assert "numpy" in there.environment["versions"]
        found = there.benches[0].once()
        assert set(found["durations"]) == set(STAGES)
        assert len(found["durations"]["push"]) == 900
        assert [one["decision"] for one in found["decisions"]] == ["accept", "reject"]
    finally:
        there.close()


def test_another_environment_must_have_another_interpreter(other_environment):
    bundle = open_bundle()
    with pytest.raises(UsageError, match="no interpreter that is not measured already"):
        Elsewhere(other_environment, bundle, known=usable_runtimes(bundle))


def test_a_fault_there_is_told_as_one_here(other_environment, tmp_path):
    with pytest.raises(UsageError, match=r"model_float.tflite: cannot be read"):
        Elsewhere(other_environment, open_bundle(), floats=tmp_path)


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("exit 3", "ended with code 3"),
        ("echo no such module >&2; exit 1", "no such module"),
        ("echo hello", "not JSON"),
        ("echo [1]", "expected an object"),
        ("echo {}", "expected 'vivavoce-bench-2'"),
        (f'echo \'{{"format": "{FORMAT}"}}\'', "another bundle"),
    ],
)
def test_a_python_that_cannot_measure_is_told_in_one_line(tmp_path, program, told):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{program}\n")
    python.chmod(0o755)
    with pytest.raises((UsageError, DataError)) as error:
        Elsewhere(python, open_bundle())
    assert told in str(error.value)
    assert str(python) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_python_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="cannot be started"):
        Elsewhere(tmp_path / "none", open_bundle())


def test_one_that_hangs_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.bench.elsewhere._TIMEOUT_S", 0.2)
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec {shutil.which('sleep')} 600\n")
    python.chmod(0o755)
    with pytest.raises(DataError, match="gave no answer"):
        Elsewhere(python, open_bundle())


def test_a_machine_that_is_busy_is_told_of(monkeypatch, capsys):
    def measured(*_, **__):
        raise UsageError("enough")

    monkeypatch.setattr("edge.bench.measuring.measure", measured)
    for load in (0.2, 3.0):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        with pytest.raises(UsageError, match="enough"):
            call()
        assert ("load: got 3.0" in capsys.readouterr().err) == (load > 1)


def test_kernels_are_compiled_in_one_environment_only(monkeypatch):
    asked = []

    def started(bundle, names, *, python, cold):
        asked.append((python, names, cold))
        return []

    monkeypatch.setattr("edge.bench.starting.starts", started)
    runs = [
        {"environment": place, "interpreter": name} for place, name in ((0, "litert"), (0, "litert"), (1, "tflite"))
    ]
    other = Path("python")
    bench._starts(Path("bundle"), runs, [other])
    assert asked == [(None, ["litert"], True), (other, ["tflite"], False)]
