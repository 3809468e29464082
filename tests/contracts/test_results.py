"""README and pages quote what the result files say, and the result files are about the bundle that ships."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.bundle import DEFAULT_BUNDLE
from edge.bundle_identity import bundle_hash
from train.protocol_table import protocol_table
from train.readme_tables import quantise_tables, training_tables
from train.results_table import results_table

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results"


def test_the_readme_quotes_the_result_files() -> None:
    readme = (ROOT / "README.md").read_text()
    assert results_table(RESULTS) in readme
    assert protocol_table(RESULTS, bundle_hash(DEFAULT_BUNDLE)) in readme


@pytest.mark.parametrize(("name", "tables"), [("training", training_tables), ("quantise", quantise_tables)])
def test_a_page_quotes_the_result_files(name: str, tables: Callable[[Path], dict[str, str]]) -> None:
    page = (ROOT / "docs" / f"{name}.md").read_text()
    for mark, table in tables(RESULTS).items():
        assert f"<!-- table {mark} -->\n\n{table}\n<!-- end of table -->" in page


def test_the_report_tells_what_the_result_files_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What evaluate writes is what report reads; the scores of single clips are of the same measurement."""
    pytest.importorskip("scipy")
    from edge.cli import main

    page = tmp_path / "report.html"
    assert main(["train", "report", "--results", str(RESULTS), "--json", "-o", str(page)]) == 0
    assert json.loads(capsys.readouterr().out)["missing"] == []
    told = page.read_text()
    assert "<svg" in told, "the curves need the scores"
    assert "of another measurement" not in told
    simulated = json.loads((RESULTS / "liveness_test.json").read_text())["simulated"]
    situations = told[told.index("People, by situation") :]
    for entry in (simulated["slices"]["near_and_quiet"], simulated["one_room"], simulated["live_over_television"]):
        assert f"{100 * entry['bpcer']:.1f} %" in situations
    for name in ("near_and_quiet", "near_and_quiet_without_standalone", "near_and_quiet_standalone"):
        assert f"{100 * simulated['slices'][name]['apcer']:.1f} % (" in situations


def test_the_firmware_page_says_of_which_bundle_the_pack_for_esphome_is() -> None:
    found = json.loads((RESULTS / "esphome_pack.json").read_text())
    told = (ROOT / "docs" / "firmware.md").read_text().partition("`results/esphome_pack.json`,")[2].partition(")")[0]
    assert told.split() == ["of", "the", "bundle", f"`{found['bundle_sha256'][:12]}`"]


def test_what_the_readme_says_of_the_corpora_of_long_speech_is_so() -> None:
    wake = json.loads((RESULTS / "wake_test.json").read_text())
    beside = json.loads((RESULTS / "longform_corpora_test.json").read_text())
    whole = wake["int8"]["false_accepts_longform"]
    apart = whole.get("by_corpus", beside["by_corpus"])
    if "by_corpus" not in whole:
        assert {key: beside[key] for key in ("data_hash", "bundle_sha256")} == {
            key: wake[key] for key in ("data_hash", "bundle_sha256")
        }
    assert sum(one["count"] for one in apart.values()) == apart["speechocean762"]["count"] == whole["count"] > 0
    assert sum(one["hours"] for one in apart.values()) == pytest.approx(whole["hours"], abs=0.002)
    assert apart["fillets-ng"]["hours"] > whole["hours"] / 2, "more than half of the hours are Dutch"
    assert apart["speechocean762"]["hours"] < whole["hours"] / 3, "those of the learners are less than a third"
    (limit,) = [
        one["limit"] for one in json.loads((DEFAULT_BUNDLE / "manifest.json").read_text())["limits"]["verdicts"]
        if one["id"] == "false_accepts_per_hour"
    ]  # fmt: skip
    assert apart["speechocean762"]["per_hour"] > limit >= whole["per_hour"], "met on average, and not there"
    assert apart["speechocean762"]["per_hour"] > 3 * whole["per_hour"], "several times that of all"


@pytest.mark.parametrize("name", ["wake_test.json", "liveness_test.json", "operators.json"])
def test_results_are_those_of_the_bundle_that_ships(name: str) -> None:
    result = json.loads((RESULTS / name).read_text())
    assert result["bundle_sha256"] == bundle_hash(DEFAULT_BUNDLE)


def test_the_bundle_that_ships_has_an_entry_in_the_ledger() -> None:
    shipped = bundle_hash(DEFAULT_BUNDLE)
    ledger = json.loads((RESULTS / "test_ledger.json").read_text())
    assert shipped in {entry["bundle_sha256"] for entry in ledger}
