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
