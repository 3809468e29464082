"""What is told of a bundle that was made again: how long it took, what made it, and the table."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.errors import DataError
from train.made_again_table import made_again_table

SCRIPT = Path(__file__).parents[1] / "bench" / "made_again.py"
ROLES = ("wake", "verifier", "liveness")


@pytest.fixture(scope="module")
def made_again():
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        spec = importlib.util.spec_from_file_location("made_again", SCRIPT)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SCRIPT.parent))
    return module


@pytest.fixture
def checkout(tmp_path):
    """Return a checkout in which the making took an hour and a half."""
    work, bundle = tmp_path / "build" / "models", tmp_path / "edge" / "data" / "bundle"
    (work / "embedding").mkdir(parents=True)
    bundle.mkdir(parents=True)
    for i, role in enumerate(ROLES):
        (work / role).mkdir()
        record = {"commit": "abc", "seed": i, "wall_s": 60.5, "machine": {"cores": 2}, "settings": {"epochs": 3}}
        (work / role / "record.json").write_text(json.dumps(record))
        os.utime(work / role / "record.json", (2_000 + i, 2_000 + i))
    (bundle / "manifest.json").write_text("{}")
    os.utime(work / "embedding", (1_000, 1_000))
    os.utime(bundle / "manifest.json", (6_400, 6_400))
    return tmp_path


def test_the_time_is_that_from_the_first_file_to_the_last(made_again, checkout):
    made = made_again.made_by(checkout)
    assert made["elapsed_s"] == 5_400
    assert [made["records"][role]["seed"] for role in ROLES] == [0, 1, 2]
    assert "settings" not in made["records"]["wake"], "the manifest of the bundle has them"


def test_a_making_that_did_not_finish_is_refused(made_again, checkout):
    os.utime(checkout / "edge/data/bundle/manifest.json", (2_001, 2_001))
    with pytest.raises(DataError, match=r"manifest\.json: is older than the networks"):
        made_again.made_by(checkout)
    (checkout / "build/models/verifier/record.json").unlink()
    with pytest.raises(DataError, match=r"verifier/record\.json: there is none"):
        made_again.made_by(checkout)


def test_a_folder_where_nothing_was_made_gets_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--made", str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert "expected a checkout in which 'make models' has run" in done.stderr
    assert "Traceback" not in done.stderr


def _words(rate, false):
    counts = {"count": false, "hours": 0.66}
    mean = {"mean_recall": {"rate": rate, "interval_95": [rate - 0.02, rate]}}
    return {
        **mean,
        "conditions": {"noise_10_db": mean},
        "false_accepts_longform": counts,
        "false_accepts_other_words": {"count": 0},
        "false_accepts_other_speech": {"count": 1},
    }


def _simulated(eer):
    rates = {}
    for name, value in (("eer", eer), ("bpcer", 0.05), ("apcer", 0.4)):
        rates |= {name: value, f"{name}_interval_95": [value - 0.01, value + 0.01]}
    return {"all": rates, "near_and_quiet": rates}


def test_the_table_tells_both_and_their_difference(tmp_path):
    apart = {"difference": 0.01, "interval_95": [-0.02, 0.03]}
    found = {
        "made": {"elapsed_s": 5_400, "records": {"wake": {"machine": {"cores": 2, "processor": "Some CPU"}}}},
        "same_bytes": {"wake": False, "verifier": True, "liveness": False},
        "wake": {
            "shipped": _words(0.97, 1), "again": _words(0.98, 2),
            "again_less_shipped": {"as_they_are": apart, "noise_10_db": apart},
        },
        "liveness": {
            "shipped": _simulated(0.24), "again": _simulated(0.25), "clips": 4_000, "same_answer": 3_600,
            "again_less_shipped": {"all": apart, "near_and_quiet": apart},
        },
    }  # fmt: skip
    (tmp_path / "made_again_dev.json").write_text(json.dumps(found))
    text = made_again_table(tmp_path)
    assert "**1.50 h** on 2 cores (Some CPU). The same bytes as those that ship: verifier." in text
    assert "| recall, as they are | 97.0 % (95.0-97.0) | 98.0 % (96.0-98.0) | +1.0 (-2.0 to +3.0) |" in text
    assert "| EER, simulated, all | 24.0 % (23.0-25.0) | 25.0 % (24.0-26.0) | +1.0 (-2.0 to +3.0) |" in text
    assert "| replays accepted, near and quiet | 40.0 % (39.0-41.0) | 40.0 % (39.0-41.0) | |" in text
    assert "1, 0 and 1 by the one that ships, 2, 0 and 1 by the one made again" in text
    assert "Of 4,000 simulated clips 90.0 % get the same answer of both." in text
    found["same_bytes"]["verifier"] = False
    (tmp_path / "made_again_dev.json").write_text(json.dumps(found))
    assert "None of its networks has the bytes" in made_again_table(tmp_path)
