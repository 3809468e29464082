"""``vivavoce train informed``: what is refused before anything is rendered."""

import shutil

import pytest

from edge.bundle import DEFAULT_BUNDLE
from edge.cli import main
from train import command, liveness_scenes


@pytest.fixture
def step(tmp_path, monkeypatch):
    """Return a function that runs the step on a folder with a manifest; whoever renders has gone too far."""
    pytest.importorskip("sklearn", reason="needs scikit-learn (the extra `train`)")
    pytest.importorskip("tensorflow", reason="training needs TensorFlow")

    def too_far(*_, **__):
        raise AssertionError("renders")

    monkeypatch.setattr(liveness_scenes, "build_liveness_clips", too_far)
    monkeypatch.setattr(command, "require_tensorflow", lambda: None)
    (tmp_path / "manifest.csv").write_text("path\n")

    def run(*more):
        return main(["train", "informed", "--data", str(tmp_path), "-o", str(tmp_path / "out"), *map(str, more)])

    return run


def _one_line(capsys):
    told = capsys.readouterr().err
    assert told.startswith("vivavoce: ")
    assert told.count("\n") == 1
    return told


@pytest.mark.parametrize("option", ["--clips", "--set-clips"])
def test_half_of_the_clips_are_live(step, option, capsys):
    assert step(option, 3) == 2
    assert f"{option} is 3, expected an even number" in _one_line(capsys)


def test_too_few_clips_to_halve(step, capsys):
    assert step("--clips", 2) == 2
    assert "--clips is 2, expected at least 4" in _one_line(capsys)


def test_more_than_the_frozen_set_has(step, capsys):
    assert step("--set-clips", 4002) == 2
    assert "--set-clips is 4002, expected at most 4000" in _one_line(capsys)


def test_a_checkpoint_that_was_not_converted(step, tmp_path, capsys):
    assert step("--checkpoint", tmp_path) == 2
    assert f"run 'vivavoce quantize convert {tmp_path}' first" in _one_line(capsys)


def test_a_network_of_another_role(step, tmp_path, capsys):
    (tmp_path / "wake").mkdir()
    shutil.copy(DEFAULT_BUNDLE / "wake.tflite", tmp_path / "wake" / "model_float.tflite")
    assert step("--checkpoint", tmp_path / "wake") == 2
    assert "cues" in _one_line(capsys)


def test_two_checkpoints_of_one_name(step, tmp_path, capsys):
    for folder in ("a", "b"):
        (tmp_path / folder / "liveness").mkdir(parents=True)
        shutil.copy(DEFAULT_BUNDLE / "liveness.tflite", tmp_path / folder / "liveness" / "model_float.tflite")
    assert step("--checkpoint", tmp_path / "a" / "liveness", tmp_path / "b" / "liveness") == 2
    assert "got a second liveness, expected other names" in _one_line(capsys)


def test_a_bundle_that_is_none(step, tmp_path, capsys):
    assert step("--bundle", tmp_path) == 2
    assert str(tmp_path) in _one_line(capsys)


def test_a_place_that_is_a_file(step, tmp_path, capsys):
    assert step("-o", tmp_path / "manifest.csv") == 2
    assert "is a file, expected a folder" in _one_line(capsys)
