"""Results of round figures, the page that is made of them, and a reader of it."""

import json
from html.parser import HTMLParser

import pytest

from edge.bundle import open_bundle
from edge.bundle_identity import bundle_hash
from edge.cli import main

EMPTY_TAGS = {"meta", "br", "input"}
EVIL = "<script>alert('1')</script>"


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
        "set": liveness["set"],
        "probes": {"judged": probes, "strata": {"s": {"at_chance": True}}, "alike": False,
                   "limits": {"most_distance": 0.05},
                   "distances": {"duration": {"clip, s": 0.02, "word, s": 0.0515}, "level": {"dBFS": 0.05}}},
        "ladder": {"all unseen": {"baselines": baselines}},
        "two_rooms": {"void": {"one_room": 0.9}, "bundle": {"one_room": 0.8}},
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


@pytest.fixture(scope="module", name="bundle")
def bundle_fixture():
    return open_bundle()


@pytest.fixture(name="made")
def made_fixture(bundle):
    return made_results(bundle_hash(bundle.path))


@pytest.fixture(name="report")
def report_fixture(made, tmp_path, capsys):
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
