"""Recordings of a new word: any folder of audio, or the rows of a manifest; what cannot be used is one line."""

import numpy as np
import pytest
import soundfile

from edge.errors import AudioError, DataError
from tests.train.synthetic_speech import synthetic_word
from train.corpus import read_clip
from train.new_word_recordings import LEAST_RECORDINGS, at_most, find_recordings, refuse_few, talkers


def record(path, seed=1, rate_hz=16_000, channels=1, seconds=0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    word = synthetic_word(seed)
    samples = np.repeat(word, rate_hz // 16_000)
    samples = np.concatenate([samples, np.zeros(int(seconds * rate_hz))])
    soundfile.write(path, np.stack([samples] * channels, 1), rate_hz)


def quiet(path):
    soundfile.write(path, np.zeros(16_000), 16_000)


def test_audio_of_any_rate_is_taken_and_talkers_are_the_sub_folders(tmp_path):
    record(tmp_path / "in/ann/one.wav", 1)
    record(tmp_path / "in/ann/more/two.flac", 2, rate_hz=48_000, channels=2)
    record(tmp_path / "in/bob/three.ogg", 3)
    record(tmp_path / "in/.trash/four.wav", 4)
    (tmp_path / "in/notes.txt").write_text("no audio")
    clips = find_recordings(tmp_path / "in", "hey house", tmp_path / "cache", licence="CC0-1.0")
    assert [clip.speaker for clip in clips] == ["ann", "ann", "bob"]
    assert {(c.role, c.split, c.word, c.licence) for c in clips} == {("wake", "train", "hey_house", "CC0-1.0")}
    assert talkers(clips) == {"recordings/ann", "recordings/bob"}
    for clip in clips:
        assert read_clip(clip).size / 16_000 == pytest.approx(clip.seconds)
        assert clip.seconds < 2
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.flac")}
    assert find_recordings(tmp_path / "in", "hey house", tmp_path / "cache", licence="CC0-1.0") == clips
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.flac")}
    record(tmp_path / "in/ann/one.wav", 7)
    assert find_recordings(tmp_path / "in", "hey house", tmp_path / "cache", licence="CC0-1.0") != clips


def test_files_without_a_folder_are_of_nobody_known(tmp_path):
    record(tmp_path / "in/one.wav")
    assert talkers(find_recordings(tmp_path / "in", "x", tmp_path / "cache", licence="x")) == set()


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda folder: None, DataError, "no such folder"),
        (lambda folder: folder.mkdir(), DataError, "got no recordings"),
        (lambda folder: record(folder / "a.wav", seconds=6), DataError, "cut it"),
        (lambda folder: (folder.mkdir(), quiet(folder / "a.wav")), DataError, "silent"),
        (lambda folder: (folder.mkdir(), (folder / "a.wav").write_text("text")), AudioError, "a.wav"),
        (lambda folder: (folder.mkdir(), (folder / "a.flac").write_text("")), AudioError, "a.flac"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_on_one_line(make, error, says, tmp_path):
    make(tmp_path / "in")
    with pytest.raises(error, match=says) as told:
        find_recordings(tmp_path / "in", "hey house", tmp_path / "cache", licence="x")
    assert "\n" not in str(told.value)


def test_rows_of_a_manifest_are_those_of_the_word_in_train(tmp_path):
    rows = ["path,corpus,speaker,split,role,label,seconds,native_hz,licence"]
    for number, (split, role, label) in enumerate(
        [
            ("train", "wake", "hey house"), ("dev", "wake", "hey house"), ("train", "wake", "alexa"),
            ("train", "speech", "hey house"),
        ]
    ):  # fmt: skip
        record(tmp_path / f"{number}.wav", number)
        rows.append(f"{number}.wav,c,s{number},{split},{role},{label},1.0,16000,CC0-1.0")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    assert [clip.path for clip in find_recordings(tmp_path, "hey house", tmp_path, licence="x")] == ["0.wav"]
    with pytest.raises(DataError, match="labels there: alexa, hey house"):
        find_recordings(tmp_path, "hey horse", tmp_path, licence="x")


def test_some_are_chosen_evenly_over_talkers(tmp_path):
    for number in range(12):
        record(tmp_path / f"in/{'ann' if number < 9 else 'bob'}/{number}.wav", number)
    clips = find_recordings(tmp_path / "in", "x", tmp_path / "cache", licence="x")
    chosen = at_most(clips, 6, seed=1)
    assert sorted(clip.speaker for clip in chosen) == ["ann"] * 3 + ["bob"] * 3
    assert at_most(clips, 6, seed=1) == chosen
    assert set(chosen) <= set(clips)
    assert len(at_most(clips, 100, seed=1)) == 12
    refuse_few(clips, tmp_path, "x")
    with pytest.raises(DataError, match=f"9 recordings of 'x', expected at least {LEAST_RECORDINGS}"):
        refuse_few(clips[:9], tmp_path, "x")
