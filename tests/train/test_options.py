"""The options of the training steps, as a user meets them."""

import argparse
import re
from pathlib import Path

import pytest

from edge.cli import main
from train.command import STEPS
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
