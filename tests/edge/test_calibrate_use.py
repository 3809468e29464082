"""What uses a calibration: ``vivavoce run``, and the daemon."""

import json

import pytest

from edge.bundle import open_bundle
from edge.calibration import read_calibration
from edge.cli import main
from edge.daemon_settings import load, rules_of
from edge.errors import DataError
from tests.edge.calibrating import by_level_fixture, home_fixture, recordings_fixture  # noqa: F401  # fixtures


@pytest.fixture
def foreign(home):
    record = json.loads(home.read_text())
    record["bundle"]["sha256"] = "0" * 64
    path = home.with_name("foreign.json")
    path.write_text(json.dumps(record))
    return path


class TestUse:
    def settings(self, folder, calibration):
        path = folder / "daemon.toml"
        path.write_text(f'[gate]\ncalibration = "{calibration}"\n[source]\nkind = "file"\npath = "x"\n')
        return load(path)

    def test_run_refuses_that_of_another_bundle(self, foreign, recordings, capsys):
        assert main(["run", "--calibration", str(foreign), recordings[0][0]]) == 2
        errors = capsys.readouterr().err
        assert "foreign.json: bundle.sha256: got 0000" in errors
        assert errors.count("\n") == 1

    def test_run_judges_by_it(self, home, recordings, monkeypatch, capsys):
        seen = []
        import edge.pipeline

        real = edge.pipeline.Pipeline
        monkeypatch.setattr(
            edge.pipeline, "Pipeline", lambda bundle, **more: seen.append(bundle.liveness.slope) or real(bundle, **more)
        )
        assert main(["run", "--calibration", str(home), recordings[0][0]]) == 0
        assert seen == [read_calibration(home).slope]

    def test_the_daemon_judges_by_it_and_keeps_the_bundle_as_it_is(self, tmp_path, home):
        rules = rules_of(self.settings(tmp_path, home))
        assert rules.bundle.liveness.slope == read_calibration(home).slope
        assert rules.unfitted == open_bundle()

    def test_the_daemon_leaves_out_that_of_another_bundle(self, tmp_path, foreign, caplog):
        rules = rules_of(self.settings(tmp_path, foreign))
        assert rules.bundle.liveness.slope == open_bundle().liveness.slope
        assert "gate.calibration: left out" in caplog.text

    def test_the_daemon_refuses_a_damaged_one_when_settings_are_read(self, tmp_path, home):
        home.write_text("{}")
        with pytest.raises(DataError, match=r"home\.json"):
            self.settings(tmp_path, home)
