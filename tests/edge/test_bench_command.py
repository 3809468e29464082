"""``vivavoce bench``: a measurement from end to end, its page, and calls that cannot work."""

import json
import os
from html.parser import HTMLParser
from pathlib import Path

import pytest
from benching import TWO, call, measured_into, stages_of

from edge.bench.comparing import read
from edge.bench.networks import usable_runtimes
from edge.bench.page import REMARK, page
from edge.bundle import open_bundle
from edge.commands import bench
from edge.errors import UsageError


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return measured_into(tmp_path_factory.mktemp("bench"))


def test_every_stage_of_every_interpreter_is_measured(measured):
    found = read(measured / "a.json")
    assert [run["interpreter"] for run in found["runs"]] == list(usable_runtimes(open_bundle()))
    for run in found["runs"]:
        assert list(run["stages"]) == stages_of(open_bundle())
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
            # A word may be known before its last sound is over.
            assert 0 <= one["sound_ms"] < 300
            assert one["start_s"] < one["heard_s"] < one["decided_s"]
            assert one["end_s"] <= one["decided_s"]
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


def test_a_disk_that_refuses_does_not_cost_the_measurement(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        call("--repetitions", 1, "--no-starts", "--json", "-o", tmp_path / "file" / "a.json")
    assert json.loads(capsys.readouterr().out)["event"] == "bench"


def test_threads_are_measured_beside_one(measured):
    for run in read(measured / "a.json")["runs"]:
        assert [one["threads"] for one in run["threads"]] == ([2] if TWO == "1,2" else [])
        for one in run["threads"]:
            assert list(one["stages"]) == [
                s for s in stages_of(open_bundle()) if s in ("verifier", "liveness", "decision")
            ]
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
