"""The README quotes what the result files say, and the result files are about the bundle that ships."""

import json
from pathlib import Path

import pytest

from edge.bundle import DEFAULT_BUNDLE
from edge.bundle_identity import bundle_hash
from train.protocol_table import protocol_table
from train.results_table import results_table

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results"


def test_the_readme_quotes_the_result_files() -> None:
    readme = (ROOT / "README.md").read_text()
    assert results_table(RESULTS) in readme
    assert protocol_table(RESULTS) in readme


@pytest.mark.parametrize("name", ["wake_test.json", "liveness_test.json"])
def test_results_are_those_of_the_bundle_that_ships(name: str) -> None:
    shipped = bundle_hash(DEFAULT_BUNDLE)
    result = json.loads((RESULTS / name).read_text())
    assert result["bundle_sha256"] == shipped
    ledger = json.loads((RESULTS / "test_ledger.json").read_text())
    assert shipped in {entry["bundle_sha256"] for entry in ledger}
