"""``vivavoce monitor``: the page, read as a browser would, and beginning anew."""

import json
import re
import time
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from drift_answers import START_S, answer, home

from edge.bundle import open_bundle
from edge.cli import main
from edge.drift_monitor import MonitorSettings, MonitorSink, read_state
from edge.drift_watch import Watch
from edge.event_store import EventStore
from edge.health import Health
from edge.monitor_figures import figures, interval
from edge.monitor_report import _ADVICE, page

DAY_S = 86_400.0
VOID = {"meta"}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Keep what belongs to this machine out of it."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "nowhere"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def store_of(path, answers):
    with EventStore(path) as store:
        for one in answers:
            store.add(one)
    return str(path)


class Page(HTMLParser):
    """Checks that elements are closed, and collects the text and all attributes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.words, self.attributes, self.tags = [], [], [], set()
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def told(answers, tmp_path, **settings):
    """Make the page of some answers, without a store."""
    found = figures(
        [(one.at_s, one.to_dict()) for one in answers], MonitorSettings(**settings), state=tmp_path / "none"
    )
    return found, page(found, made_at_s=START_S)


CHANGED = [*home(60), *home(20, 1, start_s=START_S + 60 * DAY_S, gain=-12.0)]


# ------------------------------------------------------------------------------------------ the page


def test_the_page_tells_what_changed_when_and_what_to_do(tmp_path):
    found, text = told(CHANGED, tmp_path)
    read = Page(text)
    assert [(one.statistic, one.change) for one in found.up] == [("level_dbfs", "lower")]
    assert "Something has changed: loudness (lower)." in read.text
    assert _ADVICE["level_dbfs", "lower"] in read.text
    assert "vivavoce monitor reset" in read.text
    assert "Loudness: lower than it was" in read.text
    assert "Distance of speech from noise: as it was" in read.text
    (alarm,) = found.alarms
    assert time.strftime("%Y-%m-%d", time.gmtime(alarm.at_s)) in read.text
    assert "960 answers in 80 days" in read.text


def test_where_nothing_changed_it_says_so(tmp_path):
    found, text = told(home(60), tmp_path)
    assert (found.up, found.alarms, found.learned) == ((), (), 1.0)
    read = Page(text)
    assert "Nothing has changed that is large enough to tell." in read.text
    assert "What to do" not in read.text


@pytest.mark.parametrize("answers", [[], [answer()], home(3)])
def test_before_enough_is_known_it_says_so(tmp_path, answers):
    found, text = told(answers, tmp_path)
    assert found.learned < 1
    assert "What is normal here is not known yet" in Page(text).text


def test_it_needs_nothing_but_itself(tmp_path):
    _, text = told(CHANGED, tmp_path)
    read = Page(text)
    assert not read.tags & {"script", "link", "img", "iframe", "object", "form", "a"}
    assert not [name for name, _ in read.attributes if name.startswith("on") or name in ("src", "href")]
    policy = next(value for name, value in read.attributes if name == "content" and "default-src" in value)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert "url(" not in text
    assert "prefers-color-scheme:dark" in text


def test_drawings_are_xml_and_finite_and_told_to_who_does_not_see_them(tmp_path):
    _, text = told(CHANGED, tmp_path)
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) == 7
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        assert root.get("aria-label")
        for element in root.iter():
            for name in ("x", "y", "width", "height", "cx", "cy"):
                if element.get(name) is not None:
                    assert -1 <= float(element.get(name)) <= 721, (element.tag, name)
    assert "nan" not in "".join(drawings).lower()


def test_days_are_counted_by_what_followed(tmp_path):
    answers = [
        answer(START_S),
        answer(START_S + 100, accepted=False),
        answer(START_S + 200, action="ask", decision="unsure", reasons=("noisy",)),
        answer(START_S + 300, action="block", reasons=("refractory", "live")),
        answer(START_S + 2 * DAY_S),
    ]
    found, text = told(answers, tmp_path)
    assert [tuple(day[1:]) for day in found.days] == [(1, 1, 2, 2), (0, 0, 0, 0), (1, 0, 0, 1)]
    assert "1 passed, 1 asked again, 2 blocked" in text


@pytest.mark.parametrize(
    ("hits", "n", "expected"),
    [(0, 10, (0.0, 0.2775)), (5, 10, (0.2366, 0.7634)), (10, 10, (0.7225, 1.0)), (0, 0, (0, 1))],
)
def test_intervals_are_wilsons(hits, n, expected):
    assert interval(hits, n) == pytest.approx(expected, abs=1e-4)


def test_what_the_store_holds_of_others_is_text(tmp_path):
    nasty = '<script>alert(1)</script>"&'
    answers = [answer(START_S + 100 * at, word=nasty, phrase=nasty, reasons=(nasty,), bundle=nasty) for at in range(3)]
    _, text = told(answers, tmp_path)
    assert "<script" not in text
    Page(text)


def test_damaged_rows_are_counted_and_do_no_harm(tmp_path):
    good = answer().to_dict()
    broken = [{}, {**good, "quality": 5}, {**good, "wake_score": "x"}, {**good, "wake_score": [1]}, {"action": None}]
    wrong_clock = [(-5.0, good), (1e15, good)]
    found = figures(
        [*((START_S, one) for one in broken), *wrong_clock, (START_S, good)],
        MonitorSettings(),
        state=tmp_path / "none",
    )
    assert found.damaged == 5
    assert "5 answers of the store could not be read" in Page(page(found, made_at_s=START_S)).text


def test_every_change_has_its_advice():
    from edge.drift_reference import STATISTICS

    assert set(_ADVICE) == {(name, change) for name in STATISTICS for change in ("lower", "higher")}


def test_years_fit_on_the_page(tmp_path):
    found, text = told(home(900, a_day=2), tmp_path)
    assert len(found.days) == 900
    assert len(text) < 200_000
    Page(text)


# ------------------------------------------------------------------------------------------ the command


def test_the_report_is_written_from_a_store(tmp_path, capsys):
    store = store_of(tmp_path / "events.sqlite3", home(30))
    out = tmp_path / "report.html"
    assert main(["monitor", "report", "--store", store, "--out", str(out), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record == {
        "event": "report", "out": str(out), "answers": 360, "learned": 1.0, "up": [], "alarms": [],
    }  # fmt: skip
    assert "360 answers in 30 days" in Page(out.read_text()).text


def test_the_state_of_the_daemon_goes_before_what_the_store_says(tmp_path, capsys):
    state = tmp_path / "monitor.json"
    sink = MonitorSink(MonitorSettings(path=str(state)), Health(), open_bundle(), clock=lambda: 0.0)
    sink.open()
    for one in CHANGED:
        sink.push(one)
    sink.close()
    store = store_of(tmp_path / "events.sqlite3", CHANGED[-120:])  # all that retention has left
    arguments = ["monitor", "report", "--store", store, "--out", str(tmp_path / "r.html"), "--json"]
    assert main([*arguments, "--state", str(state)]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["answers"], record["up"], len(record["alarms"])) == (120, ["level_dbfs"], 1)
    # By the settings of the daemon, too.
    config = tmp_path / "vivavoce.toml"
    config.write_text(f'[monitor]\npath = "{state}"\n[store]\npath = "{store}"\n[nonsense]\n')
    assert main(["monitor", "report", "--config", str(config), "--out", str(tmp_path / "r.html"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["up"] == ["level_dbfs"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["up"] == []


def test_since_limits_what_is_told(tmp_path, capsys):
    store = store_of(tmp_path / "events.sqlite3", home(30))
    day = time.strftime("%Y-%m-%d", time.gmtime(START_S + 29 * DAY_S))
    assert main(["monitor", "report", "--store", store, "-o", str(tmp_path / "r.html"), "--since", day, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["answers"] == 12


def test_reset_takes_what_comes_for_normal_and_keeps_the_dates(tmp_path, capsys):
    state = tmp_path / "monitor.json"
    sink = MonitorSink(MonitorSettings(path=str(state)), health := Health(), open_bundle(), clock=lambda: 0.0)
    sink.open()
    for one in CHANGED:
        sink.push(one)
    assert health.gauges["drift_alarm"] == 1
    sink.close()
    sink.open()
    assert main(["monitor", "reset", "--state", str(state), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"event": "reset", "state": str(state)}
    # The daemon, which runs meanwhile, notices.
    sink.push(answer(START_S + 90 * DAY_S))
    assert health.gauges["drift_alarm"] == 0
    assert health.gauges["drift_learned"] < 0.01
    sink.close()
    watch = Watch(MonitorSettings().rules)
    read_state(state, watch)
    assert (len(watch.alarms), watch.up, watch.references) == (1, [], {})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["report"], "--out"),
        (["report", "--out", "r.html"], "there is no store of events"),
        (["report", "--out", "r.html", "--store", "{tmp}"], "got a folder or device"),
        (["report", "--out", "{tmp}", "--store", "{store}"], "cannot be written"),
        (["report", "--out", "r.html", "--store", "{store}", "--state", "{damaged}"], "not JSON"),
        (["report", "--out", "r.html", "--store", "{store}", "--state", "{tmp}"], "cannot be read"),
        (["report", "--out", "r.html", "--config", "{damaged}"], "not TOML"),
        (["reset"], "there is no state of a monitor"),
        (["reset", "--state", "{tmp}"], "cannot be read"),
        (["rest"], "did you mean 'vivavoce monitor reset'?"),
    ],
)
def test_faults_are_one_line(tmp_path, capsys, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged").write_text("{")
    store = store_of(tmp_path / "events.sqlite3", [answer()])
    names = {"tmp": str(tmp_path), "store": store, "damaged": str(tmp_path / "damaged")}
    with_names = [argument.format(**names) for argument in arguments]
    try:
        code = main(["monitor", *with_names])
    except SystemExit as end:
        code = end.code
    assert code == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1 or "usage" in said
    assert not (tmp_path / "r.html").exists()


def test_a_damaged_state_can_be_reset(tmp_path, capsys):
    state = tmp_path / "monitor.json"
    state.write_text("{")
    assert main(["monitor", "reset", "--state", str(state)]) == 0
    assert "not JSON" in capsys.readouterr().err
    read_state(state, Watch(MonitorSettings().rules))


def test_help_teaches(capsys):
    for step in ([], ["report"], ["reset"]):
        with pytest.raises(SystemExit) as end:
            main(["monitor", *step, "--help"])
        assert end.value.code == 0
        assert "vivavoce monitor" in capsys.readouterr().out
