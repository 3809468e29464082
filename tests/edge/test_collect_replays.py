"""``vivavoce collect``: replays are matched with their takes, and nothing else is taken for one."""

import numpy as np
import pytest
import soundfile
from collecting import WORDS, collect, rows_of
from scripted_person import Scene, pause, through_a_room, word

from edge.errors import AudioError
from edge.replays import find, recording_to_play
from edge.takes import ADVICE
from train.corpus import load_manifest


def likeness_and_offset(heard: np.ndarray, expected: np.ndarray) -> tuple[float, int]:
    """Return the greatest correlation coefficient of two sounds, and how much later the second begins."""
    size = heard.size + expected.size
    heard, expected = heard.astype(float), expected.astype(float)
    lagged = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(expected, size)), size)
    at = int(np.argmax(lagged))
    return float(lagged[at] / np.sqrt((heard @ heard) * (expected @ expected))), at - size * (at > heard.size)


class TestReplays:
    def test_each_is_matched_to_its_take(self, tmp_path):
        scene = Scene(WORDS[:3], [lambda x: through_a_room(np.concatenate((WORDS[5], pause(3), x)), delay_s=7.0)])
        assert collect(scene, tmp_path, "--room", "hall", "--loudspeaker", "my phone") == 0
        takes, replays = rows_of(tmp_path)[:3], rows_of(tmp_path)[3:]
        assert [row["path"] for row in replays] == [f"replay/my_phone/ann/hey_house/00{i}.flac" for i in (1, 2, 3)]
        for take, replay in zip(takes, replays, strict=True):
            assert (replay["take"], replay["source"], replay["loudspeaker"]) == (take["path"], "replay", "my_phone")
            assert (replay["seconds"], replay["room"], replay["label"]) == (take["seconds"], "hall", "hey house")
        # Each is a rendering of its take, and of no other, at the same place of the file but for the echoes.
        sounds = [soundfile.read(tmp_path / row["path"])[0] for row in takes]
        for i, row in enumerate(replays):
            heard = soundfile.read(tmp_path / row["path"])[0]
            likeness, offsets = zip(
                *(likeness_and_offset(heard, through_a_room(x, delay_s=0, noise=0)) for x in sounds), strict=True
            )
            assert int(np.argmax(likeness)) == i
            assert likeness[i] > 0.9
            assert abs(offsets[i]) < 0.1 * 16000
        assert len(load_manifest(tmp_path)) == 6

    def test_what_was_not_heard_is_asked_for_again(self, tmp_path):
        def from_the_second_on(recording):
            # Whoever starts playing in the middle: the first word is not heard.
            return through_a_room(recording[int(2.3 * 16000) :])

        scene = Scene(WORDS[:3], [from_the_second_on, through_a_room])
        assert collect(scene, tmp_path, "--loudspeaker", "tv") == 0
        assert "2 of 3 replays are there" in scene.text
        assert "again, please: live/ann/hey_house/001.flac: not heard" in scene.text
        assert [row["take"] for row in rows_of(tmp_path)[3:]] == [
            f"live/ann/hey_house/00{i}.flac" for i in (2, 3, 1)
        ]  # fmt: skip

    def test_too_quiet_a_loudspeaker_is_told(self, tmp_path):
        scene = Scene(WORDS[:3], [lambda x: through_a_room(x, gain=0.008, noise=1.0), through_a_room])
        assert collect(scene, tmp_path, "--loudspeaker", "tv") == 0
        assert ADVICE["quiet"] in scene.text
        assert len(rows_of(tmp_path)) == 6

    def test_lost_samples_spoil_a_whole_playing(self, tmp_path):
        class Losing(Scene):
            def blocks(self):
                for number, block in enumerate(super().blocks()):
                    if self.opened == 2 and number == 100:
                        self.overflows += 1
                    yield block

        scene = Losing(WORDS[:3], [through_a_room, through_a_room])
        assert collect(scene, tmp_path, "--loudspeaker", "tv") == 0
        assert scene.text.count(ADVICE["lost"]) == 3
        assert "0 of 3 replays are there" in scene.text
        assert len(rows_of(tmp_path)) == 6

    def test_a_room_that_never_falls_silent_is_listened_to_for_a_minute_more(self, tmp_path):
        def with_chatter(recording):
            chatter = np.concatenate([np.concatenate((word(seed), pause(1))) for seed in range(400)])
            quiet = through_a_room(recording).astype(float)
            chatter = chatter[quiet.size :]
            return np.concatenate((quiet, chatter))

        class Counting(Scene):
            heard_s = 0.0

            def blocks(self):
                for block in super().blocks():
                    self.heard_s += block.size / 16_000 * (self.opened == 2)
                    yield block

        scene = Counting(WORDS[:3], [with_chatter])
        assert collect(scene, tmp_path, "--loudspeaker", "tv") == 0
        assert len(rows_of(tmp_path)) == 6
        assert 60 < scene.heard_s < 90

    def test_other_sounds_are_no_replays(self):
        takes = [np.concatenate((pause(0.5), sound, pause(0.4))) for sound in WORDS[:3]]
        rng = np.random.default_rng(1)
        others = through_a_room(
            np.concatenate([np.concatenate((pause(1), word(seed, seconds=1.3))) for seed in range(20, 26)])
        )
        for heard in (rng.normal(0, 500, 200_000), np.zeros(200_000), np.zeros(0)):
            assert find(heard.astype(np.int16), takes) == []
        assert len(find(others.astype(np.int16), takes)) <= 1

    def test_all_of_many_takes_are_found(self):
        takes = [np.concatenate((pause(0.5), word(seed), pause(0.4))) for seed in range(30)]
        recording, starts = recording_to_play(takes)
        heard = through_a_room(recording, delay_s=4.0).astype(np.int16)
        found = find(heard, takes)
        assert [entry.index for entry in found] == list(range(30))
        for entry in found:
            begin = starts[entry.index] + 4 * 16000
            near = heard[begin - 3200 : begin + entry.samples.size + 3200]
            _, offset = likeness_and_offset(near, entry.samples)
            assert np.array_equal(near[offset : offset + entry.samples.size], entry.samples), entry.index

    def test_the_recording_of_somebody_else_is_not_taken(self):
        hers, his = (
            [np.concatenate((pause(0.5), word(seed), pause(0.4))) for seed in range(first, first + 10)]
            for first in (0, 100)
        )
        assert find(through_a_room(recording_to_play(his)[0]).astype(np.int16), hers) == []

    def test_silence_is_given_up_and_the_takes_stay(self, tmp_path):
        scene = Scene(WORDS[:3])
        with pytest.raises(AudioError, match="tv: 3 of 3 replays were not heard well in 3 attempts"):
            collect(scene, tmp_path, "--loudspeaker", "tv")
        assert len(rows_of(tmp_path)) == 3

    def test_several_loudspeakers_in_turn_at_a_terminal(self, tmp_path):
        scene = Scene(WORDS[:3], [through_a_room, through_a_room])
        assert collect(scene, tmp_path, typed="phone\n\n../x\ntv\nskip\nradio\n\n\n") == 0
        assert {row["loudspeaker"] for row in rows_of(tmp_path)} == {"", "phone", "radio"}
        assert "tv: skipped, 3 replays are missing" in scene.text
        assert "loudspeaker: got '../x'" in scene.text

    def test_the_recording_to_play_has_all_takes_at_one_gain(self):
        takes = [word(1, level=0.1), word(2, level=0.2)]
        recording, starts = recording_to_play(takes)
        for take, start in zip(takes, starts, strict=True):
            part = recording[start : start + take.size]
            assert np.corrcoef(part, take)[0, 1] > 0.9999
        assert 0.69 < np.abs(recording / 32767).max() < 0.71
