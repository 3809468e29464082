"""``vivavoce label``: what the owner says is kept, and becomes a folder that training reads; nothing else does."""

import json
import sqlite3
import stat

import numpy as np
import pytest
import soundfile
from event_makers import AT_S, answer, passed, sound, status

from edge.answers import new_id
from edge.cli import main
from edge.event_reading import EventReader, Selection
from edge.event_store import EventStore, StoreSettings
from edge.health import Health
from edge.kept_audio import AudioSettings
from edge.manifest_file import COLUMNS, read_manifest
from edge.sinks.store import StoreSink


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "events.sqlite3"


@pytest.fixture
def told(tmp_path, path):
    """Return answers with their sound, which a daemon kept; the last one's was not."""
    audio = AudioSettings(keep=("all",), path=str(tmp_path / "state" / "audio"))
    sink = StoreSink(StoreSettings(path=str(path)), audio, Health())
    sink.open()
    found = [(passed if at % 2 else answer)(AT_S + at, pre_roll=sound()) for at in range(5)]
    found.append(answer(AT_S + 5))
    for one in found:
        sink.push(one)
    sink.close()
    return found


@pytest.fixture
def label(capsys, path):
    def run(*arguments):
        code = main(["label", *map(str, arguments), "--store", str(path)])
        done = capsys.readouterr()
        return code, done.out, done.err

    return run


def labels(path):
    with EventReader(path) as reader:
        return {event.id: (event.label, event.note) for event in reader.events(Selection(label=True))}


def rows(out):
    found = read_manifest(out / "manifest.csv")
    assert found.misfits == []
    return {row["path"]: row for _, row in found.rows}


def check(out, capsys):
    code = main(["train", "check", str(out)])
    return code, capsys.readouterr().err


# ----------------------------------------------------------------------------------------- labelling


def test_a_label_is_kept_changed_and_taken_away(told, path, label):
    code, out, err = label(told[0].id, "replay", "--note", "the television")
    assert (code, err) == (0, "")
    assert told[0].id in out
    assert "[replay]" in out
    assert labels(path) == {told[0].id: ("replay", "the television")}
    code, out, _ = label(told[0].id, "live", "--json")
    assert (json.loads(out)["label"], json.loads(out)["note"]) == ("live", "")
    label(told[1].id, "live")
    assert labels(path) == {told[0].id: ("live", ""), told[1].id: ("live", "")}
    assert label(told[0].id, "none")[0] == 0
    assert labels(path) == {told[1].id: ("live", "")}


def test_a_label_is_given_while_the_daemon_writes(told, path, label):
    with EventStore(path) as store:
        assert label(told[0].id, "live")[0] == 0
        store.add(answer(AT_S + 9))
    assert labels(path) == {told[0].id: ("live", "")}


def test_the_last_answer_needs_no_id(told, path, label):
    label("last", "replay")
    label("--list", "--json")
    with EventReader(path) as reader:
        labelled = [event.id for event in reader.events(Selection(label=True))]
        answers = [event.id for event in reader.events(Selection(kind="answer"))]
    assert labelled == answers[-1:]


def test_labels_are_listed(told, path, label):
    assert label("--list")[:2] == (0, "")
    label(told[2].id, "replay", "--note", "a\u202eb")
    label(told[0].id, "live")
    code, out, err = label("--list")
    assert (code, err) == (0, "")
    assert [told[0].id in out.splitlines()[0], told[2].id in out.splitlines()[1]] == [True, True]
    assert out.splitlines()[1].endswith('"a\\u202eb"')
    assert [json.loads(line)["label"] for line in label("--list", "--json")[1].splitlines()] == ["live", "replay"]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("ID",),
        ("ID", "spoof"),
        ("ID", "live", "more"),
        ("0000000000000000", "live"),
        ("ID", "live", "--list"),
        ("export",),
        ("export", "--list", "--out", "x"),
        ("ID", "live", "--out", "x"),
        ("STATUS", "live"),
    ],
    ids=" ".join,
)
def test_faults_are_one_line_and_change_nothing(arguments, told, path, label, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with EventStore(path) as store:
        store.add(status())
    with EventReader(path) as reader:
        (state,) = reader.events(Selection(kind="status"))
    code, out, err = label(*({"ID": told[0].id, "STATUS": state.id}.get(word, word) for word in arguments))
    assert (code, out) == (2, "")
    assert err.startswith("vivavoce: ")
    assert err.count("\n") == 1
    assert labels(path) == {}
    assert not (tmp_path / "x").exists()


def test_a_label_leaves_with_its_answer(told, path, label):
    label(told[0].id, "live")
    assert main(["events", "delete", told[0].id, "--yes", "--store", str(path)]) == 0
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM label").fetchone() == (0,)
    connection.close()


# ------------------------------------------------------------------------------------------ exporting


def test_an_export_is_a_folder_for_training(told, label, tmp_path, capsys):
    # What the owner says, and not what the daemon decided: a passed replay, and a blocked voice.
    label(told[0].id, "live")
    label(told[1].id, "replay")
    label(told[5].id, "replay")
    out = tmp_path / "out"
    code, text, err = label("export", "--out", out, "--json")
    assert code == 0
    assert json.loads(text) == {"event": "exported", "out": str(out), "recordings": 2, "without_sound": 1}
    assert "1 label is left out: its sound" in err
    found = rows(out)
    assert set(found) == {f"live/{told[0].id}.flac", f"replay/{told[1].id}.flac"}
    for name, row in found.items():
        samples, rate_hz = soundfile.read(out / name, dtype="int16")
        one = told[0] if name.startswith("live") else told[1]
        np.testing.assert_array_equal(samples, one.pre_roll)
        assert rate_hz == 16_000
        assert set(COLUMNS) <= set(row)
        assert (row["role"], row["label"], row["source"]) == ("wake", "smart mirror", name.partition("/")[0])
        assert (row["speaker"], row["split"], row["seconds"], row["loudspeaker"]) == ("unknown", "train", "0.500", "")
    assert check(out, capsys) == (0, "")


def test_what_is_said_of_all_stands_in_each_row(told, label, tmp_path, capsys):
    label(told[0].id, "live")
    out = tmp_path / "out"
    assert label("export", "--out", out, "--speaker", "ann", "--split", "dev", "--licence", "CC0-1.0")[0] == 0
    (row,) = rows(out).values()
    assert (row["speaker"], row["split"], row["licence"]) == ("ann", "dev", "CC0-1.0")
    assert check(out, capsys) == (0, "")


@pytest.mark.parametrize("option", ["--speaker", "--licence"])
def test_nothing_is_said_of_nobody(option, told, label, tmp_path):
    label(told[0].id, "live")
    code, _, err = label("export", "--out", tmp_path / "out", option, " ")
    assert code == 2
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_without_labels_nothing_is_exported(told, label, tmp_path):
    code, out, _ = label("export", "--out", tmp_path / "out")
    assert (code, out) == (0, f"0 recordings are in {tmp_path / 'out'}\n")
    assert not (tmp_path / "out").exists()


def test_the_same_export_changes_nothing(told, label, tmp_path):
    label(told[0].id, "live")
    out = tmp_path / "out"
    label("export", "--out", out)
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in out.rglob("*.flac")}
    manifest = (out / "manifest.csv").read_bytes()
    assert label("export", "--out", out, "--speaker", "ann")[0] == 0
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in out.rglob("*.flac")} == before
    assert (out / "manifest.csv").read_bytes() == manifest


def test_a_changed_label_moves_its_recording(told, label, tmp_path, capsys):
    out = tmp_path / "out"
    label(told[0].id, "live")
    label(told[1].id, "live")
    label("export", "--out", out, "--speaker", "ann")
    # The sound that the daemon kept is gone meanwhile: the export has it.
    (tmp_path / "state" / "audio" / f"{told[0].id}.flac").unlink()
    label(told[0].id, "replay")
    label(told[1].id, "none")
    assert label("export", "--out", out)[0] == 0
    found = rows(out)
    assert set(found) == {f"replay/{told[0].id}.flac"}
    assert [file.relative_to(out).as_posix() for file in out.rglob("*.flac")] == list(found)
    (row,) = found.values()
    assert (row["source"], row["speaker"]) == ("replay", "ann")
    assert check(out, capsys) == (0, "")


def test_what_was_exported_stays_when_its_answer_leaves(told, path, label, tmp_path, capsys):
    out = tmp_path / "out"
    label(told[0].id, "live")
    label("export", "--out", out)
    assert main(["events", "delete", told[0].id, "--yes", "--store", str(path)]) == 0
    label(told[1].id, "replay")
    assert label("export", "--out", out)[0] == 0
    assert set(rows(out)) == {f"live/{told[0].id}.flac", f"replay/{told[1].id}.flac"}
    capsys.readouterr()
    assert check(out, capsys) == (0, "")


def test_recordings_of_others_in_the_folder_stay(told, label, tmp_path, capsys):
    out = tmp_path / "out"
    (out / "live").mkdir(parents=True)
    soundfile.write(out / "live" / "mine.flac", sound(), 16_000)
    line = "live/mine.flac,collected,bob,train,wake,smart mirror,0.5,16000,CC0-1.0,quiet"
    (out / "manifest.csv").write_text(f"{','.join(COLUMNS)},mood\n{line}\n")
    label(told[0].id, "live")
    assert label("export", "--out", out)[0] == 0
    found = rows(out)
    assert set(found) == {"live/mine.flac", f"live/{told[0].id}.flac"}
    assert found["live/mine.flac"]["mood"] == "quiet"
    label(told[0].id, "none")
    assert label("export", "--out", out)[0] == 0
    assert set(rows(out)) == {"live/mine.flac"}
    assert (out / "live" / "mine.flac").exists()
    assert check(out, capsys) == (0, "")


def test_a_manifest_that_names_foreign_files_deletes_none(told, label, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    foreign = tmp_path / f"{told[0].id}.flac"
    foreign.write_text("x")
    row = f"../{told[0].id}.flac,home,unknown,train,wake,smart mirror,0.5,16000,CC0-1.0"
    (out / "manifest.csv").write_text(f"{','.join(COLUMNS)}\n{row}\n")
    assert label("export", "--out", out)[0] == 0
    assert foreign.exists()


@pytest.mark.parametrize("content", [b"", b"fLaC", b"x" * 1000])
def test_sound_that_is_damaged_is_told_of_and_the_rest_is_exported(content, told, label, tmp_path, capsys):
    label(told[0].id, "live")
    label(told[1].id, "live")
    (tmp_path / "state" / "audio" / f"{told[0].id}.flac").write_bytes(content)
    out = tmp_path / "out"
    code, _, err = label("export", "--out", out)
    assert code == 2
    assert err.count("\n") == 1
    assert f"{told[0].id}.flac: cannot be used" in err
    assert set(rows(out)) == {f"live/{told[1].id}.flac"}
    assert check(out, capsys) == (0, "")


@pytest.mark.parametrize("phrase", ["", "a\nb\x1b"])
def test_a_phrase_that_is_none_is_told_of(phrase, path, label, tmp_path):
    file = tmp_path / f"{new_id(AT_S)}.flac"
    soundfile.write(file, sound(), 16_000)
    one = answer(phrase=phrase)
    with EventStore(path) as store:
        store.add(one, audio=str(file))
    label(one.id, "live")
    code, _, err = label("export", "--out", tmp_path / "out")
    assert code == 2 if not phrase.strip() or "\x1b" in phrase else code == 0
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [("path,corpus\n", "got no column"), (f"{','.join(COLUMNS)}\na,b\n", "got 2 cells")],
)
def test_a_manifest_that_cannot_be_added_to_is_one_line(manifest, expected, told, label, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "manifest.csv").write_text(manifest)
    label(told[0].id, "live")
    code, _, err = label("export", "--out", out)
    assert code == 2
    assert expected in err
    assert err.count("\n") == 1
    assert [file.name for file in out.rglob("*")] == ["manifest.csv"]


def test_a_new_folder_is_for_nobody_else(told, label, tmp_path):
    label(told[0].id, "live")
    assert label("export", "--out", tmp_path / "new" / "out")[0] == 0
    assert stat.S_IMODE((tmp_path / "new" / "out").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_written_is_one_line(told, label, tmp_path):
    (tmp_path / "out").write_text("x")
    label(told[0].id, "live")
    code, _, err = label("export", "--out", tmp_path / "out")
    assert code == 2
    assert err.count("\n") == 1
