"""``vivavoce calibrate show`` and ``undo``."""

import hashlib
import json
import shutil

import numpy as np
import pytest

from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.calibration import read_calibration
from edge.calibration_making import Judged, lines_of, make_calibration
from edge.calibration_prior import prior_for
from edge.cli import main
from tests.edge.calibrating import by_level_fixture, from_files, home_fixture, recordings_fixture  # noqa: F401  # fixtures


@pytest.fixture
def copied(tmp_path):
    """Return another bundle: the one that ships, a version later."""
    copy = tmp_path / "mine"
    shutil.copytree(DEFAULT_BUNDLE, copy)
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    # Its limits are verdicts about the one that ships.
    path.write_text(json.dumps(manifest | {"bundle_version": "99.0.0", "limits": None}))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name("manifest.json.sha256").write_text(f"{digest}  manifest.json\n")
    return copy


class TestSteps:
    def test_what_is_said_before_a_step_holds_for_it(self, home, copied, capsys):
        capsys.readouterr()
        assert main(["calibrate", "--json", "show", str(home)]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown == {"event": "calibration", "file": str(home), "holds": True, **json.loads(home.read_text())}
        assert main(["calibrate", "--bundle", str(copied), "show", str(home), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["holds"] is False
        assert main(["calibrate", "--bundle", "nowhere", "show", str(home)]) == 2
        assert main(["calibrate", "--json", "undo", str(home)]) == 0
        assert json.loads(capsys.readouterr().out)["event"] == "undone"

    def test_show_says_what_becomes_of_the_bundles_cut_offs(self, home, capsys):
        record = json.loads(home.read_text())
        record["words"] = {"alexa": {"cutoff": 0.5, "takes": 0, "heard": [0, 0], "missed": None,
                                     "false_accepts_per_hour": None}}  # fmt: skip
        home.write_text(json.dumps(record))
        capsys.readouterr()
        assert main(["calibrate", "show", str(home)]) == 0
        told = capsys.readouterr().out
        assert f"alexa: heard from a score of 0.5000 on, before {open_bundle().words[0].cutoff:.4f}" in told
        assert "the gate opens from an output of" in told

    def test_one_for_another_bundle_does_not_hold_and_that_is_said(self, home, copied, capsys):
        capsys.readouterr()
        assert main(["calibrate", "show", str(home), "--bundle", str(copied)]) == 0
        told = capsys.readouterr().out
        assert f"it does not hold for the bundle {copied}" in told
        assert "the gate opens" not in told
        assert main(["calibrate", "undo", str(home), "--bundle", str(copied)]) == 0
        told = capsys.readouterr().out
        assert "stands here again, and is for another bundle" in told
        assert "holds again" not in told
        assert main(["calibrate", "undo", str(home), "--bundle", str(copied), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["holds"] is False

    def test_without_a_bundle_nothing_is_undone(self, home, capsys):
        before = home.read_bytes()
        assert main(["calibrate", "undo", str(home), "--bundle", "nowhere"]) == 2
        assert home.read_bytes() == before

    def test_show_and_undo(self, tmp_path, by_level, recordings, capsys):
        out = tmp_path / "home.json"
        from_files(out, *recordings)
        first = out.read_bytes()
        capsys.readouterr()
        assert main(["calibrate", "show", str(out)]) == 0
        assert "6 takes of people, 6 replays" in capsys.readouterr().out
        assert main(["calibrate", "undo", str(out)]) == 0
        assert "nothing was calibrated" in capsys.readouterr().out
        assert read_calibration(out).slope == open_bundle().liveness.slope
        assert main(["calibrate", "undo", str(out)]) == 0
        assert out.read_bytes() == first

    def test_which_way_the_gate_moved_is_told(self):
        bundle = open_bundle()
        prior = prior_for(bundle)
        live, replay = ([Judged(x, ()) for x in np.linspace(low, low + 1, 20)] for low in (2.5, 0.8))
        stricter = make_calibration(bundle, prior, live, replay)
        assert lines_of(stricter, bundle)[-1].endswith("stricter")
        live, replay = ([Judged(x, ()) for x in np.linspace(low, low + 1, 20)] for low in (-1.2, -4.0))
        assert lines_of(make_calibration(bundle, prior, live, replay), bundle)[-1].endswith("more lenient")
