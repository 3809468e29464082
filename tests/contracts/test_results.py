"""README and training page quote what the result files say, and the result files are about the bundle that ships."""

import json
from pathlib import Path

import pytest

from edge.bundle import DEFAULT_BUNDLE
from edge.bundle_identity import bundle_hash
from train.protocol_table import protocol_table
from train.readme_tables import training_tables
from train.results_table import results_table

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results"


def test_the_readme_quotes_the_result_files() -> None:
    readme = (ROOT / "README.md").read_text()
    assert results_table(RESULTS) in readme
    assert protocol_table(RESULTS) in readme


def test_the_training_page_quotes_the_result_files() -> None:
    page = (ROOT / "docs" / "training.md").read_text()
    for name, table in training_tables(RESULTS).items():
        assert f"<!-- table {name} -->\n\n{table}\n<!-- end of table -->" in page


def test_the_report_tells_what_the_result_files_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What evaluate writes is what report reads; the scores of single clips are of the same measurement."""
    pytest.importorskip("scipy")
    from edge.cli import main

    page = tmp_path / "report.html"
    assert main(["train", "report", "--results", str(RESULTS), "--json", "-o", str(page)]) == 0
    # The protocol is measured with a bundle, but is about the data: it may be of an older one.
    assert set(json.loads(capsys.readouterr().out)["missing"]) <= {"protocol.json"}
    told = page.read_text()
    assert "<svg" in told, "the curves need the scores"
    assert "of another measurement" not in told
    simulated = json.loads((RESULTS / "liveness_test.json").read_text())["simulated"]
    situations = told[told.index("People, by situation") :]
    for entry in (simulated["slices"]["near_and_quiet"], simulated["one_room"], simulated["live_over_television"]):
        assert f"{100 * entry['bpcer']:.1f} %" in situations
    for name in ("near_and_quiet", "near_and_quiet_without_standalone", "near_and_quiet_standalone"):
        assert f"{100 * simulated['slices'][name]['apcer']:.1f} % (" in situations


@pytest.mark.parametrize("name", ["wake_test.json", "liveness_test.json"])
def test_results_are_those_of_the_bundle_that_ships(name: str) -> None:
    shipped = bundle_hash(DEFAULT_BUNDLE)
    result = json.loads((RESULTS / name).read_text())
    assert result["bundle_sha256"] == shipped
    ledger = json.loads((RESULTS / "test_ledger.json").read_text())
    assert shipped in {entry["bundle_sha256"] for entry in ledger}
