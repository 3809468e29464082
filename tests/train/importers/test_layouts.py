"""Each published layout becomes the rows that it means, and a broken one is refused with the line that breaks it."""

import csv
import json
import os

import numpy as np
import pytest
import soundfile

from edge.cli import EXIT_FAULT
from edge.errors import DataError, UsageError
from train.corpus import load_manifest, read_clip
from train.importers.found import Options
from train.importers.kinds import KINDS, layout
from train.importers.seeded_split import THREE_WAYS, seeded_split

OPTIONS = Options(licence="L")


def rows(folder):
    with (folder / "manifest.csv").open(newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def brief(clip):
    return (clip.split, clip.source, clip.speaker, clip.role, clip.label, clip.device, clip.room, clip.loudspeaker)


def imported(run, corpus, kind, tmp_path, *more):
    licence = () if kind == "manifest" else ("--licence", "L")
    code, out, err = run("import", kind, corpus(kind), "--out", tmp_path / "data", "--json", *licence, *more)
    assert code == 0, err
    return {clip.path: clip for clip in load_manifest(tmp_path / "data")}, json.loads(out)


@pytest.mark.parametrize("kind", KINDS)
def test_every_layout_gives_clips_that_training_reads_and_that_a_check_passes(kind, run, corpus, tmp_path):
    clips, told = imported(run, corpus, kind, tmp_path)
    assert told["clips"] == len(clips) > 1
    for clip in clips.values():
        assert abs(read_clip(clip).size / 16_000 - 0.1) < 0.001
        assert abs(clip.seconds - 0.1) < 0.001
        assert clip.path.startswith(f"{kind}/")
        assert clip.licence in ("L", "CC0-1.0", "MIT")
    allow = ("--allow", "shared-room", "--allow", "shared-loudspeaker")
    code, _, err = run("check", tmp_path / "data", *allow)
    assert (code, err) == (0, ""), err


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_folder_is_refused_in_one_line(kind, run, tmp_path):
    (tmp_path / "empty").mkdir()
    licence = () if kind == "manifest" else ("--licence", "L")
    code, out, err = run("import", kind, tmp_path / "empty", "--out", tmp_path / "data", *licence)
    assert (code, out) == (EXIT_FAULT, "")
    assert err.count("\n") == 1
    assert str(tmp_path / "empty") in err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_licence_is_known_or_asked_for(kind, run, corpus, tmp_path):
    code, _, err = run("import", kind, corpus(kind), "--out", tmp_path / "data")
    if layout(kind).LICENCE is None:
        assert code == EXIT_FAULT
        assert "expected --licence TEXT" in err
        assert not (tmp_path / "data").exists()
    else:
        assert code == 0, err
        assert all(row["licence"] for row in rows(tmp_path / "data").values())


def test_asvspoof2017(run, corpus, tmp_path):
    clips, _ = imported(run, corpus, "asvspoof2017", tmp_path, "--wake", "ok google")
    phrase = "birthday parties have cupcakes and ice cream"
    live, replay = (clips[f"asvspoof2017/ASVspoof2017_V2_train/T_100000{n}.flac"] for n in (1, 2))
    assert brief(live) == ("train", "live", "M0001", "speech", phrase, "", "", "")
    assert brief(replay) == ("train", "replay", "M0001", "wake", "ok google", "R04", "E03", "P05")
    assert {clip.split for clip in clips.values()} == {"train", "dev", "test"}
    code, _, err = run("check", tmp_path / "data")
    assert code == EXIT_FAULT
    assert "room 'E03' of 'asvspoof2017-v2' is in train" in err
    assert err.count("\n") == 1


def test_asvspoof2017_without_the_evaluation_archive(run, corpus, tmp_path):
    source = corpus("asvspoof2017")
    for file in (source / "ASVspoof2017_V2_eval").iterdir():
        file.unlink()
    (source / "ASVspoof2017_V2_eval").rmdir()
    with pytest.raises(DataError, match=r"ASVspoof2017_V2_eval.*--only"):
        layout("asvspoof2017").find(source, OPTIONS)
    found = layout("asvspoof2017").find(source, Options("L", only=("train", "dev")))
    assert {recording.split for recording in found.recordings} == {"train", "dev"}


def test_asvspoof2019_names_ranges_that_are_no_things(run, corpus, tmp_path):
    clips, _ = imported(run, corpus, "asvspoof2019-pa", tmp_path)
    train = clips["asvspoof2019-pa/ASVspoof2019_PA_train/PA_T_0005401.flac"]
    test = clips["asvspoof2019-pa/ASVspoof2019_PA_eval/PA_E_0000001.flac"]
    assert brief(train) == ("train", "replay", "PA_0079", "speech", "", "", "class:aab", "class:AC")
    assert (test.room, test.loudspeaker, test.split) == (train.room, train.loudspeaker, "test")
    code, _, err = run("check", tmp_path / "data")
    assert (code, err) == (0, "")


def test_asvspoof2021_keeps_the_subset_eval_of_all_parts(run, corpus, tmp_path):
    clips, told = imported(run, corpus, "asvspoof2021-pa", tmp_path)
    folder = "asvspoof2021-pa/ASVspoof2021_PA_eval"
    assert {path: brief(clip) for path, clip in clips.items()} == {
        f"{folder}/PA_E_1000001.flac": ("test", "replay", "PA_0010", "speech", "", "M3", "R3", "s4"),
        f"{folder}/PA_E_1000002.flac": ("test", "live", "PA_0011", "speech", "", "M1", "R4", ""),
    }
    assert told["dropped"] == {"subset progress": 1, "subset hidden": 1}


def test_remasc(run, corpus, tmp_path):
    clips, told = imported(run, corpus, "remasc", tmp_path)
    assert told["dropped"] == {"recorded to be replayed (type 1)": 1}
    synthetic, held_out = clips["remasc/core/1019002.flac"], clips["remasc/eval/2010101.flac"]
    assert brief(synthetic)[:3] == ("train", "replay", "many")
    assert brief(held_out) == ("test", "replay", "40", "speech", "", "AIY", "indoor 1", "Sony SRS-X11")
    live = [clip for clip in clips.values() if clip.source == "live"]
    assert {clip.split for clip in live} == {"train", "dev"}
    assert {clip.native_hz for clip in live} == {44_100}
    code, _, err = run("check", tmp_path / "data")
    assert code == EXIT_FAULT
    assert "loudspeaker 'Sony SRS-X11' of 'remasc' is in train" in err


def test_remasc_takes_one_microphone_and_not_the_mean(run, corpus, tmp_path):
    source = corpus("remasc")
    first = np.sin(np.arange(16_000) * 0.1) * 0.5
    soundfile.write(source / "core/data/1010001.wav", np.stack([first, -first], axis=1), 16_000)
    code, _, err = run("import", "remasc", source, "--licence", "L", "--out", tmp_path / "data", "--only", "dev",
                       "--only", "train")  # fmt: skip
    assert code == 0, err
    (clip,) = (c for c in load_manifest(tmp_path / "data") if c.path == "remasc/core/1010001.flac")
    np.testing.assert_allclose(read_clip(clip), first, atol=1e-4)


def test_speech_commands(run, corpus, tmp_path):
    clips, _ = imported(run, corpus, "speech-commands", tmp_path, "--wake", "backward")
    assert {path.removeprefix("speech-commands/"): brief(clip)[:5] for path, clip in clips.items()} == {
        "_background_noise_/pink_noise.flac": ("train", "", "", "noise", ""),
        "backward/0165e0e8_nohash_0.flac": ("train", "live", "0165e0e8", "wake", "backward"),
        "backward/0165e0e8_nohash_1.flac": ("train", "live", "0165e0e8", "wake", "backward"),
        "bed/1a2b3c4d_nohash_0.flac": ("dev", "live", "1a2b3c4d", "speech", "bed"),
        "bed/5e6f7a8b_nohash_0.flac": ("test", "live", "5e6f7a8b", "speech", "bed"),
    }


def test_a_tree_shares_no_talker_and_no_loudspeaker_and_counts_what_it_drops(run, corpus, tmp_path):
    clips, told = imported(run, corpus, "tree", tmp_path, "--wake", "smart mirror")
    replays = [clip for clip in clips.values() if clip.source == "replay"]
    lives = [clip for clip in clips.values() if clip.source == "live"]
    assert len(lives) == 8
    assert 0 < len(replays) < 48
    assert told["dropped"] == {"replay whose talker and loudspeaker are in different splits": 48 - len(replays)}
    for column in ("speaker", "loudspeaker"):
        split_of = {}
        for clip in clips.values():
            if getattr(clip, column):
                assert split_of.setdefault(getattr(clip, column), clip.split) == clip.split
    assert {clip.word for clip in clips.values()} == {"smart_mirror"}
    assert {clip.native_hz for clip in lives} == {48_000}


def test_a_split_without_replays_is_told(run, corpus, tmp_path):
    source = corpus("tree")
    for folder in (source / "replay").iterdir():
        if folder.name != "box0":
            folder.rename(tmp_path / folder.name)
    code, out, err = run("import", "tree", source, "--licence", "L", "--out", tmp_path / "data", "--json")
    assert code == 0
    empty = {"train", "dev", "test"} - {seeded_split("loudspeaker/box0", 1, THREE_WAYS)}
    assert len(empty) == 2
    for split in empty:
        assert f"warning: {source}: {split} gets no replay recording" in err
    assert json.loads(out)["source"]["replay"] < 8


def test_own_rows_keep_what_they_say(run, corpus, tmp_path):
    clips, _ = imported(run, corpus, "manifest", tmp_path, "--name", "ours")
    assert {path: (*brief(clip), clip.corpus, clip.native_hz) for path, clip in clips.items()} == {
        "ours/wake/a.flac": ("train", "replay", "p1", "wake", "smart mirror", "", "", "tv", "shop", 44_100),
        "ours/noise/b.flac": ("test", "", "", "noise", "", "", "", "", "park", 16_000),
    }


def test_the_shares_of_a_seeded_split_are_met_and_another_seed_splits_otherwise():
    drawn = [seeded_split(f"talker/{n}", 1, THREE_WAYS) for n in range(4000)]
    for split, share in THREE_WAYS.items():
        assert abs(drawn.count(split) / 4000 - share) < 0.03
    assert drawn == [seeded_split(f"talker/{n}", 1, THREE_WAYS) for n in range(4000)]
    assert drawn != [seeded_split(f"talker/{n}", 2, THREE_WAYS) for n in range(4000)]


TRAIN_2017 = "protocol_V2/ASVspoof2017_V2_train.trn.txt"
DEV_2019 = "PA/ASVspoof2019_PA_cm_protocols/ASVspoof2019.PA.cm.dev.trl.txt"
KEYS_2021 = "keys/PA/CM/trial_metadata.txt"


@pytest.mark.parametrize(
    ("kind", "file", "line", "message"),
    [
        ("asvspoof2017", TRAIN_2017, "T_1.wav genuine M1 S05 - -", "line 3: got 6 columns, expected 7"),
        ("asvspoof2017", TRAIN_2017, "T_1.wav real M1 S05 - - -", "line 3: key is 'real', expected one of genuine"),
        ("asvspoof2017", TRAIN_2017, "T_1.wav genuine M1 S11 - - -", "line 3: phrase is 'S11'"),
        ("asvspoof2017", TRAIN_2017, "../T_1.wav genuine M1 S01 - - -", "line 3: file is '../T_1.wav'"),
        ("asvspoof2017", TRAIN_2017, "T_1000001.wav spoof M1 S01 E1 P1 R1", "line 3: file 'T_1000001.wav' was on"),
        ("asvspoof2019-pa", DEV_2019, "PA_1 PA_D_9 aad - bonafide", "line 2: environment is 'aad'"),
        ("asvspoof2019-pa", DEV_2019, "PA_1 PA_D_9 aaa - spoof", "line 2: attack is '-', expected two letters"),
        ("asvspoof2019-pa", DEV_2019, "PA_1 PA_D_9 aaa AA bonafide", "line 2: attack is 'AA', expected -"),
        ("asvspoof2019-pa", DEV_2019, "PA_1 PA_D_9 aaa AA fake", "line 2: key is 'fake'"),
        ("asvspoof2021-pa", KEYS_2021, "P PA_E_9 R1 M1 d1 r1 m1 s1 c1 spoof notrim dev", "line 5: subset is 'dev'"),
        ("asvspoof2021-pa", KEYS_2021, "P PA_E_9 R1 M1 d1 r1 m1 - c1 spoof notrim eval", "line 5: replay_device is"),
        ("asvspoof2021-pa", KEYS_2021, "P PA_E_9 X1 M1 d1 r1 m1 s1 c1 spoof notrim eval", "line 5: room is 'X1'"),
        ("remasc", "eval/meta.csv", "1,4,1,1,-1,-1,-1,1,0.1", "line 2: type is '4'"),
        ("remasc", "eval/meta.csv", "1,2,51,1,-1,-1,-1,1,0.1", "line 2: speaker is '51'"),
        ("remasc", "eval/meta.csv", "1,2,5,1,-1,-1,-1,1", "line 2: got 8 columns, expected 9"),
        ("remasc", "eval/meta.csv", " 2010101,2,5,1,-1,-1,-1,1,0.1", "line 2: file '2010101' was on"),
        ("speech-commands", "testing_list.txt", "bed/00000000_nohash_0.wav", "line 2: bed/00000000_nohash_0.wav is"),
        ("speech-commands", "testing_list.txt", "bed/1a2b3c4d_nohash_0.wav", "line 2: bed/1a2b3c4d_nohash_0.wav was"),
    ],
)
def test_a_malformed_line_is_named_by_its_number(kind, file, line, message, run, corpus, tmp_path):
    source = corpus(kind)
    with (source / file).open("a") as protocol:
        protocol.write(f"{line}\n")
    code, out, err = run("import", kind, source, "--out", tmp_path / "data", "--licence", "L")
    assert (code, out, err.count("\n")) == (EXIT_FAULT, "", 1)
    assert message in err
    assert file in err
    assert not (tmp_path / "data").exists()


def test_a_protocol_that_is_no_text_is_refused(corpus):
    source = corpus("asvspoof2017")
    (source / TRAIN_2017).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8"):
        layout("asvspoof2017").find(source, OPTIONS)


def test_a_byte_order_mark_is_no_part_of_a_name(corpus):
    source = corpus("asvspoof2017")
    protocol = source / "protocol_V2/ASVspoof2017_V2_dev.trl.txt"
    protocol.write_bytes(b"\xef\xbb\xbf" + protocol.read_bytes())
    found = layout("asvspoof2017").find(source, Options("L"))
    assert all(recording.file.is_file() for recording in found.recordings)


def test_a_pipe_is_no_protocol_and_no_recording_and_is_not_waited_for(corpus, run, tmp_path):
    source = corpus("asvspoof2017")
    for name in ("ASVspoof2017_V2_dev/D_1000001.wav", "protocol_V2/ASVspoof2017_V2_dev.trl.txt"):
        (source / name).unlink()
        os.mkfifo(source / name)
        code, _, err = run("import", "asvspoof2017", source, "--licence", "L", "--out", tmp_path / "data", "--link")
        assert code == EXIT_FAULT
        assert str(source / name) in err.splitlines()[0]


def test_a_recording_that_is_listed_twice_is_told(corpus):
    source = corpus("manifest")
    manifest = source / "manifest.csv"
    manifest.write_text(manifest.read_text() + manifest.read_text().splitlines()[1] + "\n")
    with pytest.raises(DataError, match=r"wake/a\.wav is listed twice; keep one row a file"):
        layout("manifest").find(source, Options())


def test_a_file_without_a_talker_in_its_name_is_refused(corpus, write_audio):
    source = corpus("speech-commands")
    write_audio(source / "bed" / "recording.wav")
    with pytest.raises(DataError, match=r"recording\.wav: got this name"):
        layout("speech-commands").find(source, OPTIONS)


def test_a_recording_above_the_folder_of_its_talker_is_refused(corpus, write_audio):
    source = corpus("tree")
    write_audio(source / "replay" / "box1" / "stray.wav")
    with pytest.raises(DataError, match=r"stray\.wav: lies too high"):
        layout("tree").find(source, OPTIONS)


def test_folders_behind_links_are_not_entered(corpus):
    source = corpus("tree")
    before = layout("tree").find(source, Options("L")).recordings
    (source / "live/talker0/up").symlink_to("..")
    (source / "live/talker9").symlink_to("talker0")
    assert layout("tree").find(source, Options("L")).recordings == before


def test_a_tree_without_replays_is_refused(corpus, tmp_path):
    source = corpus("tree")
    (source / "replay").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="replay: found no recording"):
        layout("tree").find(source, OPTIONS)


def test_all_recordings_of_a_tree_say_one_phrase(corpus):
    with pytest.raises(UsageError, match="expected one phrase"):
        layout("tree").find(corpus("tree"), Options("L", wake=("a", "b")))


@pytest.mark.parametrize("path", ["../out.wav", "/etc/passwd"])
def test_a_row_that_leads_out_of_its_folder_is_not_imported(path, corpus):
    source = corpus("manifest")
    with (source / "manifest.csv").open("a") as file:
        file.write(f"{path},c,s,train,speech,,1,16000,L,,\n")
    with pytest.raises(DataError, match="expected a file below"):
        layout("manifest").find(source, OPTIONS)


def test_a_wake_phrase_that_nobody_says_is_refused(run, corpus, tmp_path):
    code, _, err = run(
        "import", "speech-commands", corpus("speech-commands"), "--out", tmp_path / "data", "--wake", "backwards"
    )
    assert code == EXIT_FAULT
    assert "--wake is 'backwards'" in err
