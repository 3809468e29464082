"""``vivavoce train report``: the weakest first, verdicts, checks, and methods beside each other."""

import csv
import hashlib
from pathlib import Path

from edge.bundle_identity import bundle_hash
from edge.manifest_file import COLUMNS
from tests.train.report_page import Page, bundle_fixture, made_fixture, report_fixture  # noqa: F401  # fixtures
from train.judging import judge
from train.report import examples as making
from train.report.results_folder import Part, read_results
from train.report.weakest import talkers_missed
from train.task import load_task


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
    assert "than was allowed (distance at most 0.05; duration (word, s) 0.0515):" in believe
    assert "another bundle" not in believe
    assert "opened 3 times" in believe
    assert "97 numbers" not in believe
    assert Page(report()[1]).table("Simulated, the same clips") == {
        "this device": ["25.0 % (20.0 to 30.0 %)"], "one number: below it lies 70 % of the power (f70)":
        ["36.0 % (30.0 to 40.0 %)"]
    }  # fmt: skip


def test_checks_of_the_data_are_told_though_they_were_made_with_another_bundle(report, made):
    whole = Page(report()[1])
    made["protocol.json"]["bundle_sha256"] = "f" * 64
    code, text, told, _ = report()
    found = Page(text)
    believe = found.sections["believe"]
    assert (code, "protocol.json" in told) == (0, False)
    assert "were made with another bundle (ffffffffffff). No bundle takes part in what is told of them." in believe
    for needed in ("1 found one", "duration (word, s) 0.0515"):
        assert needed in believe
    assert found.table("Simulated, the same clips") == whole.table("Simulated, the same clips")
    assert "protocol.json (of the bundle ffffffffffff)" in found.table("Results files")
    made["protocol.json"]["set"] = {**made["protocol.json"]["set"], "sha256": "other"}
    assert "but they looked at other clips than these figures" in Page(report()[1]).sections["believe"]


def test_what_depends_on_another_bundle_is_not_there_to_be_told(report, made, tmp_path):
    report()
    own = made["protocol.json"]["bundle_sha256"]
    for sha256, kept in ((own, ["void", "bundle"]), ("0" * 64, ["void"])):
        results = read_results(tmp_path / "results", sha256)
        assert results.of("protocol.json").part("two_rooms").names() == kept
        assert (results.elsewhere == {}) == (sha256 == own)
    assert isinstance(results.of("liveness_test.json"), str)


def test_methods_of_other_clips_are_not_set_beside(report, made):
    made["protocol.json"]["set"] = {**made["protocol.json"]["set"], "sha256": "other"}
    made["liveness_test.json"]["set"] = {**made["liveness_test.json"]["set"], "state": "part of it"}
    text = report()[1]
    assert "the same clips" not in text
    assert "were not measured on the set that is fixed for them" in text


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
