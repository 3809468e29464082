"""Results and the ledger of the test split: written whole, and never lost to a fault."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edge import files
from edge.cli import main
from edge.errors import DataError
from train import results
from train.results import open_test_split, write_result
from train.score_files import write_scores


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manifest.csv").write_text("path\n")
    return tmp_path / "data"


def _full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk be full after the first bytes of a file."""

    def replace(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.Path, "replace", replace)


def test_a_result_says_where_it_comes_from(tmp_path: Path):
    write_result(tmp_path / "new" / "r.json", {"figure": 1.5}, data_hash="ab", seed=3)
    result = json.loads((tmp_path / "new" / "r.json").read_bytes())
    assert (result["figure"], result["data_hash"], result["seed"]) == (1.5, "ab", 3)
    assert result.keys() > {"made_by", "date", "commit", "machine"}
    assert "bundle_sha256" not in result


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import numpy as np

    result, ledger, scores = tmp_path / "r.json", tmp_path / "ledger.json", tmp_path / "scores.txt"
    one = (["a"], ["phone"], np.array([True]), np.array([0.5]))
    write_result(result, {"figure": 1}, data_hash="ab", seed=1)
    open_test_split(ledger, purpose="first", data_hash="ab")
    write_scores(scores, *one)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    _full(monkeypatch)
    for write in (
        lambda: write_result(result, {"figure": 2}, data_hash="ab", seed=1),
        lambda: open_test_split(ledger, purpose="second", data_hash="ab"),
        lambda: write_scores(scores, *one),
    ):
        with pytest.raises(DataError, match="No space left on device"):
            write()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_openings_are_added_to_those_that_are_there(tmp_path: Path):
    for purpose in ("first", "second"):
        open_test_split(tmp_path / "new" / "ledger.json", purpose=purpose, data_hash="ab")
    entries = json.loads((tmp_path / "new" / "ledger.json").read_bytes())
    assert [entry["purpose"] for entry in entries] == ["first", "second"]


@pytest.mark.parametrize("content", [b"", b"[{}", b"{}", b"null", b"[1]", b"\xff", b"[" * 100_000])
def test_a_damaged_ledger_stays_as_it_is_and_nothing_is_opened(content: bytes, tmp_path: Path):
    ledger = tmp_path / "ledger.json"
    ledger.write_bytes(content)
    with pytest.raises(DataError, match=r"ledger\.json: got .*restore it.*was not opened") as caught:
        open_test_split(ledger, purpose="x", data_hash="ab")
    assert "\n" not in str(caught.value)
    assert ledger.read_bytes() == content


@pytest.mark.parametrize("place", ["folder", "file/below", "pipe"])
def test_a_ledger_that_is_no_file_is_one_line(
    place: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    from train import command

    monkeypatch.setattr(command, "require_tensorflow", lambda: None)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    os.mkfifo(tmp_path / "pipe")
    call = ["train", "baseline", "majority", "--data", str(data), "--split", "test", "-o", str(tmp_path / "out")]
    assert main([*call, "--cache", str(tmp_path / "cache"), "--ledger", str(tmp_path / place)]) == 2
    told = capsys.readouterr().err
    assert str(tmp_path / place) in told
    assert told.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--clips", "0", "--clips is 0, expected an even number from 2"),
        ("--clips", "1", "--clips is 1,"),
        ("--clips", "-2", "--clips is -2,"),
        ("--clips", "7", "--clips is 7,"),
        ("-o", "data/manifest.csv", "manifest.csv is a file, expected a folder"),
        ("--cache", "data/manifest.csv/below", "manifest.csv is a file, expected a folder"),
    ],
)
def test_an_evaluation_that_cannot_be_made_opens_nothing(
    option: str, value: str, told: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    from train import command

    monkeypatch.setattr(command, "require_tensorflow", lambda: None)
    monkeypatch.chdir(tmp_path)
    ledger = tmp_path / "ledger.json"
    call = ["train", "evaluate", "--data", str(data), "--split", "test", "--ledger", str(ledger)]
    assert main([*call, "-o", "out", "--cache", "cache", option, value]) == 2
    message = capsys.readouterr().err
    assert told in message
    assert message.count("\n") == 1
    assert not ledger.exists()


def test_openings_at_the_same_time_are_all_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "commit_hash", lambda: "abc")
    read = results._entries

    def slowly(ledger: Path) -> list[dict[str, str]]:
        found = read(ledger)
        time.sleep(0.05)  # the others read meanwhile, unless they have to wait
        return found

    monkeypatch.setattr(results, "_entries", slowly)
    ledger = tmp_path / "new" / "ledger.json"
    purposes = [f"opening {number}" for number in range(4)]
    # Each opening has a handle of its own, so that threads wait for each other as processes do.
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda purpose: open_test_split(ledger, purpose=purpose, data_hash="ab"), purposes))
    assert sorted(entry["purpose"] for entry in read(ledger)) == purposes
    assert [path.name for path in ledger.parent.iterdir()] == ["ledger.json"]
