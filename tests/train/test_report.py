"""``vivavoce train report``: a page that tells what results hold, in sentences, and needs nothing but itself."""

import base64
import csv
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import open_bundle
from edge.bundle_identity import bundle_hash
from edge.cli import main
from edge.endpoint import LOOK_BACK_SAMPLES
from edge.manifest_file import COLUMNS
from edge.quality import Quality
from train.judging import judge
from train.report import examples as making
from train.report.day import real_day, simulated_day
from train.report.examples import MOST, Example, choose
from train.report.home import COMMANDS, HOURS, PLAYED, Expected, in_words
from train.report.page import SCRIPT, embedded, page, places
from train.report.results_folder import Part, Rate, read_results
from train.report.weakest import talkers_missed
from train.task import load_task

EMPTY_TAGS = {"meta", "br", "input"}
EVIL = "<script>alert('1')</script>"
QUALITY = Quality(30.0, -10.0, 0.0, 0.5, 7000.0, -20.0, ())


class Page(HTMLParser):
    """Reads a page: whether tags close, addresses, headings, the text of each section, and captions with their rows."""

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.tags, self.ids, self.attributes = [], [], [], [], []
        self.sections, self.tables, self.section = {}, [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.ids += [values["id"]] if "id" in values else []
        self.addresses += [value for key, value in attrs if key in ("src", "href", "action", "srcset", "data")]
        if tag == "section":
            self.section = values["id"]
            self.sections[self.section] = ""
        if tag == "table":
            self.tables.append({"section": self.section, "caption": "", "rows": []})
        if tag == "tr":
            self.tables[-1]["rows"].append([])
        if tag in ("td", "th"):
            self.tables[-1]["rows"][-1].append("")
        if tag not in EMPTY_TAGS:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "section" in self.open:
            self.sections[self.section] += data
        if "caption" in self.open:
            self.tables[-1]["caption"] += data
        elif {"td", "th"} & set(self.open):
            self.tables[-1]["rows"][-1][-1] += data

    def table(self, caption):
        (found,) = [table for table in self.tables if table["caption"].startswith(caption)]
        return {row[0]: row[1:] for row in found["rows"][1:]}


def _rate(name, value, low, high, **more):
    return {name: value, "interval_95": [low, high], **more}


def made_results(sha256):
    """Results of round figures."""
    head = {"bundle_sha256": sha256, "date": "2026-01-02", "commit": "abc", "made_by": "vivavoce x", "data_hash": "00"}
    words = {"alexa": _rate("rate", 0.9, 0.8, 0.95, clips=40, talkers=5),
             "jarvis": _rate("rate", 0.6, 0.3, 0.8, clips=20, talkers=4)}  # fmt: skip
    wake = {"int8": {
        "recall": words, "mean_recall": _rate("rate", 0.75, 0.64, 0.86, clips=60, talkers=9), "missed": ["w/1.flac"],
        "false_accepts_longform": {"count": 3, "hours": 2.0, "per_hour": 1.5, "upper_95_per_hour": 3.9, "events": []},
    }}  # fmt: skip
    kinds = {name: {"replay": 50, "apcer": apcer, "eer": 0.2} for name, apcer in (("phone", 0.1), ("standalone", 0.8))}
    liveness = {
        "set": {"clips": 200, "sha256": "5e7", "state": "frozen"},
        "simulated": {
            "clips": {"live": 100, "replay": 100, "talkers": 10, "loudspeakers": 12},
            "all": {"eer": 0.25, "interval_95": [0.2, 0.3], "bpcer": 0.08, "bpcer_interval_95": [0.05, 0.12],
                    "apcer": 0.45, "apcer_interval_95": [0.4, 0.5]},
            "one_room": {"live": 40, "bpcer": 0.03},
            "two_rooms_no_loudspeaker": {"live": 60, "bpcer": 0.05, "bpcer_interval_95": [0.02, 0.09]},
            "live_over_television": {"live": 0, "bpcer": float("nan")},
            "slices": {
                "near_and_quiet": {"live": 30, "replay": 30, "bpcer": 0.0625, "bpcer_interval_95": [0.01, 0.2],
                                   "apcer": 0.4, "apcer_interval_95": [0.3, 0.5]},
                "near_and_quiet_without_standalone": {"live": 30, "replay": 20, "apcer": 0.1},
                "near_and_quiet_standalone": {"live": 30, "replay": 0},
                "live_over_television_at_5_db": {"live": 8, "bpcer": 0.125},
            },
            "by_kind": kinds,
        },
        "raw": {"wake_words": _rate("refused", 0.02, 0.01, 0.05, clips=60),
                "by_group": {"alexa": _rate("refused", 0.01, 0.0, 0.05, clips=40),
                             "jarvis": _rate("refused", 0.07, 0.02, 0.2, clips=20)}},
    }  # fmt: skip
    probes = {name: {"at_chance": good} for name, good in (("silence", True), ("level", False), ("zeros", None))}
    baselines = {"f70": {"eer": 0.36, "eer_interval_95": [0.3, 0.4]}}
    protocol = {
        "set": liveness["set"], "probes": {"judged": probes, "strata": {"s": {"at_chance": True}}, "alike": False},
        "ladder": {"all unseen": {"baselines": baselines}},
    }  # fmt: skip
    ours = {"real_time_factor": {"median": 0.006}, "peak_rss_mb": {"median": 56.0}}
    cost = {**head, "machine": {"processor": "A & B"}, "results": {"vivavoce": ours}}
    return {
        "wake_test.json": head | wake,
        "liveness_test.json": head | liveness,
        "protocol.json": head | protocol,
        "runtime.json": {name: value for name, value in cost.items() if name != "bundle_sha256"},
        "test_ledger.json": [{}, {}, {}],
    }


@pytest.fixture(scope="module")
def bundle():
    return open_bundle()


@pytest.fixture
def made(bundle):
    return made_results(bundle_hash(bundle.path))


@pytest.fixture
def report(made, tmp_path, capsys):
    def run(*options):
        folder = tmp_path / "results"
        folder.mkdir(exist_ok=True)
        for name, body in made.items():
            (folder / name).write_text(body if isinstance(body, str) else json.dumps(body))
        out = tmp_path / "page.html"
        code = main(["train", "report", "--results", str(folder), "-o", str(out), *options])
        captured = capsys.readouterr()
        return code, out.read_text() if out.exists() else "", captured.out, captured.err

    return run


def test_the_page_is_sound_and_needs_nothing_else(report):
    code, text, told, err = report()
    assert (code, err) == (0, "")
    found = Page(text)
    assert found.open == []
    assert len(found.ids) == len(set(found.ids))
    assert all(address.startswith("#") for address in found.addresses)
    assert {address[1:] for address in found.addresses} <= set(found.ids)
    assert not re.search(r"https?:|url\(|@import|//[a-z]", text)
    assert not {"link", "iframe", "object", "img", "audio"} & set(found.tags)
    assert not [name for name in found.attributes if name.startswith("on")]
    assert "page.html" in told


def test_only_the_script_of_the_page_may_run(report):
    _, text, _, _ = report()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert scripts == [SCRIPT]
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")


def test_a_day_in_sentences(report):
    day = Page(report()[1]).sections["day"]
    for sentence in (
        "If a wake word is said 10 times a day, it is not heard 2.5 times a day "
        "(between 1.4 times a day and 3.6 times a day).",
        "If a person says a wake word and is heard 10 times a day, the person is refused once in 5 days "
        "(between once in 10 days and 4 times a week).",
        "With 4 hours a day of talk or television, it hears a wake word that nobody said 6 times a day "
        "(up to 16 times a day).",
        "If a person says a wake word and is heard 10 times a day, the person is refused 6 times a week "
        "(between 4 times a week and 1.2 times a day).",
        "If a loudspeaker says a wake word 2 times a day, it is obeyed 6 times a week "
        "(between 6 times a week and once a day).",
        "If a loudspeaker of this kind says a wake word 2 times a day, it is obeyed 1.6 times a day.",
    ):
        assert sentence in day
    assert "loudspeakers that stand alone" in day
    assert "Not heard: 25.0 % (14.0 to 36.0 %) of 60 recordings of 9 people" in day


def test_every_place_of_a_slider_holds_what_the_function_computes(report):
    _, text, _, _ = report()
    data = json.loads(re.search(r'id="places">(.*?)</script>', text, re.DOTALL)[1])
    for name, habit, rate in (
        ("missed", COMMANDS, Rate(0.25, 0.14, 0.36)),
        ("refused", COMMANDS, Rate(0.02, 0.01, 0.05)),
        ("repeat", COMMANDS, Rate(1 - 0.75 * 0.98, 1 - 0.86 * 0.99, 1 - 0.64 * 0.95)),
        ("simulated-refused", COMMANDS, Rate(0.08, 0.05, 0.12)),
        ("woken", HOURS, Rate(1.5, None, 3.9)),
        ("simulated-accepted", PLAYED, Rate(0.45, 0.4, 0.5)),
        ("simulated-worst", PLAYED, Rate(0.8)),
    ):
        says = data[habit.name]["says"][name]
        assert len(says) == len(habit.places) == len(data[habit.name]["shown"])
        for place, sentence in zip(habit.places, says, strict=True):
            assert habit.shown(place) in sentence
            ends = [None if end is None else place * end for end in (rate.value, rate.low, rate.high)]
            assert sentence.endswith(f" {in_words(Expected(*ends))}.")


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node, to run the script of the page")
def test_the_script_shows_the_place_of_the_slider(made, tmp_path):
    wake, liveness = (Part(tmp_path, made[name]) for name in ("wake_test.json", "liveness_test.json"))
    data = places([*real_day(wake, liveness), *simulated_day(liveness)])
    names = [f"say-{name}" for habit in data.values() for name in habit["says"]]
    stub = f"""
const made = (id) => ({{id, value: "3", hidden: true, attributes: {{}}, listeners: [], textContent: "",
  setAttribute(name, value) {{ this.attributes[name] = value }}, addEventListener(_, f) {{ this.listeners.push(f) }}}});
const elements = {{}};
globalThis.document = {{getElementById: (id) => elements[id] ??= made(id)}};
document.getElementById("places").textContent = {json.dumps(json.dumps(data))};
await import({json.dumps((tmp_path / "script.mjs").as_uri())});
const at_first = document.getElementById("say-woken").textContent;
for (const name of {json.dumps(sorted(data))}) {{
  const slider = document.getElementById("set-" + name); slider.value = "5"; slider.listeners.forEach((f) => f());
}}
const said = Object.fromEntries({json.dumps(names)}.map((id) => [id, elements[id].textContent]));
const hours = elements["set-hours"];
console.log(JSON.stringify({{at_first, said, shown: elements["shown-hours"].textContent, hidden: hours.hidden,
  told: hours.attributes["aria-valuetext"]}}));
"""
    (tmp_path / "script.mjs").write_text(SCRIPT)
    (tmp_path / "run.mjs").write_text(stub)
    done = subprocess.run(["node", str(tmp_path / "run.mjs")], capture_output=True, text=True, check=True, timeout=60)
    found = json.loads(done.stdout)
    assert found["at_first"] == data["hours"]["says"]["woken"][3]
    assert found["said"] == {f"say-{name}": says[5] for one in data.values() for name, says in one["says"].items()}
    assert found["shown"] == found["told"] == data["hours"]["shown"][5] == "5 hours a day"
    assert found["hidden"] is False


def test_the_weakest_come_first(report):
    found = Page(report()[1])
    assert list(found.table("Wake words").items()) == [
        ("jarvis", ["40.0 % (20.0 to 70.0 %)", "20"]), ("alexa", ["10.0 % (5.0 to 20.0 %)", "40"])
    ]  # fmt: skip
    assert list(found.table("Groups of people")) == ["jarvis", "alexa"]
    assert list(found.table("Kinds of loudspeakers").items()) == [
        ("loudspeakers that stand alone", ["80.0 %", "50"]), ("phones", ["10.0 %", "50"])
    ]  # fmt: skip
    situations = found.table("People, by situation")
    assert situations["near (at most 1.5 m) and quiet"] == ["6.2 % (1.0 to 20.0 %)", "30"]
    assert situations["heard through two rooms, no loudspeaker"] == ["5.0 % (2.0 to 9.0 %)", "60"]
    assert situations["while a television plays 5 dB below them"] == ["12.5 %", "8"]
    assert "while a television plays" not in situations, "of no clip there is no rate"
    replays = found.table("Replays, near and quiet")
    assert replays == {
        "near (at most 1.5 m) and quiet": ["40.0 % (30.0 to 50.0 %)", "30"],
        "the same, from phones, laptops and televisions": ["10.0 %", "20"],
    }


def test_verdicts_are_those_of_the_task(report, bundle, tmp_path):
    found = Page(report()[1])
    expected_ = judge(load_task(), tmp_path / "results", bundle_sha256=bundle_hash(bundle.path))
    shown = {row[0]: row[-1] for t in found.tables if t["section"] == "limits" for row in t["rows"][1:]}
    assert set(shown) == {verdict.title for verdict in expected_}
    for verdict in expected_:
        assert verdict.state in shown[verdict.title]
        assert ("may be otherwise" in shown[verdict.title]) == (verdict.certain is False)
    assert {"met", "missed", "not measured"} == {verdict.state for verdict in expected_}
    assert "there is no startup.json" in found.sections["limits"]
    counts = [sum(verdict.state == state for verdict in expected_) for state in ("met", "missed", "not measured")]
    assert "{} limits met, {} missed, {} not measured".format(*counts) in found.sections["in-short"]


def test_simulated_and_real_figures_share_no_table(report, bundle, tmp_path):
    found = Page(report()[1])
    of = {verdict.title: verdict.evidence for verdict in judge(load_task(), tmp_path / "results")}
    tables = [table for table in found.tables if table["section"] == "limits"]
    assert len(tables) == 3
    for table in tables:
        assert len({of[row[0]] for row in table["rows"][1:]}) == 1
    real = {table["caption"] for table in found.tables if table["section"] == "weakest-real"}
    simulated = {table["caption"] for table in found.tables if table["section"] == "weakest-simulated"}
    assert (len(real), len(simulated)) == (2, 3)
    assert not real & simulated


def test_what_checks_found_is_told(report):
    believe = Page(report()[1]).sections["believe"]
    assert "Of 4 searches for such a thing 1 found one; 1 had too few clips to tell." in believe
    assert "Silence, level or length differ more" in believe
    assert "opened 3 times" in believe
    assert "97 numbers" not in believe
    assert Page(report()[1]).table("Simulated, the same clips") == {
        "this device": ["25.0 % (20.0 to 30.0 %)"], "one number: below it lies 70 % of the power (f70)":
        ["36.0 % (30.0 to 40.0 %)"]
    }  # fmt: skip


def test_methods_of_other_clips_are_not_set_beside(report, made):
    made["protocol.json"]["set"] = {**made["protocol.json"]["set"], "sha256": "other"}
    made["liveness_test.json"]["set"] = {**made["liveness_test.json"]["set"], "state": "part of it"}
    text = report()[1]
    assert "the same clips" not in text
    assert "were not measured on the set that is fixed for them" in text


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
    assert "it is not heard" not in text


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


def test_nothing_of_a_file_becomes_markup(report, made, tmp_path):
    wake, liveness = made["wake_test.json"], made["liveness_test.json"]
    wake["int8"]["recall"][EVIL] = wake["int8"]["recall"].pop("alexa")
    wake["made_by"] = liveness["commit"] = made["protocol.json"]["date"] = EVIL
    liveness["simulated"]["by_kind"][EVIL] = {**liveness["simulated"]["by_kind"]["phone"], "apcer": 0.9}
    liveness["raw"]["by_group"][EVIL] = liveness["raw"]["by_group"]["alexa"]
    liveness["set"] = {**liveness["set"], "state": EVIL}
    made["runtime.json"]["machine"]["processor"] = EVIL
    made["protocol.json"]["ladder"]["all unseen"]["baselines"][EVIL] = {"eer": 0.1}
    (tmp_path / "results").mkdir()
    rows = [("1", "-", EVIL, "accept")] * 92 + [("1", "-", EVIL, "reject")] * 8
    rows += [("0", EVIL, "t", "accept")] * 45 + [("0", EVIL, "t", "reject")] * 55
    _write_scores(tmp_path / "results", rows)
    code, text, _, _ = report()
    assert code == 0
    found = Page(text)
    assert found.open == []
    assert found.tags.count("script") == 2
    assert "alert" in found.sections["weakest-simulated"]
    assert text.count("<script>alert") == 0
    assert EVIL in found.sections["day"]
    assert EVIL in found.table("Talkers, the most often refused")


def test_data_of_the_script_cannot_end_it():
    data = {"</script><!--": ["<script>", "a & b"]}
    assert "<" not in embedded(data)
    assert json.loads(embedded(data)) == data


def _write_scores(folder, rows):
    with (folder / "liveness_test_scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("clip", "live", "kind", "talker", "loudspeaker", "score", "decision"))
        writer.writerows(
            (n, live, kind, talker, "L", (n % 37) / 9 + int(live), decision)
            for n, (live, kind, talker, decision) in enumerate(rows)
        )


def test_curves_are_drawn_of_scores_and_their_lack_is_told(report, made, tmp_path):
    assert "There is no liveness_test_scores.csv" in report()[1]
    rows = [("1", "", "t", "accept" if i >= 8 else "unsure") for i in range(100)]
    rows += [("0", "phone", "t", "accept" if i < 45 else "reject") for i in range(100)]
    _write_scores(tmp_path / "results", rows)
    found = Page(report()[1])
    assert "svg" in found.tags
    assert "8.0 % of people refused, 45.0 % of replays accepted" in found.sections["curves"]
    assert found.table("Single loudspeakers") == {"phone/L": ["45.0 % (35.6 to 54.8 %)", "100"]}
    made["liveness_test.json"]["simulated"]["all"]["apcer"] = 0.44
    text = report()[1]
    assert "is of another measurement than liveness_test.json" in text
    assert "<svg" not in text


def test_the_same_results_give_the_same_page(report, made):
    first = report()[1]
    for name in ("wake_test.json", "liveness_test.json", "protocol.json"):
        made[name] = json.dumps(made[name])
    assert report()[1] == first
    assert len(first) < 100_000


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


def _clip(path, speaker, role="wake"):
    from train.clip import Clip

    return Clip(path, Path(path), "c", speaker, "test", role, "alexa", 1.0, 16000, "L")


def test_talkers_are_told_by_who_is_missed():
    clips = [_clip(f"{who}{i}", who) for who in "ab" for i in range(10)] + [_clip("few0", "few")]
    wake = Part(Path(), {"int8": {"recall": {"alexa": {}}, "missed": ["a1", "b1", "b2", "b3", "few0"]}})
    found = talkers_missed(wake, [*clips, _clip("a99", "a", role="speech")])
    assert [(one.name, one.wrong.value, one.clips) for one in found] == [("c/b", 0.3, 10), ("c/a", 0.1, 10)]


def test_data_that_were_not_measured_on_name_no_talker(report, made, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    with (tmp_path / "data" / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([(f"{i}.flac", "c", "me", "test", "wake", "alexa", 1, 16000, "L") for i in range(9)])
    monkeypatch.setattr(making, "examples", lambda *_, **__: [])
    assert "is not what wake_test.json was measured on" in report("--data", str(tmp_path / "data"))[1]
    made["wake_test.json"]["data_hash"] = hashlib.sha256((tmp_path / "data" / "manifest.csv").read_bytes()).hexdigest()
    found = Page(report("--data", str(tmp_path / "data"))[1])
    assert found.table("Talkers, the least heard") == {"c/me": ["0.0 % (0.0 to 29.9 %)", "9"]}
    assert "No error among them." in found.sections["examples"]


def test_the_plainest_errors_are_chosen_of_every_kind():
    live = np.array([True] * 20 + [False] * 40)
    kind = ["none"] * 20 + ["hi-fi"] * 30 + ["phone"] * 10
    probability = np.linspace(0, 1, 60)
    decisions = ["unsure"] * 10 + ["accept"] * 10 + ["accept"] * 40
    chosen = choose(live, decisions, probability, kind)
    assert len(chosen) == len(set(chosen)) == MOST
    assert chosen[:4] == [0, 1, 2, 3], "the least likely of the refused"
    assert chosen[4:] == [59, 49, 58, 48], "the likeliest of each kind in turn"
    few = choose(live, ["reject"] * 2 + ["accept"] * 18 + ["reject"] * 40, probability, kind)
    assert few == [0, 1]
    assert choose(live, ["accept"] * 20 + ["unsure"] * 40, probability, kind) == []
    assert len(choose(live, ["accept"] * 60, probability, kind)) == MOST, "those of one class may fill all places"


def test_examples_are_what_the_device_looked_back_on(bundle, tmp_path, monkeypatch):
    import soundfile

    from train import frozen_set, liveness_evaluation

    rng = np.random.default_rng(2)
    audio = rng.integers(-3000, 3000, (4, LOOK_BACK_SAMPLES)).astype(np.int16)
    sizes = np.array([LOOK_BACK_SAMPLES, 9000, 9000, 9000])
    heard = {
        "audio": audio, "audio_size": sizes, "live": np.array([1, 0, 1, 0], np.int8), "kind": np.array(["x"] * 4),
        "loudspeaker": np.array([EVIL] * 4), "source": np.array(["a", "b", "a", "b"]), "noise": np.array(["n"] * 4),
        "tv_programme": np.array(["none", "p+q", "none", "none"]), "television": np.array([0, 1, 0, 0]),
        "distance_m": np.array([1.0] * 4), "snr_db": np.array([20.0, np.nan, 5.0, 5.0]),
    }  # fmt: skip

    class Clip:
        def __init__(self, path):
            self.path, self.licence = path, {"a": "A", "b": "B", "n": "N", "p": "P", "q": "Q <&>"}[path]

    class Score:
        def __init__(self, probability):
            self.probability, self.quality = probability, QUALITY

    def judged(_, clips):
        assert clips is heard
        return [Score(probability) for probability in (0.01, 0.99, 0.99, 0.01)]

    asked = []
    monkeypatch.setattr(frozen_set, "render_set", lambda *given, **options: asked.append((given, options)))
    monkeypatch.setattr(frozen_set, "heard_of", lambda _: heard)
    monkeypatch.setattr(liveness_evaluation, "judge_audio", judged)
    monkeypatch.setattr(making, "load_manifest", lambda _: [Clip(path) for path in "abnpq"])
    found = making.examples(bundle, tmp_path, tmp_path, n=4)
    assert asked[0][0][1] == "dev", "test is not opened"
    assert [(one.live, one.decision, one.licence) for one in found] == [
        (True, "reject", "A AND N"), (False, "accept", "B AND N AND P AND Q <&>")
    ]  # fmt: skip
    for one, number in zip(found, (0, 1), strict=True):
        (tmp_path / "x.flac").write_bytes(base64.b64decode(one.address.removeprefix("data:audio/flac;base64,")))
        samples, rate_hz = soundfile.read(tmp_path / "x.flac", dtype="int16")
        assert rate_hz == 16_000
        assert np.array_equal(samples, audio[number][LOOK_BACK_SAMPLES - sizes[number] :])
    assert "nan" not in found[1].conditions


def test_a_page_with_recordings_says_so_and_names_licences(bundle, made, tmp_path):
    for name, body in made.items():
        (tmp_path / name).write_text(json.dumps(body))
    results = read_results(tmp_path, bundle_hash(bundle.path))
    one = Example(True, "unsure", 0.125, EVIL, "a/b.flac", "Q <&>", "data:audio/flac;base64,AAAA")
    text = page(bundle, results, [], examples=[one, one])
    found = Page(text)
    assert found.open == []
    assert found.tags.count("audio") == 2
    assert [address for address in found.addresses if not address.startswith("#")] == [one.address] * 2
    assert "Do not commit or pass it on" in text
    assert "licence Q <&>" in found.sections["examples"]
    assert "licence Q &lt;&amp;&gt;<" in text
    assert EVIL in found.sections["examples"]
    assert "Do not commit" not in page(bundle, results, [])
