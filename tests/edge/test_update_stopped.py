"""``vivavoce update``: stopped in the middle, by a full disk or a kill."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.slots import Slots
from tests.edge.update_calls import bundle_fixture, pack  # noqa: F401  # fixtures

BENCH = Path(__file__).parents[1] / "bench" / "update_faults.py"


def test_a_disk_that_is_full_is_one_line(bundle, tmp_path):
    archive = pack(bundle, tmp_path / "b.tar")
    slots = tmp_path / "slots"
    before = Slots(slots).initialise()
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000)); "
        "from edge.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["update", "install", str(archive), "--slots", str(slots), "--allow-unsigned"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"vivavoce: \S+ cannot be written \(File too large\), expected room.*\n", done.stderr)
    assert Slots(slots).state() == before
    shutil.rmtree(slots / "fetch", ignore_errors=True)


@pytest.mark.parametrize("scene", ["staged over an old one", "switched", "rolled back"])
def test_an_update_that_is_stopped_anywhere_leaves_a_bundle_that_works(tmp_path, scene):
    """The bench does the same for every step, and looks at every outcome of a loss of power."""
    done = subprocess.run(
        [
            sys.executable,
            str(BENCH),
            "--scene",
            scene,
            "--commands",
            "0",
            "--every",
            "9",
            "-o",
            str(tmp_path / "r.json"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "r.json").read_bytes())
    assert result["faults"] == 0
    assert result["kills"] >= 13
    assert 2 * result["kills_inside_a_write"] >= result["kills"] - 2
    assert result["different_outcomes"] >= 8
