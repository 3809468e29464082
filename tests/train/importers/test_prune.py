"""A corpus that is imported again and holds less: it is told, and ``--prune`` removes what is no longer needed."""

import csv
import json
import os
from pathlib import Path

import pytest

from edge.cli import EXIT_FAULT
from train.importers import leftovers


@pytest.fixture
def shrunk(corpus, run, tmp_path):
    """Return a function that imports again, the corpus having lost a recording since the first time."""
    source, data = corpus("manifest"), tmp_path / "data"
    other = corpus("speech-commands")
    assert run("import", "speech-commands", other, "--out", data, "--name", "gsc")[0] == 0

    def again(*options, first=()):
        assert run("import", "manifest", source, "--out", data, "--name", "ours", *first)[0] == 0
        manifest = source / "manifest.csv"
        kept = [line for line in manifest.read_text().splitlines(keepends=True) if not line.startswith("wake/")]
        manifest.write_text("".join(kept))
        return run("import", "manifest", source, "--out", data, "--name", "ours", *options)

    again.source, again.data = source, data
    return again


def files(data):
    return {
        path.relative_to(data).as_posix(): path.read_bytes()
        for path in sorted(data.rglob("*"))
        if path.is_file() and path.name != "manifest.csv"
    }


def paths(data):
    with (data / "manifest.csv").open(newline="") as file:
        return [row["path"] for row in csv.DictReader(file)]


def test_what_is_left_is_told_in_one_line_and_stays(shrunk):
    code, out, err = shrunk()
    assert (code, err.count("\n")) == (0, 1)
    assert "warning: " in err
    assert f"{shrunk.data / 'ours'}: 1 recordings of an earlier import are not in this one" in err
    assert "--prune removes them" in err
    assert "pruned" not in out
    assert "ours/wake/a.flac" in files(shrunk.data)
    assert "ours/wake/a.flac" not in paths(shrunk.data)


def test_pruning_removes_it_and_its_folder_and_nothing_else(shrunk):
    assert shrunk()[0] == 0
    (shrunk.data / "ours/wake/notes.txt").write_text("mine")
    (shrunk.data / "ours/noise/mine.wav").write_bytes(b"no import makes a WAV file")
    (shrunk.data / "ours/noise/.c.flac.tmp").write_text("of a killed import")
    before = files(shrunk.data)
    rows = paths(shrunk.data)
    code, out, err = shrunk("--prune", "--json")
    assert (code, err) == (0, "")
    assert [json.loads(out)[key] for key in ("left", "pruned", "clips")] == [0, 2, 1]
    gone = {"ours/wake/a.flac", "ours/noise/.c.flac.tmp"}
    assert files(shrunk.data) == {name: content for name, content in before.items() if name not in gone}
    assert paths(shrunk.data) == rows
    (shrunk.data / "ours/wake/notes.txt").unlink()
    (shrunk.data / "ours/wake/deep").mkdir()
    (shrunk.data / "ours/wake/deep/x.flac").write_bytes(b"")
    assert shrunk("--prune")[1].splitlines()[-1] == "  pruned 1"
    assert not (shrunk.data / "ours/wake").exists()
    assert shrunk("--prune")[2] == ""


def test_links_are_removed_and_not_what_they_lead_to(shrunk, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.flac").write_bytes(b"mine")
    (shrunk.data / "ours").mkdir()
    (shrunk.data / "ours/more").symlink_to(elsewhere)
    code, _, err = shrunk("--prune", "--link", first=("--link",))
    assert (code, err) == (0, "")
    assert not (shrunk.data / "ours/wake").exists()
    assert (shrunk.source / "wake/a.wav").is_file()
    assert (elsewhere / "x.flac").read_bytes() == b"mine"


def test_what_a_row_of_another_import_names_stays(shrunk):
    manifest = shrunk.data / "manifest.csv"
    row = "./ours/wake/a.flac,shop,p9,train,wake,,0.1,16000,L,,,,,\n"
    manifest.write_text(manifest.read_text() + row)
    assert shrunk("--prune")[0] == 0
    assert (shrunk.data / "ours/wake/a.flac").is_file()


def test_what_cannot_be_read_now_stays(corpus, run, tmp_path):
    source, data = corpus("asvspoof2017"), tmp_path / "data"
    arguments = ("import", "asvspoof2017", source, "--licence", "L", "--out", data)
    assert run(*arguments, "--link")[0] == 0
    before = {path.name for path in data.rglob("*.wav")}
    (source / "ASVspoof2017_V2_train/T_1000002.wav").write_bytes(b"")
    code, _, err = run(*arguments, "--link", "--prune", "--leave-out-unusable")
    assert (code, err.count("\n")) == (0, 1)
    assert {path.name for path in data.rglob("*.wav")} == before
    # Copied now, and not linked to: the other links have no row any more.
    code, out, _ = run(*arguments, "--prune", "--leave-out-unusable")
    assert "pruned 3" in out
    assert {path.name for path in data.rglob("*.wav")} == {"T_1000002.wav"}


def test_only_a_split_is_told_and_cannot_be_pruned(corpus, run, tmp_path):
    source, data = corpus("asvspoof2017"), tmp_path / "data"
    arguments = ("import", "asvspoof2017", source, "--licence", "L", "--out", data)
    assert run(*arguments)[0] == 0
    code, _, err = run(*arguments, "--only", "dev")
    assert (code, err.count("\n")) == (0, 1)
    assert "3 recordings of an earlier import are not in this one" in err
    assert "again without --only to have them back" in err
    before = files(data)
    code, _, err = run(*arguments, "--only", "dev", "--prune")
    assert (code, err.count("\n")) == (EXIT_FAULT, 1)
    assert "got --prune and --only" in err
    assert files(data) == before


@pytest.mark.parametrize("hidden", ["live/talker3/one.wav", "live"])
def test_what_cannot_be_reached_now_is_not_taken_for_gone(hidden, corpus, run, tmp_path):
    source, data = corpus("tree"), tmp_path / "data"
    arguments = ("import", "tree", source, "--licence", "L", "--out", data, "--prune")
    assert run(*arguments)[0] == 0
    before = files(data)
    # A link to a disk that is not mounted, which also root cannot read.
    (source / hidden).rename(tmp_path / "disk")
    (source / hidden).symlink_to(tmp_path / "mount")
    code, out, err = run(*arguments, "--leave-out-unusable")
    if hidden == "live":
        assert (code, out, err.count("\n")) == (EXIT_FAULT, "", 1)
    else:
        assert code == 0
        assert "talker3/one.wav: cannot be read (No such file or directory)" in err
    assert files(data) == before


def test_folders_that_cannot_be_read_are_one_line(corpus, run, tmp_path, monkeypatch):
    def scan(folder):
        if Path(folder).name in ("talker3", "bed"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    scandir = os.scandir
    for kind, licence in (("tree", ("--licence", "L")), ("speech-commands", ())):
        source, data = corpus(kind), tmp_path / f"data-{kind}"
        arguments = ("import", kind, source, *licence, "--out", data, "--prune")
        assert run(*arguments)[0] == 0
        before = files(data)
        with monkeypatch.context() as patch:
            patch.setattr(os, "scandir", scan)
            code, _, err = run(*arguments)
        assert (code, err.count("\n")) == (EXIT_FAULT, 1)
        assert "cannot be read (Permission denied), expected a folder of the corpus" in err
        assert files(data) == before


def test_rows_go_first_and_the_same_call_goes_on(shrunk, monkeypatch):
    def refuse(self, missing_ok=False):
        if self.name == "a.flac":
            raise PermissionError(13, "Permission denied", str(self))
        return unlink(self, missing_ok)

    unlink = Path.unlink
    monkeypatch.setattr(leftovers.Path, "unlink", refuse)
    code, _, err = shrunk("--prune")
    assert (code, err.count("\n")) == (EXIT_FAULT, 1)
    assert "a.flac: cannot be removed (Permission denied); no row names it any more" in err
    assert "ours/wake/a.flac" not in paths(shrunk.data)
    monkeypatch.undo()
    assert "pruned 1" in shrunk("--prune")[1]
    assert "ours/wake/a.flac" not in files(shrunk.data)


def test_nothing_is_pruned_where_the_manifest_was_not_written(shrunk):
    (shrunk.source / "noise/b.flac").write_bytes(b"")
    assert shrunk("--prune", first=("--leave-out-unusable",))[0] == EXIT_FAULT
    assert "ours/wake/a.flac" in files(shrunk.data)
    assert "ours/wake/a.flac" in paths(shrunk.data)


def test_a_data_folder_within_is_left_alone(shrunk):
    inner = shrunk.data / "ours/inner"
    (inner / "gsc").mkdir(parents=True)
    (inner / "manifest.csv").write_text("path\n")
    (inner / "gsc/x.flac").write_bytes(b"mine")
    (inner / "y.flac").write_bytes(b"mine")
    assert "pruned 1" in shrunk("--prune")[1]
    assert (inner / "gsc/x.flac").is_file()
    assert (inner / "y.flac").is_file()


def test_the_folder_of_the_import_stays_where_nothing_is_left_in_it(tmp_path):
    (tmp_path / "ours/deep").mkdir(parents=True)
    (tmp_path / "ours/deep/x.flac").write_bytes(b"")
    leftovers.remove_leftovers(tmp_path / "ours", [tmp_path / "ours/deep/x.flac"])
    assert [path.name for path in tmp_path.rglob("*")] == ["ours"]


def test_a_folder_that_is_a_link_is_left_alone(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/x.flac").write_bytes(b"")
    (tmp_path / "link").symlink_to("real")
    assert leftovers.find_leftovers(tmp_path / "link", []) == []
    assert leftovers.find_leftovers(tmp_path / "real", [tmp_path / "link/x.flac"]) == []
    assert leftovers.find_leftovers(tmp_path / "real", []) == [tmp_path / "real/x.flac"]
