"""``vivavoce train baseline`` on made-up renderings: fitted, fixed and measured where it says."""

import json

import numpy as np
import pytest

from edge.cli import main
from edge.errors import DataError
from tests.train.synthetic_speech import rendered, whole
from train import command, liveness_scenes
from train.baseline_models import BASELINES
from train.frozen_set import SEED
from train.metrics import equal_error_rate
from train.score_files import read_scores
from train.steps import baseline

pytest.importorskip("sklearn", reason="needs scikit-learn (the extra `train`)")

SMALL = ("--clips", "60", "--dev-clips", "40", "--set-clips", "30", "--components", "2", "--seed", "0")


@pytest.fixture
def asked(monkeypatch):
    """Render in no time, and tell what was asked for; do without TensorFlow, which no baseline needs."""
    calls = []

    def build(data, split, cache, *, n, seed, cues, keep, engine):
        split = getattr(split, "talkers", split)
        calls.append((split, n, seed))
        clips = rendered(split, n, seed)
        return whole(clips) if keep == "whole" else clips

    monkeypatch.setattr(liveness_scenes, "build_liveness_clips", build)
    monkeypatch.setattr(command, "require_tensorflow", lambda: None)
    return calls


@pytest.fixture
def data(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manifest.csv").write_text("path\n")
    return tmp_path / "data"


def _run(data, *arguments):
    ledger = data.parent / "ledger.json"
    out = data.parent / "out"
    return main(["train", "baseline", *arguments, "--data", str(data), "--ledger", str(ledger), "-o", str(out), *SMALL])


def test_all_of_them_on_dev(asked, data, capsys):
    scores = data.parent / "scores"
    assert _run(data, *BASELINES, "--scores", str(scores)) == 0
    assert asked == [("train", 60, 300), ("dev", 40, 400), ("dev", 30, SEED)]
    assert not (data.parent / "ledger.json").exists()
    result = json.loads((data.parent / "out" / "baselines_dev.json").read_text())
    assert {"commit", "seed", "data_hash", "machine", "made_by"} <= result.keys()
    assert "bundle_sha256" not in result
    assert result["set"]["clips"] == 30
    assert result["set"]["state"] == "other data"
    assert "cut-off and calibration come from other renderings" in result["what"]
    simulated = result["simulated"]
    assert tuple(simulated) == BASELINES
    assert simulated["majority"]["all"]["eer"] == 0.5
    assert simulated["majority"]["all"]["cllr"] == pytest.approx(1.0)
    assert max(simulated[name]["all"]["eer"] for name in ("void", "lfcc-gmm")) <= 0.1
    for name, entry in simulated.items():
        trials = read_scores(scores / f"{name}_dev_scores.txt")
        assert len(trials.names) == 30
        assert equal_error_rate(trials.scores[trials.live], trials.scores[~trials.live]) == entry["all"]["eer"]
        assert np.mean(trials.scores[trials.live] < entry["cutoff"]) == entry["all"]["bpcer"]
        det = np.loadtxt(scores / f"{name}_dev_det.csv", delimiter=",", skiprows=1)
        assert (det[0, 1:].tolist(), det[-1].tolist()) == ([0.0, 1.0], [np.inf, 1.0, 0.0])


def test_the_same_call_gives_the_same_figures(asked, data):
    results = []
    for _ in range(2):
        assert _run(data, "void", "lfcc-gmm") == 0
        simulated = json.loads((data.parent / "out" / "baselines_dev.json").read_text())["simulated"]
        results.append([entry["all"] for entry in simulated.values()])
    assert results[0] == results[1]


def test_the_cutoff_is_fixed_on_dev_when_test_is_measured(asked, data):
    assert _run(data, "f70", "--split", "test", "--live-refused", "0.25") == 0
    assert asked == [("train", 60, 300), ("dev", 40, 400), ("test", 30, SEED)]
    (entry,) = json.loads((data.parent / "ledger.json").read_text())
    assert (entry["purpose"], entry["bundle_sha256"]) == ("vivavoce train baseline f70", None)
    result = json.loads((data.parent / "out" / "baselines_test.json").read_text())
    assert "other renderings" not in result["what"]

    from edge.cues import CueSettings
    from train.baseline_models import judged_audio
    from train.baselines import f70_hz

    dev = rendered("dev", 40, 400)
    live = [a for a, one in zip(judged_audio(dev, CueSettings()), dev["live"], strict=True) if one]
    hz = [f70_hz(audio, CueSettings()) for audio in live]
    assert result["simulated"]["f70"]["cutoff"] == pytest.approx(np.quantile(-np.array(hz), 0.25))


def test_an_opening_that_fails_is_counted(monkeypatch, data, capsys):
    def fail(*_, **__):
        raise DataError("no such clips")

    monkeypatch.setattr(liveness_scenes, "build_liveness_clips", fail)
    monkeypatch.setattr(command, "require_tensorflow", lambda: None)
    assert _run(data, "majority", "--split", "test") == 2
    assert len(json.loads((data.parent / "ledger.json").read_text())) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--clips", "10", "--clips is 10"),
        ("--set-clips", "0", "--set-clips is 0"),
        ("--live-refused", "1", "a share from 0 to below 1"),
        ("--live-refused", "nan", "a share from 0 to below 1"),
        ("--components", "0", "expected at least 1"),
    ],
)
def test_what_cannot_be_done_is_refused_before_test_is_opened(option, value, told, asked, data, capsys):
    out = ["train", "baseline", "f70", "--data", str(data), "--split", "test", "-o", str(data.parent / "out")]
    assert main([*out, "--ledger", str(data.parent / "ledger.json"), *SMALL, option, value]) == 2
    told_lines = capsys.readouterr().err
    assert told in told_lines
    assert told_lines.count("\n") == 1
    assert asked == []
    assert not (data.parent / "ledger.json").exists()


@pytest.mark.parametrize("option", ["-o", "--scores", "--cache"])
@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_file_in_place_of_a_folder_is_refused_before_anything_is_fitted(option, below, asked, data, capsys):
    file, ledger = data / "manifest.csv", data.parent / "ledger.json"
    command = ["train", "baseline", "majority", "--data", str(data), "--split", "test", "--ledger", str(ledger)]
    assert main([*command, "-o", str(data.parent / "out"), *SMALL, option, str(file / below)]) == 2
    told = capsys.readouterr().err
    assert f"{file} is a file, expected a folder" in told
    assert told.count("\n") == 1
    assert asked == []
    assert not ledger.exists()


def test_the_help_knows_every_baseline():
    assert baseline._NAMES == BASELINES


def test_the_calibration_is_that_of_dev_and_not_of_what_is_measured(asked, data):
    from edge.cues import CueSettings
    from train.baseline_models import judged_audio
    from train.baselines import f70_hz
    from train.calibration import fit_calibration

    assert _run(data, "f70", "--split", "test") == 0
    result = json.loads((data.parent / "out" / "baselines_test.json").read_text())["simulated"]["f70"]

    def fitted(split, n, seed):
        clips = rendered(split, n, seed)
        scores = -np.array([f70_hz(audio, CueSettings()) for audio in judged_audio(clips, CueSettings())])
        live = np.asarray(clips["live"], bool)
        line = fit_calibration(scores[live], scores[~live])
        return [line.slope, line.offset]

    found = [result["calibration"]["slope"], result["calibration"]["offset"]]
    assert found == pytest.approx(fitted("dev", 40, 400), rel=1e-3)
    assert found != pytest.approx(fitted("test", 30, 500), rel=1e-2)
