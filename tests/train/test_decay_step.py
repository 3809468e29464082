"""``vivavoce train decay`` on made-up renderings."""

import json

import pytest

from edge.cli import main
from edge.decay_reference import read_decay_reference
from tests.train.synthetic_speech import rendered, whole
from train import command, liveness_scenes


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Return a folder of which clips are rendered in no time; do without TensorFlow, which the step does not need."""

    def build(data, population, cache, *, n, seed, cues, keep):
        assert (population.talkers, keep) == ("dev", "whole")
        return whole(rendered("dev", n, 1))

    monkeypatch.setattr(liveness_scenes, "build_liveness_clips", build)
    monkeypatch.setattr(command, "require_tensorflow", lambda: None)
    (tmp_path / "manifest.csv").write_text("path\n")
    return tmp_path


def _run(data, *arguments):
    return main(["train", "decay", "--data", str(data), "-o", str(data / "decay.json"), *arguments])


def test_the_file_is_one_that_the_demo_reads(data, capsys):
    assert _run(data, "--set-clips", "80") == 0
    made = read_decay_reference(data / "decay.json")
    assert (made.live.clips, made.replay.clips) == (40, 40)
    record = json.loads((data / "decay.json").read_text())
    assert record["set"]["clips"] == 80
    assert record["set"]["state"] == "other data"
    assert sum(record["replays_of_kind"].values()) == 40
    assert {"commit", "seed", "data_hash", "machine", "recipe_sha256"} <= record.keys()
    assert capsys.readouterr().out.startswith(f"{data / 'decay.json'}: 40 live clips and 40 simulated replays")


@pytest.mark.parametrize("clips", ["0", "-1", "4001"])
def test_a_number_of_clips_that_there_is_not_is_refused(data, capsys, clips):
    assert _run(data, "--set-clips", clips) == 2
    assert f"--set-clips: got {clips}" in capsys.readouterr().err
    assert not (data / "decay.json").exists()


def test_too_few_clips_are_told_and_nothing_is_written(data, capsys):
    assert _run(data, "--set-clips", "20") == 2
    assert "got 10 live clips" in capsys.readouterr().err
    assert not (data / "decay.json").exists()
