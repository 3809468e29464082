"""The contract of the task: read strictly, and held against results without mercy or favour."""

import json
import tomllib

import pytest

from edge.bundle import open_bundle
from edge.bundle_identity import bundle_hash
from edge.cli import main
from edge.errors import DataError
from train.judging import judge, judgement, read_existing
from train.task import DEFAULT_TASK, load_task

TASK = """
[task]
name = "small"
version = "3"
question = "Who spoke?"
[inputs]
sample_rate_hz = 16000
channels = 1
sample_type = "int16"
what = "a stream"
judged = "a second"
[classes]
live = "a person"
replay = "a loudspeaker"
[device]
what = "a board"
bundle_bytes = 1000
[quantisation]
max_rms_share = 0.1
min_agreement = 0.9
[cutoffs]
false_accepts_per_hour = 1
live_refused = 0.1
live_rejected = 0.05
[protocol]
most_off_chance = 0.1
most_on_leak = 0.2
most_distance = 0.3
distance_clips = 40
stratum_clips = 50
[measures.refused]
title = "refused"
unit = "share"
direction = "at_most"
limit = 0.05
evidence = "simulated"
split = "test"
file = "live_{split}.json"
value = "all.bpcer"
interval = ["all.interval"]
n = "all.clips"
counted = "clips"
why = "asked for"
[measures.worst]
title = "accepted, worst"
unit = "share"
direction = "at_most"
limit = 0.2
evidence = "simulated"
split = "test"
file = "live_{split}.json"
value = "kinds.*.apcer"
n = "kinds.*.replay"
counted = "replays"
why = "asked for"
[measures.worst_word]
title = "heard, worst word"
unit = "share"
direction = "at_least"
limit = 0.8
evidence = "real"
split = "test"
file = "live_{split}.json"
value = "words.*.rate"
counted = "clips"
why = "asked for"
[measures.work]
title = "work"
unit = "ms"
direction = "at_most"
limit = 2
evidence = "machine"
file = "bench.json"
value = "wall_us.p99"
interval = ["", "wall_us.max"]
factor = 1e-3
counted = "runs"
why = "asked for"
[[existing]]
name = "other"
what = "refused"
by = "them"
figure = "7 %"
conditions = "elsewhere"
source = "a paper"
"""

LIVE = {
    "all": {"bpcer": 0.05, "interval": [0.03, 0.07], "clips": 400},
    "kinds": {"phone": {"apcer": 0.1, "replay": 30}, "hifi": {"apcer": 0.9, "replay": 20}, "tv 4.1": {"apcer": 0.95}},
    "words": {"alexa": {"rate": 0.95}, "jarvis": {"rate": 0.5}, "snowboy": {"rate": 0.9}},
}


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a task, with pieces of its text replaced."""

    def make(*changes):
        text = TASK
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "task.toml"
        path.write_text(text)
        return path

    return make


@pytest.fixture
def results(tmp_path):
    """Return a folder with results of test, and of a benchmark."""
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "live_test.json").write_text(json.dumps(LIVE))
    (folder / "bench.json").write_text(json.dumps({"wall_us": {"p99": 1500, "max": 2500}}))
    return folder


def by_id(verdicts):
    return {verdict.id: verdict for verdict in verdicts}


# ------------------------------------------------------------------------------------------------------------- judging


def test_values_are_held_against_limits(write, results):
    found = by_id(judge(load_task(write()), results))
    assert {name: verdict.state for name, verdict in found.items()} == {
        "refused": "met",
        "worst": "missed",
        "worst_word": "missed",
        "work": "met",
    }
    refused, worst, word, work = found.values()
    assert (refused.measured, refused.interval, refused.n) == (0.05, (0.03, 0.07), 400)  # the limit itself keeps it
    assert refused.certain is False
    assert refused.shown_state() == "met, the interval reaches over it"
    assert (worst.measured, worst.n, worst.of, worst.certain) == (0.95, None, "tv 4.1", None)
    assert (word.measured, word.of, word.n) == (0.5, "jarvis", None)
    assert (work.measured, work.interval, work.certain) == (1.5, (None, 2.5), False)
    assert work.shown_value() == "1.5 ms (up to 2.5)"
    assert refused.shown_value() == "5.0 % (3.0-7.0)"
    assert worst.told() == "accepted, worst 95.0 % (at most 20 %; simulated)"
    assert word.told() == "heard, worst word 50.0 % (at least 80 %)"


@pytest.mark.parametrize(
    ("direction", "value", "interval", "state", "certain"),
    [
        ("at_most", 0.04, [0.03, 0.05], "met", True),
        ("at_most", 0.04, [0.03, 0.06], "met", False),
        ("at_most", 0.06, [0.04, 0.09], "missed", False),
        ("at_most", 0.06, [0.051, 0.09], "missed", True),
        ("at_least", 0.04, [0.01, 0.05], "missed", False),
        ("at_least", 0.04, [0.01, 0.049], "missed", True),
        ("at_least", 0.06, [0.05, 0.9], "met", True),
        ("at_least", 0.06, [0.04, 0.9], "met", False),
        ("at_most", 0.0500001, [0.05, 0.06], "missed", False),
    ],
)
def test_the_end_that_matters_makes_it_certain(write, results, direction, value, interval, state, certain):
    body = LIVE | {"all": {"bpcer": value, "interval": interval}}
    (results / "live_test.json").write_text(json.dumps(body))
    found = judge(load_task(write(('direction = "at_most"', f'direction = "{direction}"'))), results)[0]
    assert (found.state, found.certain) == (state, certain)


def test_nothing_measured_is_no_verdict(write, results):
    (results / "bench.json").unlink()
    (results / "live_test.json").write_text(json.dumps({"all": {"eer": 0.1}, "kinds": {}}))
    found = judge(load_task(write()), results)
    assert {verdict.state for verdict in found} == {"not measured"}
    assert [verdict.reason for verdict in found] == [
        "live_test.json has no all.bpcer",
        "live_test.json has no kinds.*.apcer",
        "live_test.json has no words.*.rate",
        "there is no bench.json",
    ]
    assert {(verdict.met, verdict.source, verdict.certain) for verdict in found} == {(None, None, None)}


def test_the_mean_of_nothing_is_nothing(write, results):
    nan = float("nan")
    nothing = {"all": {"bpcer": nan, "interval": [nan, nan], "clips": 0}}
    (results / "live_test.json").write_text(json.dumps(nothing))
    assert judge(load_task(write()), results)[0].state == "not measured"
    (results / "live_test.json").write_text(json.dumps({"all": {"bpcer": 0.1, "interval": [nan, nan]}}))
    assert judge(load_task(write()), results)[0].interval is None


@pytest.mark.parametrize("state", ["part of it", "other data", "other recipe", "other samples"])
def test_figures_of_another_set_are_not_measured(write, results, state):
    task = load_task(write(('figure = "7 %"', 'file = "live_test.json"\nvalue = "all.bpcer"\nunit = "share"')))
    named = {"clips": 4000, "sha256": "a" * 64}
    (results / "live_test.json").write_text(json.dumps(LIVE | {"set": named | {"state": state}}))
    found = by_id(judge(task, results))
    told = f"live_test.json was not measured on the frozen set ({state})"
    assert [(found[name].state, found[name].reason) for name in ("refused", "worst")] == [("not measured", told)] * 2
    assert found["worst_word"].measured == 0.5, "real recordings are none of the set"
    assert found["work"].measured is not None
    assert read_existing(task.existing[0], results) == f"not measured ({told})"
    for same in ("frozen", "rounded otherwise"):
        (results / "live_test.json").write_text(json.dumps(LIVE | {"set": named | {"state": same}}))
        assert by_id(judge(task, results))["refused"].met
        assert read_existing(task.existing[0], results) == "5.0 %"


def test_another_split_is_read_where_there_are_splits(write, results):
    (results / "live_dev.json").write_text(json.dumps({"all": {"bpcer": 0.5}}))
    found = by_id(judge(load_task(write()), results, split="dev"))
    assert (found["refused"].measured, found["refused"].source) == (0.5, "live_dev.json")
    assert found["work"].source == "bench.json"


def test_results_of_another_bundle_say_nothing_of_this_one(write, results):
    (results / "live_test.json").write_text(json.dumps(LIVE | {"bundle_sha256": "a" * 64}))
    ours = by_id(judge(load_task(write()), results, bundle_sha256="a" * 64))
    assert ours["refused"].met
    other = by_id(judge(load_task(write()), results, bundle_sha256="b" * 64))
    assert other["refused"].state == "not measured"
    assert other["refused"].reason == "live_test.json is about another bundle, aaaaaaaaaaaa"
    assert other["work"].met, "a benchmark is about the program"


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"all": {"bpcer": "5 %"}}, 'all.bpcer: got "5 %", expected a share'),
        ({"all": {"bpcer": True}}, "all.bpcer: got true"),
        ({"all": {"bpcer": 5.0}}, "all.bpcer: got 5.0, expected a share from 0 to 1"),
        ({"all": {"bpcer": -0.1}}, "all.bpcer: got -0.1"),
        ({"all": {"bpcer": 10**400}}, "all.bpcer: got a number, expected a share"),
        ({"all": {"bpcer": float("inf")}}, "all.bpcer: got Infinity"),
        ({"all": {"bpcer": float("nan")}}, "all.bpcer: got NaN"),
        ({"all": {"bpcer": float("nan"), "clips": 400}}, "all.bpcer: got NaN"),
        ({"kinds": {"tv": {"apcer": float("nan"), "replay": 3}}}, "kinds.tv.apcer: got NaN"),
        ({"words": {"alexa": {"rate": float("nan")}}}, "words.alexa.rate: got NaN"),
        ({"set": "frozen", **LIVE}, 'set: got "frozen", expected an object'),
        ({"set": {"state": None}, **LIVE}, "set: got .*, expected an object"),
        ({"all": {"bpcer": 0.1, "interval": [0.1, float("nan")]}}, "all.interval: got NaN"),
        ({"all": {"bpcer": 0.1, "interval": [0.1]}}, r"all.interval: got \[0.1\], expected two numbers"),
        ({"all": {"bpcer": 0.1, "interval": [0.1, None]}}, "all.interval: got null"),
        ({"all": {"bpcer": 0.1, "clips": "many"}}, 'all.clips: got "many"'),
        ({"kinds": {"tv": {"apcer": []}}}, r"kinds.tv.apcer: got \[\]"),
        ([], "got a list, expected an object"),
    ],
)
def test_results_that_are_no_numbers_are_refused(write, results, body, shown):
    (results / "live_test.json").write_text(json.dumps(body))
    with pytest.raises(DataError, match=shown) as caught:
        judge(load_task(write()), results)
    assert str(results / "live_test.json") in str(caught.value)


def test_results_that_are_no_json_are_refused(write, results):
    (results / "bench.json").write_text("{")
    with pytest.raises(DataError, match=r"bench.json: got text that is not JSON"):
        judge(load_task(write()), results)


def test_figures_of_others_are_quoted_or_read(write, results):
    task = load_task(write(('figure = "7 %"', 'file = "live_test.json"\nvalue = "all.bpcer"\nunit = "share"')))
    assert read_existing(task.existing[0], results) == "5.0 %"
    assert read_existing(load_task(write()).existing[0], results) == "7 %"
    (results / "live_test.json").unlink()
    assert read_existing(task.existing[0], results) == "not measured (there is no live_test.json)"


# -------------------------------------------------------------------------------------------------------------- reading


def test_the_file_is_named_by_its_hash(write):
    path = write()
    assert load_task(path).sha256 != load_task(write(("limit = 0.2", "limit = 0.3"))).sha256


def dotted(table, name=""):
    for key, value in table.items():
        yield f"{name}{key}", table, key
        if isinstance(value, dict):
            yield from dotted(value, f"{name}{key}.")
        if isinstance(value, list):
            for i, below in enumerate(value):
                if isinstance(below, dict):
                    yield from dotted(below, f"{name}{key}[{i}].")


def dump(value):
    """Return a value as TOML, in inline tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {dump(below)}" for key, below in value.items()) + "}"
    return "[" + ", ".join(map(dump, value)) + "]" if isinstance(value, list) else json.dumps(value)


OPTIONAL = {"existing", "split", "interval", "n", "factor"}


def test_every_entry_is_needed_and_no_other_allowed(tmp_path, subtests):
    path = tmp_path / "task.toml"
    names = [name for name, _, _ in dotted(tomllib.loads(TASK))]
    assert {"task.name", "measures.worst.value", "existing[0].source", "cutoffs.live_refused"} <= set(names)
    for name in names:
        last = name.rpartition(".")[2]
        with subtests.test(without=name):
            plain = tomllib.loads(TASK)
            table, key = next((table, key) for found, table, key in dotted(plain) if found == name)
            del table[key]
            path.write_text("\n".join(f"{key} = {dump(value)}" for key, value in plain.items()))
            if (name.count(".") == 1 and name.startswith("measures.")) or last in OPTIONAL - {"split"}:
                load_task(path)
            else:
                with pytest.raises(DataError) as caught:
                    load_task(path)
                said = "file" if last == "split" else last
                assert said in str(caught.value)
                assert "\n" not in str(caught.value)
        with subtests.test(beside=name):
            plain = tomllib.loads(TASK)
            table, key = next((table, key) for found, table, key in dotted(plain) if found == name)
            if name.count(".") == 1 and name.startswith("measures."):
                continue
            table[f"{key}x"] = 1
            path.write_text("\n".join(f"{key} = {dump(value)}" for key, value in plain.items()))
            with pytest.raises(DataError) as caught:
                load_task(path)
            assert f"{path}: {name}x is unknown; did you mean {name}?" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("limit = 0.05", "limmit = 0.05", "measures.refused.limmit is unknown; did you mean measures.refused.limit?"),
        ("[device]", "[devise]", "devise is unknown; did you mean device?"),
        ("limit = 0.05", 'limit = "5 %"', "measures.refused.limit: got '5 %', expected a number"),
        ("limit = 0.05", "limit = 5", "measures.refused: limit: got 5.0, expected a share from 0 to 1"),
        ("limit = 0.05", "limit = nan", "measures.refused.limit: got nan"),
        ("limit = 0.05", "limit = true", "measures.refused.limit: got True"),
        ("limit = 0.05", "limit = -0.1", "measures.refused.limit: got -0.1"),
        ("limit = 0.05", "limit = 1.0", "measures.refused: limit: got 1.0, expected one that a result can miss"),
        ("limit = 0.8", "limit = 0", "measures.worst_word: limit: got 0.0, expected one that a result can miss"),
        ("limit = 0.05", "limit = 2026-01-01", "measures.refused.limit: got datetime.date(2026, 1, 1)"),
        ("limit = 2", "limit = inf", "measures.work.limit: got inf"),
        ("at_most", "below", "measures.refused: direction: got 'below', expected one of at_most, at_least"),
        ('unit = "share"', 'unit = "%"', "measures.refused: unit: got '%', expected one of share,"),
        ("simulated", "guessed", "measures.refused: evidence: got 'guessed', expected one of real, simulated, machine"),
        ('split = "test"', 'split = "train"', "measures.refused.split: got 'train', expected one of 'dev', 'test'"),
        ('split = "test"\n', "", "measures.refused: file: got .*, expected no {split}"),
        ("live_{split}.json", "live.json", "measures.refused: file: got 'live.json', expected a name with {split}"),
        ("bench.json", "../bench.json", "measures.work: file: got"),
        ("all.bpcer", "all..bpcer", "measures.refused: value: got"),
        ("all.clips", "all.*.clips", "measures.refused: n: got .*, expected no *"),
        ('interval = ["all.interval"]', 'interval = [""]', "measures.refused: interval: got"),
        ('interval = ["all.interval"]', 'interval = "all.interval"', "measures.refused.interval: got"),
        ('["", "wall_us.max"]', '["", ""]', "measures.work: interval: got"),
        ('["", "wall_us.max"]', '["a", "b", "c"]', "measures.work: interval: got"),
        ("factor = 1e-3", "factor = 0", "measures.work.factor: got 0"),
        ('title = "refused"', 'title = "a\\nb"', "measures.refused: title: got .*, expected text on one line"),
        ('title = "refused"', 'title = "\\u001b[2J"', "measures.refused: title: got"),
        ('title = "refused"', 'title = " "', "measures.refused: title: got"),
        ("[measures.refused]", '[measures."a.b"]', "measures.a.b: got 'a.b'"),
        ("sample_rate_hz = 16000", "sample_rate_hz = 8000", "inputs.sample_rate_hz: got 8000"),
        ("bundle_bytes = 1000", "bundle_bytes = 1e3", "device.bundle_bytes: got 1000.0, expected a whole number"),
        ("live_rejected = 0.05", "live_rejected = 0.2", "cutoffs: live_rejected: got 0.2, expected at most"),
        ("most_off_chance = 0.1", "most_off_chance = 0.6", "protocol.most_off_chance: got 0.6"),
        ("stratum_clips = 50", "stratum_clips = 2", "protocol.stratum_clips: got 2"),
        ('by = "them"', 'by = "me"', "existing[0].by: got 'me', expected one of 'them', 'us'"),
        ('figure = "7 %"', 'figure = "7 %"\nfile = "a.json"', "existing[0]: figure: got 'figure, file'"),
        ('figure = "7 %"\n', "", "existing[0]: figure: got 'none'"),
        ('figure = "7 %"', 'file = "a.json"', "existing[0]: figure: got 'file', expected"),
        ("[classes]", "[classes", "got text that is not TOML"),
        ('name = "small"', 'name = "small"\nname = "twice"', "got text that is not TOML"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_in_a_line(write, capsys, old, new, shown):
    path = write((old, new))
    assert main(["train", "frame", "--task", str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    start, _, rest = shown.partition(".*")
    assert str(path) in said.err
    assert start in said.err
    assert rest in said.err


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"x = " + b"[" * 5000])
def test_what_is_no_task(tmp_path, capsys, content):
    path = tmp_path / "task.toml"
    path.write_bytes(content)
    assert main(["train", "frame", "--task", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_no_measures_are_no_task(write):
    text = TASK[: TASK.index("[measures.refused]")] + "[measures]\n"
    path = write()
    path.write_text(text)
    with pytest.raises(DataError, match="at least one limit"):
        load_task(path)


def test_a_limit_that_the_program_needs(write):
    with pytest.raises(DataError, match=r"measures\.live_refused is missing"):
        load_task(write()).measure("live_refused")


# ------------------------------------------------------------------------------------------------------------- commands


def test_the_command_tells_contract_and_verdicts(write, results, tmp_path, capsys):
    out = tmp_path / "limits.json"
    call = ["train", "frame", "--task", str(write()), "--results", str(results), "-o", str(out)]
    assert main(call) == 0
    text = capsys.readouterr().out
    assert "small 3: Who spoke?" in text
    assert "2 limits met, 2 missed, 0 not measured" in text
    assert "other: refused: 7 % (reported; elsewhere; a paper)" in text
    # What is simulated stands apart from what is real.
    real, simulated = text.index("real recordings of people:"), text.index("simulated replays")
    assert real < text.index("heard, worst word") < simulated < text.index("accepted, worst")
    made = json.loads(out.read_text())
    task = load_task(write())
    bundle = bundle_hash(open_bundle().path)
    assert made == judgement(task, judge(task, results, bundle_sha256=bundle), bundle).to_dict()
    assert main([*call, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["task", *["limit"] * 4, "verdicts", "existing"]
    assert lines[5] == {"event": "verdicts", "met": 2, "missed": 2, "not_measured": 0}


def test_the_command_needs_a_folder_of_results(tmp_path, capsys):
    assert main(["train", "frame", "--results", str(tmp_path / "none")]) == 2
    assert "expected a folder with results files" in capsys.readouterr().err


def test_the_contract_that_ships_is_read():
    task = load_task()
    assert task.path == DEFAULT_TASK
    assert {
        "live_refused",
        "replays_accepted",
        "replays_accepted_worst_kind",
        "false_accepts_per_hour",
        "decision_delay",
    } <= set(task.measures)
