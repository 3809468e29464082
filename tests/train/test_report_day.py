"""``vivavoce train report``: a day in sentences, and sliders that change them."""

import json
import re
import shutil
import subprocess

import pytest

from tests.train.report_page import Page, bundle_fixture, made_fixture, report_fixture  # noqa: F401  # fixtures
from train.report.day import real_day, simulated_day
from train.report.home import COMMANDS, HOURS, PLAYED, Expected, in_words
from train.report.page import SCRIPT, places
from train.report.results_folder import Part, Rate


def test_a_day_in_sentences(report):
    day = Page(report()[1]).sections["day"]
    for sentence in (
        "Of wake words that are said 10 times a day, about 2.5 a day are missed (between 1.4 a day and 3.6 a day).",
        "Of wake words that it hears people say 10 times a day, about one every 5 days is refused "
        "(between one every 10 days and 4 a week).",
        "Of wake words that are said 10 times a day, about 2.7 a day are missed or refused, and must be said again "
        "(between 1.5 a day and 3.9 a day).",
        "Of other words that are said in 4 hours a day of talk or television, about 6 a day are taken for a wake word "
        "(up to 16 a day).",
        "Of wake words that it hears people say 10 times a day, about 6 a week are refused "
        "(between 4 a week and 1.2 a day).",
        "Of wake words that a loudspeaker says 2 times a day, about 6 a week are obeyed "
        "(between 6 a week and one a day).",
        "Of wake words that a loudspeaker of this kind says 2 times a day, about 1.6 a day are obeyed.",
    ):
        assert sentence in day
    assert "loudspeakers that stand alone" in day
    assert "Not heard: 25.0 % (14.0 to 36.0 %) of 60 recordings of 9 people" in day


def test_every_place_of_a_slider_holds_what_the_function_computes(report):
    _, text, _, _ = report()
    data = json.loads(re.search(r'id="places">(.*?)</script>', text, re.DOTALL)[1])
    repeat = Rate(1 - 0.75 * 0.98, 1 - 0.86 * 0.99, 1 - 0.64 * 0.95)
    for name, habit, rate, done in (
        ("missed", COMMANDS, Rate(0.25, 0.14, 0.36), "missed"),
        ("refused", COMMANDS, Rate(0.02, 0.01, 0.05), "refused"),
        ("repeat", COMMANDS, repeat, "missed or refused, and must be said again"),
        ("simulated-refused", COMMANDS, Rate(0.08, 0.05, 0.12), "refused"),
        ("woken", HOURS, Rate(1.5, None, 3.9), "taken for a wake word"),
        ("simulated-accepted", PLAYED, Rate(0.45, 0.4, 0.5), "obeyed"),
        ("simulated-worst", PLAYED, Rate(0.8), "obeyed"),
    ):
        says = data[habit.name]["says"][name]
        assert len(says) == len(habit.places) == len(data[habit.name]["shown"])
        for place, sentence in zip(habit.places, says, strict=True):
            assert habit.shown(place) in sentence
            ends = [None if end is None else place * end for end in (rate.value, rate.low, rate.high)]
            assert sentence.endswith(f", {in_words(Expected(*ends), done)}.")


_APART = {
    "quiet": {"count": 0, "hours": 1.5, "per_hour": 0.0, "upper_95_per_hour": 2.0},
    "librispeech": {"count": 3, "hours": 0.5, "per_hour": 6.0, "upper_95_per_hour": 15.5},
}
_WORST = (
    "about 6 a day are taken for a wake word (up to 16 a day); if all of it is like librispeech (English audiobooks), "
    "which has the most of them, about 24 a day are taken for one (up to 62 a day)."
)


@pytest.mark.parametrize("beside", [False, True])
def test_the_mean_over_corpora_is_not_told_alone(report, made, beside):
    wake = made["wake_test.json"]
    if beside:
        made["longform_corpora_test.json"] = wake | {"by_corpus": _APART}
    else:
        wake["int8"]["false_accepts_longform"]["by_corpus"] = _APART
    code, text, told, _ = report()
    found = Page(text)
    assert (code, "longform_corpora" in told) == (0, False)
    for section in ("day", "in-short"):
        assert _WORST in found.sections[section]
    assert (
        "By corpus: 3 times in 0.50 hours of librispeech (English audiobooks): 6.0 an hour, at most 15.5; "
        "0 times in 1.50 hours of quiet: 0.0 an hour, at most 2.0." in found.sections["day"]
    )
    assert ("longform_corpora_test.json" in found.table("Results files")) == beside


@pytest.mark.parametrize("key", ["data_hash", "bundle_sha256"])
def test_corpora_of_another_measurement_are_not_told(report, made, key):
    made["longform_corpora_test.json"] = made["wake_test.json"] | {"by_corpus": _APART, key: "f" * 64}
    code, text, told, _ = report()
    assert (code, "Run:" in told) == (0, False)
    assert "librispeech" not in Page(text).sections["day"]
    assert "The results do not tell one kind of speech from another" in text


@pytest.mark.parametrize(
    "apart",
    [{"one": {"count": 3, "hours": 2.0, "per_hour": 1.5, "upper_95_per_hour": 3.9}},
     {name: {"count": 0, "hours": 1.0, "per_hour": 0.0, "upper_95_per_hour": 3.0} for name in "ab"}],
)  # fmt: skip
def test_no_corpus_has_the_most_where_there_is_one_or_no_false_accept(report, made, apart):
    made["wake_test.json"]["int8"]["false_accepts_longform"]["by_corpus"] = apart
    text = report()[1]
    assert "if all of it is like" not in text
    assert "By corpus: " in text


def test_corpora_that_cannot_be_told_are_one_line(report, made):
    made["longform_corpora_test.json"] = made["wake_test.json"] | {"by_corpus": {"a": {"count": 1}}}
    code, text, _, err = report()
    assert (code, text, err.count("\n")) == (2, "", 1)
    assert "longform_corpora_test.json: by_corpus.a.per_hour: got no such entry" in err


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
