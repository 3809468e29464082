"""An import is whole or not there, can be interrupted, and never writes into the corpus."""

import csv
import errno
import hashlib
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.cli import EXIT_FAULT
from edge.errors import DataError
from train import atomic_file
from train.importers import audio_copy, journal
from train.importers.folder_lock import only_writer
from train.importers.found import Options
from train.importers.kinds import layout
from train.importers.run import import_recordings


def snapshot(folder):
    """Return every file of a folder, hidden ones too, with what it holds and when it changed."""
    return {
        path.relative_to(folder).as_posix(): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def contents(folder):
    return {name: sha256 for name, (sha256, _) in snapshot(folder).items()}


def brought(source, out, **settings):
    found = layout("asvspoof2017").find(source, Options("L"))
    return import_recordings(found, source, out, "a17", **settings)


def test_the_same_corpus_gives_the_same_bytes_and_is_not_touched(corpus, tmp_path):
    source = corpus("asvspoof2017")
    before = snapshot(source)
    brought(source, tmp_path / "one")
    brought(source, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert sorted(contents(tmp_path / "one")) == [
        "a17/ASVspoof2017_V2_dev/D_1000001.flac",
        "a17/ASVspoof2017_V2_eval/E_1000001.flac",
        "a17/ASVspoof2017_V2_train/T_1000001.flac",
        "a17/ASVspoof2017_V2_train/T_1000002.flac",
        "manifest.csv",
    ]
    assert snapshot(source) == before


def test_what_is_16_khz_mono_and_16_bits_keeps_its_samples_and_the_manifest_has_the_hash_of_the_file(corpus, tmp_path):
    source = corpus("asvspoof2017")
    rows = brought(source, tmp_path / "data").rows
    for row in rows:
        file = tmp_path / "data" / row["path"]
        assert row["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        original = source / file.parent.name / f"{file.stem}.wav"
        assert soundfile.read(file, dtype="int16")[0].tobytes() == soundfile.read(original, dtype="int16")[0].tobytes()


def test_links_leave_the_bytes_where_they_are(corpus, tmp_path, write_audio):
    source = corpus("asvspoof2017")
    write_audio(source / "ASVspoof2017_V2_dev" / "D_1000001.wav", rate_hz=48_000)
    brought(source, tmp_path / "data", link=True)
    linked = tmp_path / "data/a17/ASVspoof2017_V2_train/T_1000001.wav"
    assert linked.is_symlink()
    assert linked.resolve() == (source / "ASVspoof2017_V2_train/T_1000001.wav").resolve()
    converted = tmp_path / "data/a17/ASVspoof2017_V2_dev/D_1000001.flac"
    assert not converted.is_symlink()
    assert soundfile.info(converted).samplerate == 16_000


def test_an_interrupted_import_goes_on_and_ends_with_the_same_bytes(corpus, tmp_path, monkeypatch):
    source = corpus("asvspoof2017")
    brought(source, tmp_path / "whole")
    real, calls = audio_copy.bring, []

    def stops(file, target, **settings):
        calls.append(file.name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(file, target, **settings)

    monkeypatch.setattr("train.importers.run.bring", stops)
    with pytest.raises(KeyboardInterrupt):
        brought(source, tmp_path / "data")
    assert not (tmp_path / "data/manifest.csv").exists()
    # What a lost machine may leave behind: an entry that was cut short.
    with (tmp_path / "data/.a17.import.jsonl").open("a") as file:
        file.write('{"target": "x", "ke')
    calls.clear()
    monkeypatch.setattr("train.importers.run.bring", lambda *a, **k: calls.append(a[0].name) or real(*a, **k))
    assert brought(source, tmp_path / "data").resumed == 2
    assert len(calls) == 2
    assert contents(tmp_path / "data") == contents(tmp_path / "whole")


def test_what_is_finished_after_an_entry_that_was_cut_short_counts_too(tmp_path):
    path = tmp_path / "journal"
    (tmp_path / "x").write_bytes(b"1234")
    copied = audio_copy.Copied("ab", 4, 0.1, 16_000)
    first = journal.Journal(path)
    first.add("x", "k1", copied)
    path.write_bytes(path.read_bytes()[:-10])
    second = journal.Journal(path)
    assert second.done("x", "k1") is None
    second.add("x", "k2", copied)
    assert journal.Journal(path).done("x", "k2") == copied
    assert journal.Journal(path).done("x", "k1") is None


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        '{"target": "x", "key": "k", "copied": {"sha256": "ab", "size": 4, "seconds": "long", "native_hz": 16000}}',
        '{"target": ["x"], "key": "k", "copied": {"sha256": "ab", "size": 4, "seconds": 0.1, "native_hz": 16000}}',
    ],
    ids=["deep", "text for a number", "list for a name"],
)
def test_an_entry_that_nobody_wrote_is_left_out(line, tmp_path):
    path = tmp_path / "journal"
    (tmp_path / "x").write_bytes(b"1234")
    path.write_text(f"{line}\n")
    assert journal.Journal(path).done("x", "k") is None
    assert path.read_text() == ""


@pytest.mark.parametrize("change", ["source", "target"])
def test_what_changed_since_is_not_taken_for_finished(change, corpus, tmp_path, monkeypatch, write_audio):
    source = corpus("asvspoof2017")
    monkeypatch.setattr(journal.Journal, "remove", lambda self: None)
    brought(source, tmp_path / "data")
    assert brought(source, tmp_path / "data").resumed == 4
    if change == "source":
        write_audio(source / "ASVspoof2017_V2_train/T_1000001.wav", seed=77)
    else:
        (tmp_path / "data/a17/ASVspoof2017_V2_train/T_1000001.flac").write_bytes(b"fLaC")
    assert brought(source, tmp_path / "data").resumed == 3
    monkeypatch.undo()
    brought(source, tmp_path / "anew")
    monkeypatch.undo()
    assert (tmp_path / "data/manifest.csv").read_bytes() == (tmp_path / "anew/manifest.csv").read_bytes()


@pytest.mark.parametrize("full_at", [1, 2, 3, 5, 6])
def test_a_full_disk_leaves_nothing_half_written_and_the_same_command_goes_on(full_at, corpus, tmp_path, monkeypatch):
    """Fail the n-th file that is put in place: the journal, one of four recordings, or the manifest."""
    source = corpus("asvspoof2017")
    brought(source, tmp_path / "whole")
    puts = []
    real_replace = Path.replace

    def replace(self, target):
        puts.append(target)
        if len(puts) == full_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real_replace(self, target)

    monkeypatch.setattr(atomic_file.Path, "replace", replace)
    with pytest.raises(DataError, match=r"No space left on device.*same command") as caught:
        brought(source, tmp_path / "data")
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    left = contents(tmp_path / "data")
    whole = contents(tmp_path / "whole")
    assert "manifest.csv" not in left
    assert {name: sha for name, sha in left.items() if not name.startswith(".")}.items() <= whole.items()
    assert not [name for name in left if name.endswith(".tmp")]
    brought(source, tmp_path / "data")
    assert contents(tmp_path / "data") == whole


@pytest.fixture
def small_disk(tmp_path):
    """Return a file system of 64 kB; where one cannot be mounted, the test is skipped."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting needs root")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_disk_that_is_really_full(small_disk, corpus, run, tmp_path, write_audio):
    source = corpus("asvspoof2017")
    write_audio(source / "ASVspoof2017_V2_train/T_1000002.wav", rate_hz=300_000)
    filler = small_disk / "filler"
    filler.write_bytes(b"\0" * 50_000)
    code, out, err = run("import", "asvspoof2017", source, "--licence", "L", "--out", small_disk, "--name", "a17")
    assert (code, out, err.count("\n")) == (EXIT_FAULT, "", 1), err
    assert "No space left on device" in err
    assert not (small_disk / "manifest.csv").exists()
    assert not [path for path in small_disk.rglob("*") if path.name.endswith(".tmp")]
    for file in small_disk.rglob("*.flac"):
        assert soundfile.read(file)[0].size > 0
    filler.unlink()
    code, _, err = run("import", "asvspoof2017", source, "--licence", "L", "--out", small_disk, "--name", "a17")
    assert code == 0, err
    brought(source, tmp_path / "whole")
    assert contents(small_disk) == contents(tmp_path / "whole")


def break_one(source, how):
    file = source / "ASVspoof2017_V2_train/T_1000002.wav"
    if how == "missing":
        file.unlink()
    elif how == "text":
        file.write_text("not audio")
    elif how == "not a number":
        soundfile.write(file, np.full(1600, np.nan, np.float32), 16_000, subtype="FLOAT")
    elif how == "cut short":
        file.write_bytes(file.read_bytes()[:1000])
    else:
        file.write_bytes(b"")
    return file


@pytest.mark.parametrize("how", ["missing", "text", "cut short", "empty", "not a number"])
def test_unusable_audio_is_named_and_no_manifest_is_written(how, corpus, run, tmp_path):
    source = corpus("asvspoof2017")
    file = break_one(source, how)
    arguments = ("import", "asvspoof2017", source, "--licence", "L", "--out", tmp_path / "data")
    code, out, err = run(*arguments)
    assert (code, out, err.count("\n")) == (EXIT_FAULT, "", 2)
    assert str(file) in err.splitlines()[0]
    assert "1 of 4 recordings cannot be used" in err.splitlines()[1]
    assert not (tmp_path / "data/manifest.csv").exists()
    code, out, err = run(*arguments, "--leave-out-unusable", "--json")
    assert code == 0
    told = json.loads(out)
    assert (told["clips"], told["resumed"], told["dropped"]) == (3, 3, {"cannot be read": 1})
    assert str(file) in err
    with (tmp_path / "data/manifest.csv").open() as manifest:
        assert "T_1000002" not in manifest.read()


def test_a_source_that_is_not_what_its_manifest_hashed_is_not_imported(corpus, run, tmp_path):
    source = corpus("manifest")
    (source / "manifest.csv").write_text(
        "path,corpus,speaker,split,role,label,seconds,native_hz,licence,sha256\n"
        f"wake/a.wav,c,s,train,speech,,0.1,16000,L,{'0' * 64}\n"
    )
    code, _, err = run("import", "manifest", source, "--out", tmp_path / "data")
    assert code == EXIT_FAULT
    assert "a.wav: got other bytes than those whose sha256 the manifest has" in err


def test_two_corpora_share_a_folder_and_an_import_replaces_only_its_own_rows(corpus, run, tmp_path):
    data = tmp_path / "data"
    for kind in ("speech-commands", "manifest"):
        assert run("import", kind, corpus(kind), "--out", data)[0] == 0
    manifest = data / "manifest.csv"
    with manifest.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["path"].split("/")[0] for row in rows} == {"manifest", "speech-commands"}
    assert [row["path"] for row in rows] == sorted(row["path"] for row in rows)
    # A column of somebody's own, and a correction by hand, in rows that the next import does not own.
    for row in rows:
        row["note"] = "mine" if row["path"].startswith("manifest/") else "gone"
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    assert run("import", "speech-commands", tmp_path / "corpus-speech-commands", "--out", data)[0] == 0
    with manifest.open(newline="") as file:
        again = list(csv.DictReader(file))
    assert [row for row in again if row["note"]] == [row for row in rows if row["note"] == "mine"]
    assert len(again) == len(rows)


def test_a_faulty_manifest_in_the_data_folder_is_left_as_it_is(corpus, run, tmp_path):
    (tmp_path / "data").mkdir()
    text = "path,corpus,speaker,split,role,label,seconds,native_hz,licence\nx.wav,c,s,train,speech,,nan,1,L\n"
    (tmp_path / "data/manifest.csv").write_text(text)
    code, _, err = run("import", "manifest", corpus("manifest"), "--out", tmp_path / "data")
    assert code == EXIT_FAULT
    assert "line 2: seconds is 'nan'" in err
    assert (tmp_path / "data/manifest.csv").read_text() == text


@pytest.mark.parametrize("out", ["", "data", "..", "../.."])
def test_nothing_is_written_into_a_corpus(out, corpus, run, tmp_path):
    source = corpus("asvspoof2017")
    nested = tmp_path / "above" / "asvspoof2017" / "inner"
    nested.parent.mkdir(parents=True)
    source.rename(nested)
    target = {"": nested, "data": nested / "data", "..": tmp_path / "above", "../..": tmp_path / "apart"}[out]
    before = snapshot(nested)
    code, _, err = run("import", "asvspoof2017", nested, "--licence", "L", "--out", target)
    assert (code == 0) == (out == "../.."), err
    assert snapshot(nested) == before
    if code:
        assert "expected a folder apart" in err


def test_a_link_into_the_corpus_is_not_followed(corpus, run, tmp_path):
    source = corpus("asvspoof2017")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a17").symlink_to(source / "ASVspoof2017_V2_train")
    before = snapshot(source)
    code, _, err = run("import", "asvspoof2017", source, "--licence", "L", "--out", tmp_path / "data", "--name", "a17")
    assert code == EXIT_FAULT
    assert "expected a folder apart" in err
    assert snapshot(source) == before


@pytest.mark.parametrize("name", ["..", "a/b", ".hidden", ""])
def test_a_name_is_the_name_of_a_folder(name, corpus, tmp_path):
    source = corpus("asvspoof2017")
    found = layout("asvspoof2017").find(source, Options("L"))
    with pytest.raises(Exception, match="expected the name of a folder"):
        import_recordings(found, source, tmp_path / "data", name)
    assert not (tmp_path / "data").exists()


def test_two_recordings_that_would_get_one_name_are_refused(corpus, run, tmp_path, write_audio):
    source = corpus("tree")
    write_audio(source / "live" / "talker0" / "one.flac")
    code, _, err = run("import", "tree", source, "--licence", "L", "--out", tmp_path / "data")
    assert code == EXIT_FAULT
    assert "one.wav" in err
    assert "one.flac" in err
    assert not (tmp_path / "data").exists()


def test_what_training_will_refuse_is_told_at_once(corpus, run, tmp_path):
    source = corpus("asvspoof2017")
    with (source / "protocol_V2/ASVspoof2017_V2_dev.trl.txt").open("a") as protocol:
        protocol.write("T_9.wav genuine M0001 S01 - - -\n")
    (source / "ASVspoof2017_V2_train/T_1000001.wav").rename(source / "ASVspoof2017_V2_dev/T_9.wav")
    code, _, err = run(
        "import", "asvspoof2017", source, "--licence", "L", "--out", tmp_path / "data", "--leave-out-unusable"
    )
    assert code == 0
    assert "vivavoce: warning: " in err
    assert "speaker 'M0001' of 'asvspoof2017-v2' is in" in err


def test_one_import_at_a_time_writes_into_a_folder(corpus, run, tmp_path):
    source = corpus("asvspoof2017")
    with only_writer(tmp_path / "data"):
        code, _, err = run("import", "asvspoof2017", source, "--licence", "L", "--out", tmp_path / "data")
    assert code == EXIT_FAULT
    assert "another import is writing into it" in err
    assert list((tmp_path / "data").iterdir()) == []
    assert run("import", "asvspoof2017", source, "--licence", "L", "--out", tmp_path / "data")[0] == 0


def test_nothing_is_written_through_a_link(corpus, run, tmp_path):
    source = corpus("tree")
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    (tmp_path / "data/tree").mkdir(parents=True)
    (tmp_path / "data/tree/live").symlink_to(source / "live")
    code, _, err = run("import", "tree", source, "--licence", "L", "--out", tmp_path / "data")
    assert (code, err.count("\n")) == (EXIT_FAULT, 1)
    assert "remove the link" in err
    assert {path: path.read_bytes() for path in source.rglob("*") if path.is_file()} == before


def test_a_data_folder_that_cannot_be_one_is_named(corpus, run, tmp_path):
    (tmp_path / "data").write_text("a file")
    code, _, err = run("import", "asvspoof2017", corpus("asvspoof2017"), "--licence", "L", "--out", tmp_path / "data")
    assert (code, err.count("\n")) == (EXIT_FAULT, 1)
    assert "data: cannot be used (File exists)" in err


def test_a_killed_import_leaves_no_trace_once_it_was_repeated(corpus, tmp_path):
    source = corpus("asvspoof2017")
    left = tmp_path / "data/a17/ASVspoof2017_V2_dev/.D_1000001.flac.tmp"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    brought(source, tmp_path / "data")
    brought(source, tmp_path / "whole")
    assert contents(tmp_path / "data") == contents(tmp_path / "whole")


def test_an_import_goes_on_from_another_working_directory(corpus, tmp_path, monkeypatch):
    source = corpus("asvspoof2017")
    monkeypatch.setattr(journal.Journal, "remove", lambda self: None)
    brought(source, tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    assert brought(source.relative_to(tmp_path), Path("data")).resumed == 4


def test_what_a_killed_import_left_is_not_written_through(corpus, tmp_path):
    source = corpus("asvspoof2017")
    before = snapshot(source)
    left = tmp_path / "data/a17/ASVspoof2017_V2_dev/.D_1000001.flac.tmp"
    left.parent.mkdir(parents=True)
    left.symlink_to(source / "ASVspoof2017_V2_train/T_1000001.wav")
    brought(source, tmp_path / "data")
    assert snapshot(source) == before
    assert not left.is_symlink()


def test_an_import_over_links_replaces_them_and_not_the_corpus(corpus, tmp_path):
    source = corpus("asvspoof2019-pa")
    before = snapshot(source)
    found = layout("asvspoof2019-pa").find(source, Options("L"))
    import_recordings(found, source, tmp_path / "data", "pa", link=True)
    linked = tmp_path / "data/pa/ASVspoof2019_PA_dev/PA_D_0000001.flac"
    assert linked.is_symlink()
    import_recordings(found, source, tmp_path / "data", "pa")
    assert linked.is_file()
    assert not linked.is_symlink()
    assert snapshot(source) == before
