"""``vivavoce train evaluate``: what is found to be wrong before the test split is opened costs no opening."""

import pytest

pytest.importorskip("scipy")
pytest.importorskip("sklearn")

from edge.cli import main

HEADER = "path,corpus,speaker,split,role,label,seconds,native_hz,licence"


@pytest.mark.parametrize(
    ("rows", "given", "told"),
    [
        (["a.flac,c,ann,test,wake,alexa,1,16000,CC0-1.0"], (), "no recordings of role noise, expected some"),
        (["a.flac,c,ann,test,noise,,1,16000,CC0-1.0"], (), "the split has no recordings of alexa, "),
        (["a.flac,c,ann,tset,wake,alexa,1,16000,CC0-1.0"], (), "tset"),
        ([], ("--clips", "3"), "--clips is 3, expected an even number from 2, half of them live"),
        ([], ("--void-clips", "0"), "--void-clips is 0, expected an even number from 2"),
    ],
)
def test_a_fault_before_the_split_is_opened_costs_no_opening(tmp_path, capsys, rows, given, told):
    data, ledger = tmp_path / "data", tmp_path / "ledger.json"
    data.mkdir()
    (data / "manifest.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    options = ["--data", str(data), "--split", "test", "--ledger", str(ledger), "-o", str(tmp_path / "out"), *given]
    assert main(["train", "evaluate", *options]) == 2
    said = capsys.readouterr().err.strip()
    assert told in said
    assert len(said.splitlines()) == 1
    assert not ledger.exists()
