"""``vivavoce train ceiling``: what is refused before anything is rendered."""

import pytest

from edge.cli import main
from train import command, liveness_training


@pytest.fixture
def step(tmp_path, monkeypatch):
    """Return a function that runs the step on a folder with a manifest; whoever renders has gone too far."""
    pytest.importorskip("sklearn", reason="needs scikit-learn (the extra `train`)")
    pytest.importorskip("tensorflow", reason="training needs TensorFlow")

    def too_far(*_, **__):
        raise AssertionError("renders")

    monkeypatch.setattr(liveness_training, "liveness_clips", too_far)
    monkeypatch.setattr(command, "require_tensorflow", lambda: None)
    (tmp_path / "manifest.csv").write_text("path\n")

    def run(*more):
        return main(["train", "ceiling", "--data", str(tmp_path), "-o", str(tmp_path / "out"), *map(str, more)])

    return run


def _one_line(capsys):
    told = capsys.readouterr().err
    assert told.startswith("vivavoce: ")
    assert told.count("\n") == 1
    return told


@pytest.mark.parametrize("option", ["--clips", "--dev-clips", "--set-clips"])
def test_half_of_the_clips_are_live(step, option, capsys):
    assert step(option, 3) == 2
    assert f"{option} is 3, expected an even number" in _one_line(capsys)


def test_a_checkpoint_that_was_not_converted(step, tmp_path, capsys):
    assert step("--checkpoint", tmp_path) == 2
    assert f"run 'vivavoce quantize convert {tmp_path}' first" in _one_line(capsys)


def test_a_bundle_that_is_none(step, tmp_path, capsys):
    assert step("--bundle", tmp_path) == 2
    assert str(tmp_path) in _one_line(capsys)


def test_a_place_that_is_a_file(step, tmp_path, capsys):
    assert step("-o", tmp_path / "manifest.csv") == 2
    assert "is a file, expected a folder" in _one_line(capsys)


def test_settings_that_are_none(step, tmp_path, capsys):
    assert step("--settings", tmp_path / "manifest.csv") == 2
    assert "manifest.csv" in _one_line(capsys)
