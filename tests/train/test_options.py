"""The options of the training steps, as a user meets them."""

import argparse
import re
from pathlib import Path

import pytest

from edge.cli import main
from edge.errors import UsageError
from train import command
from train.command import STEPS
from train.options import add_shared_options, check_folders
from train.steps import evaluate


def test_the_test_split_is_opened_on_request_and_counted_in_one_place(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    evaluate.configure(parser)
    assert parser.parse_args(["--data", "d"]).split == "dev"
    given = parser.parse_args(["--data", "d", "--split", "test", "--out", "elsewhere"])
    assert given.ledger == Path(__file__).resolve().parents[2] / "results" / "test_ledger.json"


@pytest.mark.parametrize("step", STEPS)
def test_every_option_and_step_is_explained(step, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        main(["train", step, "--help"])
    text = capsys.readouterr().out
    # An option too long for its column is explained on the next line.
    explained = re.findall(r"^  (-.*?)\s{2,}(\S.*)$", text, flags=re.MULTILINE)
    assert len(explained) == len(re.findall(r"^  -", text, flags=re.MULTILINE))
    for option, words in explained:
        assert not words.startswith("["), option
    assert f"  vivavoce train {step} " in text.partition("example")[2], "an example to copy"


@pytest.mark.parametrize("seed", ["-1", "1.5", "many", "2147483648", "-99999999999999999999"])
def test_a_seed_that_none_can_draw_from_is_one_line(seed, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["train", "render", "--data", str(tmp_path), "-o", str(tmp_path / "out"), f"--seed={seed}"])
    told = capsys.readouterr().err
    assert f"--seed: got '{seed}', expected a whole number from 0 to 2147483647" in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("seed", ["0", "2147483647"])
def test_a_seed_is_taken_up_to_its_ends(seed):
    parser = argparse.ArgumentParser()
    add_shared_options(parser, rendered="clips")
    assert parser.parse_args(["--data", "d", "--seed", seed]).seed == int(seed)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("file", "is a file"),
        ("file/below/it", "is a file"),
        ("dangling", "is a file"),
        ("x" * 300, "File name too long"),
    ],
)
def test_what_can_be_no_folder_is_refused(name, told, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=told):
        check_folders(argparse.Namespace(out=tmp_path / name), "out")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("option", "told"),
    [("-o", "--out {} is a folder, expected the name of a file"), ("--cache", "--cache {}/here: {}/here is a file")],
)
def test_cutoffs_are_not_chosen_for_a_place_that_takes_none(option, told, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "require_tensorflow", lambda: None)
    (tmp_path / "here").write_text("mine")
    place = tmp_path / "here" if option == "--cache" else tmp_path
    call = ["train", "cutoffs", "--data", str(tmp_path / "none"), "--bundle", str(tmp_path / "none")]
    assert main([*call, "-o", str(tmp_path / "cutoffs.json"), option, str(place)]) == 2
    message = capsys.readouterr().err
    assert told.format(*[tmp_path] * 2) in message
    assert message.count("\n") == 1


def test_folders_that_are_there_or_can_be_made_are_taken(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    for folder in (None, tmp_path, tmp_path / "new" / "deeper", tmp_path / "link" / "new"):
        check_folders(argparse.Namespace(out=folder), "out")
