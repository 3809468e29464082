"""``vivavoce train check`` finds every fault of a data folder, each in one line."""

import hashlib
import json

import numpy as np
import pytest
import soundfile

from edge.cli import EXIT_FAULT, main
from edge.errors import DataError
from edge.manifest_file import COLUMNS, OPTIONAL_COLUMNS
from train.corpus import load_manifest
from train.folder_check import check_folder

HEADER = ",".join((*COLUMNS, *OPTIONAL_COLUMNS))


def write(folder, *rows, header=HEADER):
    (folder / "manifest.csv").write_text("\n".join((header, *rows)) + "\n")
    return folder


def tone(folder, name, hz=200.0):
    samples = (np.sin(2 * np.pi * hz / 16_000 * np.arange(1600)) * 8000).astype(np.int16)
    soundfile.write(folder / name, samples, 16_000, subtype="PCM_16")
    return hashlib.sha256((folder / name).read_bytes()).hexdigest()


def row(path, speaker="p", split="train", seconds="0.1", extra=",,,,", role="speech", licence="L", corpus="c"):
    return f"{path},{corpus},{speaker},{split},{role},,{seconds},16000,{licence},{extra}"


def kinds(folder, **settings):
    return sorted(fault.kind for fault in check_folder(folder, **settings).faults)


@pytest.fixture
def good(tmp_path):
    hashes = [tone(tmp_path, f"{name}.wav", hz) for name, hz in (("a", 200), ("b", 300), ("c", 400))]
    return tmp_path, [
        row("a.wav", "p1", "train", extra=f"live,phone,kitchen,,{hashes[0]}"),
        row("b.wav", "p2", "dev", extra=f"replay,phone,hall,tv,{hashes[1]}"),
        row("c.wav", "p3", "test", extra=f"replay,phone,attic,radio,{hashes[2]}"),
    ]


def test_a_good_folder_has_no_fault_and_its_columns_are_read(good):
    folder, rows = good
    checked = check_folder(write(folder, *rows))
    assert (checked.faults, checked.clips) == ([], 3)
    assert abs(checked.seconds - 0.3) < 1e-6
    clip = load_manifest(folder)[1]
    assert (clip.source, clip.device, clip.room, clip.loudspeaker) == ("replay", "phone", "hall", "tv")


def test_a_manifest_without_the_optional_columns_is_as_good(good):
    folder, _ = good
    write(folder, "a.wav,c,p,train,speech,,0.1,16000,L", header=",".join(COLUMNS))
    assert kinds(folder) == []
    (clip,) = load_manifest(folder)
    assert (clip.source, clip.device, clip.room, clip.loudspeaker, clip.sha256) == ("", "", "", "", "")


SHA = "0" * 64


@pytest.mark.parametrize(
    ("bad", "kind", "message"),
    [
        (row("d.wav", seconds="nan"), "row", "line 5: seconds is 'nan', expected a positive number"),
        (row("d.wav", seconds="-1"), "row", "line 5: seconds is '-1'"),
        (row("d.wav", split="eval"), "row", "line 5: split is 'eval'"),
        (row("d.wav", role="talk"), "row", "line 5: role is 'talk'"),
        (row("d.wav", licence=" "), "row", "line 5: d.wav: licence is empty"),
        (row("d.wav", extra="spoof,,,,"), "row", "line 5: source is 'spoof', expected one of nothing, live, replay"),
        (row("d.wav", extra=",,,,ABC"), "row", "line 5: sha256 is 'ABC'"),
        (row("d.wav", extra="live,,,tv,"), "row", "line 5: source is 'live' and loudspeaker is 'tv'"),
        (row("../d.wav"), "row", "line 5: path is '../d.wav', expected a file below"),
        (row("/etc/hostname"), "row", "line 5: path is '/etc/hostname', expected a file below"),
        (row("x/../d.wav"), "row", "line 5: path is 'x/../d.wav', expected a file below"),
        (row(""), "row", "line 5: path is '', expected a file below"),
        (row("."), "row", "line 5: path is '.', expected a file below"),
        (row("d.wav") + ",more", "row", "line 5: got 15 cells, expected 14 as in the header"),
        (row("d.wav").rsplit(",", 12)[0], "row", "line 5: got 2 cells, expected 14 as in the header"),
        (row("a.wav", "p1"), "duplicate-path", "a.wav is listed twice"),
        (row("d.wav", "p1", "dev"), "talker-in-two-splits", "speaker 'p1' of 'c' is in train and in dev (at d.wav)"),
        (row("d.wav", "p9", "test", extra="replay,,,x,"), None, None),
        (row("d.wav", "p9", "train", extra="replay,,,radio,"), "shared-loudspeaker", "'radio' of 'c' is in train"),
        (row("d.wav", "p9", "test", extra="live,,kitchen,,"), "shared-room", "room 'kitchen' of 'c' is in train"),
        (row("d.wav", "p9", "test", extra="live,,hall,,"), None, None),
        (row("d.wav", "p9", "test", extra="live,,kitchen,,", corpus="other"), None, None),
        (row("a2.wav", "p1"), "duplicate-audio", "a.wav and a2.wav hold the same audio"),
        (row("a.flac", "p1"), "duplicate-audio", "a.wav and a.flac hold the same audio"),
        (row("a.flac", "p9", "dev"), "audio-in-two-splits", "a.wav in train and a.flac in dev hold the same audio"),
        (row("none.wav", "p9"), "unreadable", "none.wav: the manifest names it and it is not there"),
        (row("text.wav", "p9"), "unreadable", "text.wav: cannot be decoded"),
        (row("d.wav", "p9", extra=f",,,,{SHA}"), "hash-differs", f"expected {SHA} as in"),
        (row("d.wav", "p9", seconds="0.3"), "length-differs", "d.wav: lasts 0.100 s, expected 0.300 s"),
    ],
)
def test_one_fault_is_found_and_is_the_only_one(bad, kind, message, good):
    folder, rows = good
    tone(folder, "d.wav", 500)
    tone(folder, "a2.wav", 200)
    tone(folder, "a.flac", 200)
    (folder / "text.wav").write_text("not audio")
    faults = check_folder(write(folder, *rows, bad)).faults
    assert [fault.kind for fault in faults] == ([] if kind is None else [kind])
    for fault in faults:
        assert message in fault.message
        assert str(folder) in fault.message
        assert "\n" not in fault.message


def test_a_talker_is_told_once_however_many_clips_and_splits_there_are(good):
    folder, rows = good
    for n, split in enumerate(("dev", "test", "dev", "train")):
        tone(folder, f"k{n}.wav", 600 + n)
        rows.append(row(f"k{n}.wav", "p1", split))
    assert kinds(write(folder, *rows)) == ["talker-in-two-splits"]


def test_the_same_audio_is_told_once_by_its_hash_and_its_samples(good):
    folder, rows = good
    sha = tone(folder, "a2.wav", 200)
    assert kinds(write(folder, *rows, row("a2.wav", "p1", extra=f",,,,{sha}"))) == ["duplicate-audio"]


def test_ids_that_are_kinds_are_not_things_to_share(good):
    folder, rows = good
    for n, split in enumerate(("train", "test")):
        tone(folder, f"k{n}.wav", 600 + n)
        rows.append(row(f"k{n}.wav", f"q{n}", split, extra="replay,,class:small,class:low,"))
    assert kinds(write(folder, *rows)) == []


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (HEADER.replace("licence", "license"), "no column licence"),
        (HEADER.replace("sha256", "path"), "column 'path' comes twice"),
    ],
)
def test_a_header_that_cannot_be_used_is_refused(header, message, good):
    folder, rows = good
    with pytest.raises(DataError, match=message):
        check_folder(write(folder, *rows, header=header))


def test_a_mistyped_column_is_told_and_a_foreign_one_is_not(good):
    folder, rows = good
    write(folder, *(f"{line},x" for line in rows), header=HEADER.replace("loudspeaker", "Loudspeaker") + ",weather")
    (fault,) = check_folder(folder).faults
    assert (fault.kind, "'Loudspeaker' is ignored; rename it to 'loudspeaker'" in fault.message) == ("column", True)


def test_training_refuses_the_same_sha256_in_two_splits(good):
    folder, rows = good
    sha = rows[0].rsplit(",", 1)[1]
    with pytest.raises(DataError, match=r"a\.wav in train and d\.wav in dev hold the same audio"):
        load_manifest(write(folder, *rows, row("d.wav", "p9", "dev", extra=f",,,,{sha}")))


def test_all_faults_are_told_the_first_few_of_a_kind_with_their_number(good, capsys):
    folder, rows = good
    rows += [row(f"none{n}.wav", f"q{n}") for n in range(4)] + [row("d.wav", seconds="0")]
    write(folder, *rows)
    assert main(["train", "check", str(folder), "--show", "2"]) == EXIT_FAULT
    out, err = capsys.readouterr()
    told = err.splitlines()
    assert len(told) == 4
    assert all(line.startswith("vivavoce: ") for line in told)
    assert "unreadable: and 2 more of 4; --show 0 lists them all" in err
    assert out == f"{folder}: 8 clips, 0.00 h; 1 row, 4 unreadable\n"
    assert main(["train", "check", str(folder), "--show", "0", "--json"]) == EXIT_FAULT
    out, err = capsys.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    assert err == ""
    assert [event["event"] for event in events] == ["fault"] * 5 + ["check"]
    assert events[-1]["faults"] == {"row": 1, "unreadable": 4}


def test_what_is_disputable_may_be_allowed_and_is_still_counted(good, capsys):
    folder, rows = good
    tone(folder, "d.wav", 500)
    write(folder, *rows, row("d.wav", "p9", "test", extra="live,,kitchen,,"))
    assert main(["train", "check", str(folder)]) == EXIT_FAULT
    capsys.readouterr()
    assert main(["train", "check", str(folder), "--allow", "shared-room"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "no fault, 1 shared-room accepted" in out


def test_a_talker_in_two_splits_cannot_be_allowed(good, capsys):
    folder, rows = good
    with pytest.raises(SystemExit) as left:
        main(["train", "check", str(write(folder, *rows)), "--allow", "talker-in-two-splits"])
    assert left.value.code == EXIT_FAULT
    assert "invalid choice" in capsys.readouterr().err
