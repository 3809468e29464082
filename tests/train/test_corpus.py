import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import DataError
from edge.manifest_file import COLUMNS
from train.corpus import Clip, data_hash, licences, load_manifest, read_clip
from train.liveness_scenes import sources

GOOD = "a.flac,c,p1,train,wake,smart mirror,1.0,16000,CC0-1.0"


def _write(folder: Path, *rows: str, header: str = ",".join(COLUMNS)) -> Path:
    (folder / "manifest.csv").write_text("\n".join((header, *rows)) + "\n")
    return folder


def test_manifest_is_read_with_its_types(tmp_path):
    (clip,) = load_manifest(_write(tmp_path, GOOD))
    assert (clip.word, clip.seconds, clip.native_hz, clip.talker) == ("smart_mirror", 1.0, 16000, "c/p1")
    assert clip.file == tmp_path.resolve() / "a.flac"
    assert data_hash(tmp_path) == hashlib.sha256((tmp_path / "manifest.csv").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((), "no rows"),
        ((GOOD, GOOD), "a.flac is listed twice"),
        ((GOOD, "b.flac,c,p1,test,wake,alexa,1.0,16000,CC0-1.0"), "'p1' of 'c' is in train and in test"),
        (("a.flac,c,p1,train,wake,alexa,1.0,16000,",), "line 2: a.flac: licence is empty"),
        (("a.flac,c,p1,eval,wake,alexa,1.0,16000,CC0-1.0",), "split is 'eval'"),
        (("a.flac,c,p1,train,wake,alexa,long,16000,CC0-1.0",), "seconds is 'long'"),
        (("a.flac,c,p1,train",), "line 2: got 4 cells, expected 9 as in the header"),
    ],
)
def test_faulty_manifest_is_refused_in_one_line(tmp_path, rows, message):
    with pytest.raises(DataError) as caught:
        load_manifest(_write(tmp_path, *rows))
    assert message in str(caught.value)
    assert "manifest.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_manifest_and_column_are_named(tmp_path):
    with pytest.raises(DataError, match="no such manifest"):
        load_manifest(tmp_path)
    with pytest.raises(DataError, match="no column licence"):
        load_manifest(_write(tmp_path, header=",".join(COLUMNS[:-1])))


@pytest.mark.parametrize("speaker", ["", "many", "unknown"])
def test_talkers_without_an_id_may_be_in_every_split(tmp_path, speaker):
    rows = [f"{s}.flac,c,{speaker},{s},speech,,1.0,16000,CC0-1.0" for s in ("train", "dev")]
    assert len(load_manifest(_write(tmp_path, *rows))) == 2


def test_same_id_in_another_corpus_is_another_talker(tmp_path):
    clips = load_manifest(_write(tmp_path, GOOD, "b.flac,d,p1,test,wake,alexa,1.0,16000,CC0-1.0"))
    assert len({clip.talker for clip in clips}) == 2


def test_clip_is_read_as_it_was_written(tmp_path):
    x = (np.random.default_rng(0).integers(-3000, 3000, 1600) / 32768).astype(np.float32)
    soundfile.write(tmp_path / "a.flac", x, 16000, subtype="PCM_16")
    (clip,) = load_manifest(_write(tmp_path, GOOD))
    np.testing.assert_array_equal(read_clip(clip), x)


def test_unusable_files_are_named(tmp_path):
    (clip,) = load_manifest(_write(tmp_path, GOOD))
    with pytest.raises(DataError, match="not there"):
        read_clip(clip)
    clip.file.write_text("not audio")
    with pytest.raises(DataError, match="cannot be decoded"):
        read_clip(clip)
    soundfile.write(clip.file, np.zeros((100, 2)), 8000)
    with pytest.raises(DataError, match="8000 Hz with 2 channels"):
        read_clip(clip)
    soundfile.write(clip.file, np.zeros(0), 16000, format="WAV")
    with pytest.raises(DataError, match="no samples"):
        read_clip(clip)


def test_licences_name_each_material_once_and_the_loudspeakers_where_they_took_part():
    def clip(corpus, licence):
        return Clip("a.flac", "a.flac", corpus, "s", "train", "speech", "", 1.0, 16_000, licence)

    clips = [clip("b", "CC0-1.0"), clip("a", "MIT"), clip("b", "CC0-1.0")]
    of_clips = [{"material": "a", "licence": "MIT"}, {"material": "b", "licence": "CC0-1.0"}]
    assert licences(clips) == of_clips
    measured = {"material": "measured loudspeaker responses (curves.npz)", "licence": "unrecorded"}
    assert licences(clips, loudspeakers=True) == [*of_clips, measured]


def test_a_replayed_recording_never_stands_for_a_live_talker(tmp_path):
    header = ",".join((*COLUMNS, "source"))
    rows = [f"{name}.flac,c,{name},train,speech,,1.0,16000,L,{name}" for name in ("live", "replay", "")]
    assert [clip.source for clip in sources(load_manifest(_write(tmp_path, *rows, header=header)))] == ["live", ""]
