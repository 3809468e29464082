"""``vivavoce collect``: which takes are kept, and which are asked for again."""

import hashlib

import numpy as np
import pytest
import soundfile
import soxr
from collecting import WORDS, collect, holds, rows_of
from scripted_person import Scene, after, pause, word

from edge.collection import EXTENDED_COLUMNS
from edge.errors import AudioError
from edge.manifest_file import COLUMNS
from edge.takes import ADVICE, Listener, fault_of
from train.corpus import load_manifest, read_clip


class TestTakes:
    def test_what_is_said_is_kept_and_training_reads_it(self, tmp_path):
        scene = Scene(WORDS[:3])
        assert collect(scene, tmp_path, "--room", "hall", "--device", "board 1", "--split", "dev") == 0
        clips = load_manifest(tmp_path)
        assert [clip.path for clip in clips] == [f"live/ann/hey_house/00{i}.flac" for i in (1, 2, 3)]
        for clip, said in zip(clips, WORDS, strict=False):
            samples = read_clip(clip)
            assert holds(np.rint(samples * 32768).astype(np.int16), said)
            assert (clip.word, clip.talker, clip.split, clip.role) == ("hey_house", "collected/ann", "dev", "wake")
            assert clip.seconds == pytest.approx(samples.size / 16000, abs=6e-4)
            # The word with some of the room around it, and no more.
            assert said.size + 8000 < samples.size < said.size + 16000
        for row in rows_of(tmp_path):
            assert tuple(row) == (*COLUMNS, *EXTENDED_COLUMNS)
            assert row["sha256"] == hashlib.sha256((tmp_path / row["path"]).read_bytes()).hexdigest()
            assert [row[c] for c in ("source", "device", "room", "loudspeaker", "take")] == [
                "live", "board 1", "hall", "", "",
            ]  # fmt: skip

    @pytest.mark.parametrize(
        ("sound", "reason"),
        [
            (word(9, level=0.003), "quiet"),
            (np.clip(word(9, level=0.9).astype(int) * 6, -32768, 32767).astype(np.int16), "clipped"),
            (word(9, seconds=3.5), "too_long"),
            (word(9, seconds=0.15), "too_short"),
            (None, "nothing"),
        ],
    )
    def test_a_bad_take_is_asked_for_again_at_once(self, sound, reason, tmp_path):
        scene = Scene([WORDS[0], sound, WORDS[1], WORDS[2]])
        assert collect(scene, tmp_path) == 0
        assert scene.text.count("again, please") == 1
        assert f"again, please: {ADVICE[reason]}" in scene.text
        assert scene.text.count("2 of 3: say") == 2
        assert len(rows_of(tmp_path)) == 3

    def test_a_room_that_is_as_loud_as_the_word_is_told(self, tmp_path):
        scene = Scene([word(seed, level=0.1) for seed in range(5)], floor=2000.0)
        with pytest.raises(AudioError, match="too noisy"):
            collect(scene, tmp_path)
        assert not (tmp_path / "manifest.csv").exists()

    def test_lost_samples_spoil_a_take(self, tmp_path):
        # Lost after the prompt, while the word was said.
        class Losing(Scene):
            def blocks(self):
                for block in super().blocks():
                    if np.abs(block).max() > 3000 and not self.overflows:
                        self.overflows += 1
                    yield block

        scene = Losing([WORDS[3], *WORDS[:3]])
        assert collect(scene, tmp_path) == 0
        assert scene.text.count(ADVICE["lost"]) == 1
        assert len(rows_of(tmp_path)) == 3

    def test_a_microphone_like_a_telephone_is_told_once_and_no_take_is_refused(self, tmp_path):
        dull = [
            soxr.resample(soxr.resample(x.astype(np.float32), 16000, 8000), 8000, 16000) for x in (*WORDS[:2], WORDS[0])
        ]
        scene = Scene([x.astype(np.int16) for x in dull], floor=0.5)
        assert collect(scene, tmp_path) == 0
        assert "Attention: 3 of 3 takes have nothing above 4 kHz" in scene.text
        assert "again" not in scene.text
        scene = Scene(WORDS[:3])
        assert collect(scene, tmp_path, "--room", "other") == 0
        assert "Attention" not in scene.text

    def test_a_word_may_come_late(self, tmp_path):
        assert collect(Scene([after(6.0, WORDS[0]), after(7.8, WORDS[1]), WORDS[2]]), tmp_path) == 0
        assert len(rows_of(tmp_path)) == 3

    def test_a_click_is_no_word(self, tmp_path):
        click = np.zeros(32, np.int16)
        click[::3] = 20000
        scene = Scene([np.concatenate((click, pause(1.5), WORDS[0])), *WORDS[1:3]])
        assert collect(scene, tmp_path) == 0
        assert "again" not in scene.text
        assert holds(soundfile.read(tmp_path / "live/ann/hey_house/001.flac", dtype="int16")[0], WORDS[0])

    def test_a_muted_microphone_is_told_of_and_given_up(self, tmp_path):
        scene = Scene([], floor=0.0)
        with pytest.raises(AudioError, match="scripted: 5 takes in a row could not be used") as caught:
            collect(scene, tmp_path)
        assert "\n" not in str(caught.value)
        assert "is the microphone muted?" in scene.text
        assert scene.text.count(ADVICE["silent"]) == 5
        assert not (tmp_path / "manifest.csv").exists()

    @pytest.mark.parametrize("block", [1, 160, 512, 7777])
    def test_blocks_do_not_matter(self, block):
        rng = np.random.default_rng(4)
        stream = np.concatenate((pause(1.2), WORDS[0], pause(1.5)))
        stream = (stream + rng.normal(0, 5, stream.size)).astype(np.int16)
        listener, takes = Listener(), []
        for at in range(0, stream.size, block):
            take = listener.push(stream[at : at + block])
            if take is not None:
                takes.append(take)
                break
        assert fault_of(takes[0]) is None
        whole = Listener().push(stream)
        assert np.array_equal(takes[0].samples, whole.samples)
        assert takes[0].quality == whole.quality
