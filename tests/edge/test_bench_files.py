"""Files of results: comparisons, tables, and what somebody sent that is none."""

import json
import math
import re
from pathlib import Path

import pytest
from benching import TWO, call, measured_into, stages_of

from edge.bench.comparing import NOT_RECORDED, compare, differences, read
from edge.bench.stages import FORMAT, STAGES
from edge.bench.table import table
from edge.bundle import open_bundle
from edge.errors import DataError, UsageError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return measured_into(tmp_path_factory.mktemp("bench"))


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
    stages = set(stages_of(open_bundle()))
    threaded = {f"{stage}, 2 threads" for stage in stages & {"verifier", "liveness", "decision"} if TWO == "1,2"}
    assert {row["stage"] for row in rows} == stages | threaded | {"real-time factor"}
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
        "null", pytest.param(f"[{', '.join(['1'] * 1001)}]", id="more than are made"), "[5e-324]", "[[1]]", "{}",
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


@pytest.mark.parametrize("key", ["interpreter", "numbers", "wake_run_by", "stages", "threads", "real_time_factors"])
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


def without_runner(found):
    """Turn results into what the format before this one had of them."""
    found["format"] = "vivavoce-bench-2"
    for run in found["runs"]:
        del run["wake_run_by"]
    return found


def test_a_file_that_does_not_say_who_ran_the_wake_network_is_still_good_for_the_rest(measured, tmp_path, capsys):
    path, here = tmp_path / "old.json", measured / "a.json"
    path.write_text(json.dumps(without_runner(read(here))))
    told = [{key: one[key] for key in ("what", "a", "b")} for one in differences(read(path), read(here))]
    ran = [run["wake_run_by"] for run in read(here)["runs"]]
    assert told == [{"what": "wake network run by", "a": NOT_RECORDED, "b": one} for one in ran]
    assert {row["ratio"] for row in compare(read(here), read(path))} == {1.0}
    assert call("--table", path, here) == 0
    rows = [line.split("|")[6].strip() for line in capsys.readouterr().out.splitlines()]
    assert rows == ["wake by", "---", *[NOT_RECORDED] * len(ran), *ran]


@pytest.mark.parametrize("odd", [None, 3, "", "somebody", ["kernel"], True])
@pytest.mark.parametrize("old", [False, True])
def test_nobody_else_runs_a_wake_network(measured, tmp_path, odd, old):
    found = read(measured / "a.json")
    found = without_runner(found) if old else found
    found["runs"][0]["wake_run_by"] = odd
    path = tmp_path / "sent.json"
    path.write_text(json.dumps(found))
    with pytest.raises(DataError, match=re.escape("runs[0].wake_run_by: got ")):
        read(path)


def test_a_comparison_says_in_what_else_two_files_differ(measured, tmp_path, capsys):
    here = measured / "a.json"
    assert call("--compare", here, here) == 0
    assert "differ" not in capsys.readouterr().out
    found = read(here)
    found["environments"][0]["versions"]["vivavoce"] = "9.9"
    found["environments"][0]["python"] = "PyPy 3"
    found["runs"][0]["wake_run_by"] = "interpreter"
    other = tmp_path / "other.json"
    other.write_text(json.dumps(found))
    assert call("--compare", here, other) == 0
    said = capsys.readouterr().out
    name = f"{found['runs'][0]['interpreter']} int8"
    ours = read(here)["environments"][0]
    for what, a, b in (
        ("vivavoce", ours["versions"]["vivavoce"], "9.9"), ("python", ours["python"], "PyPy 3"),
        ("wake network run by", "kernel", "interpreter"),
    ):  # fmt: skip
        assert re.search(rf"^{name} +{what} +{re.escape(a)} +{re.escape(b)}$", said, re.MULTILINE), what
    assert call("--json", "--compare", other, here) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first == {
        "event": "difference", "interpreter": name, "what": "vivavoce", "a": "9.9", "b": ours["versions"]["vivavoce"],
    }  # fmt: skip


@pytest.mark.parametrize("odd", [None, 3, [], {}, [3], [{}], [{"versions": 3}], [{"versions": {"vivavoce": [1]}}]])
def test_environments_that_are_none_are_not_recorded(measured, odd):
    found = read(measured / "a.json")
    found["environments"] = odd
    told = differences(found, read(measured / "a.json"))
    assert {one["a"] for one in told} == {NOT_RECORDED}
    assert {one["what"] for one in told} == {"vivavoce", "python", "numpy"}


EVIL = "a\x1b[2J\u202eb\x07"


def test_nothing_of_a_file_is_acted_on_by_a_terminal(measured, tmp_path, capsys):
    here, sent = measured / "a.json", tmp_path / "sent.json"
    found = read(here)
    found["environments"][0]["versions"]["vivavoce"] = found["environments"][0]["python"] = EVIL
    found["date"] = EVIL
    sent.write_text(json.dumps(found))
    assert call("--compare", here, sent) == 0
    assert call("--table", sent) == 0
    shown = capsys.readouterr().out
    assert not set(EVIL) & set(shown) - set("ab[2J")
    assert "\\u001b" in shown
    for place, entry in (
        (("runs", 0), "interpreter"),
        (("runs", 0), "numbers"),
        (("bundle",), "sha256"),
        ((), "format"),
    ):
        found = read(here)
        held = found
        for key in place:
            held = held[key]
        held[entry] = f"vivavoce-bench-{EVIL}"
        sent.write_text(json.dumps(found))
        with pytest.raises(DataError) as error:
            compare(read(here), read(sent))
        assert str(error.value).isprintable()


@pytest.mark.parametrize("odd", [None, 3, [], {}, {"sha256": None}, {"sha256": 3}])
def test_a_file_that_does_not_say_which_bundle_it_measured_is_not_compared(measured, odd):
    found = read(measured / "a.json")
    found["bundle"] = odd
    with pytest.raises(DataError, match=r"bundle.sha256: got .* in B"):
        compare(read(measured / "a.json"), found)


@pytest.mark.parametrize("odd", [0, -1, 10**400, 1.0, True, "2", None])
def test_a_number_of_threads_is_one(measured, tmp_path, odd):
    found = read(measured / "a.json")
    stages = found["runs"][0]["stages"]
    path = tmp_path / "sent.json"
    for threads in ([{"threads": odd, "stages": stages}], [{"threads": 2, "stages": stages}] * 2):
        found["runs"][0]["threads"] = threads
        path.write_text(json.dumps(found))
        with pytest.raises(DataError, match=re.escape("runs[0].threads: ")):
            read(path)


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


def check(value, schema, path="$"):
    """Check a value against the few words of JSON Schema that ours uses."""
    kinds = {
        "object": dict, "array": list, "string": str, "null": type(None), "integer": int, "number": (int, float),
    }  # fmt: skip
    wanted = schema.get("type", [])
    wanted = [wanted] if isinstance(wanted, str) else wanted
    assert not wanted or any(isinstance(value, kinds[kind]) for kind in wanted), f"{path}: {value!r:.40}"
    assert value == schema.get("const", value), path
    assert value in schema.get("enum", [value]), path
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
    found["runs"][0]["wake_run_by"] = "somebody"
    with pytest.raises(AssertionError, match="wake_run_by"):
        check(found, schema)


def test_a_table_has_a_line_for_each_interpreter_and_nothing_of_a_sender_leaves_its_cell(measured, tmp_path, capsys):
    found = read(measured / "a.json")
    found["machine"]["board"] = "Board | <b>\n| evil"
    sent = tmp_path / "sent.json"
    sent.write_text(json.dumps(found))
    assert call("--table", measured / "a.json", sent) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 2 * len(found["runs"])
    assert {line.count("|") for line in lines} == {len(STAGES) + 10}
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
