"""``vivavoce calibrate`` from files: what is written and told, and calls that cannot work."""

import json

import numpy as np
import pytest
import soundfile

from edge.bundle import open_bundle
from edge.calibration import read_calibration
from edge.cli import main
from tests.edge.calibrating import by_level_fixture, files, from_files, recordings_fixture  # noqa: F401  # fixtures


class TestFiles:
    def test_it_is_written_and_told(self, tmp_path, by_level, recordings, capsys):
        out = tmp_path / "home.json"
        assert from_files(out, *recordings) == 0
        told = capsys.readouterr().out
        assert "from 6 takes of people, 6 replays" in told
        assert "live words refused: before" in told
        found = read_calibration(out)
        assert (found.live, found.replay) == (6, 6)
        assert found.slope > open_bundle().liveness.slope  # they lie farther apart than the bundle expects

    def test_json_is_the_file(self, tmp_path, by_level, recordings, capsys):
        out = tmp_path / "home.json"
        assert from_files(out, *recordings, "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert {"event": "calibrated", "file": str(out), **json.loads(out.read_text())} == told

    def test_replays_as_live_as_takes_write_nothing(self, tmp_path, by_level, recordings, capsys):
        out = tmp_path / "home.json"
        live, _ = recordings
        assert from_files(out, live, files(tmp_path, "more", 3.0, 6)) == 2
        assert "cannot be calibrated, and nothing was written" in capsys.readouterr().err
        assert not out.exists()

    def test_a_file_given_twice_counts_once(self, tmp_path, by_level, recordings, capsys):
        live, replay = recordings
        assert from_files(tmp_path / "home.json", live[:2] * 5, replay) == 2
        assert "got 2 takes of people" in capsys.readouterr().err

    def test_what_the_gate_gives_no_answer_to_is_left_out(self, tmp_path, recordings, capsys):
        # By the real network: digital silence has no answer.
        silent = tmp_path / "silent.wav"
        soundfile.write(silent, np.zeros(16_000), 16_000)
        assert from_files(tmp_path / "home.json", [str(silent)] * 6, recordings[1]) == 2
        errors = capsys.readouterr().err
        assert "silent.wav" in errors
        assert "got 0 takes of people that can be judged" in errors

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ((), "--out: got none"),
            (("--out", "x.json"), "--word: got none"),
            (("--out", "x.json", "--live", "a.wav"), "--replay: got none beside --live"),
            (("--out", "x.json", "--replay", "a.wav"), "--live: got none beside --replay"),
            (("--out", "x.json", "--live", "a.wav", "--replay", "a.wav"), "given with --live, too"),
            (("--out", "x.json", "--live", "a.wav", "--replay", "b.wav"), "a.wav"),
            (("--out", "x.json", "--live", "a.wav", "--replay", "b.wav", "--word", "w"), "word: got 'w'"),
            (("--out", "x.json", "--word", "w", "--most-false-accepts", "-1"), "--most-false-accepts: got -1"),
            (("--out", "x.json", "--word", "w", "--most-false-accepts", "nan"), "--most-false-accepts: got nan"),
            (("--out", "x.json", "--word", "w", "--takes", "4"), "--takes: got 4"),
            (("--out", "none/x.json", "--word", "w"), "none is no folder"),
            (("show", "x.json"), "x.json"),
            (("undo", "x.json"), "x.json"),
            (
                ("--out", "/proc/none/x.json", "--live", "a.wav", "--replay", "b.wav"),
                "/proc/none/x.json: cannot be writ",
            ),
            (("shows", "x.json"), "did you mean"),
        ],
    )
    def test_calls_that_cannot_work_are_one_line(self, tmp_path, monkeypatch, capsys, arguments, told):
        monkeypatch.chdir(tmp_path)
        assert main(["calibrate", *arguments]) == 2
        errors = capsys.readouterr().err
        assert told in errors
        assert errors.count("\n") == 1
        assert list(tmp_path.iterdir()) == []
