"""``vivavoce collect`` with a scripted person: what is kept, what is asked for again, and that nothing is lost."""

import argparse
import csv
import hashlib
import importlib.util
import io
import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from edge.cli import Parser
from edge.collection import COLUMNS, EXTENDED_COLUMNS, Collection, checked_name, checked_phrase
from edge.collector import Collector, delete
from edge.commands.collect import configure, run
from edge.errors import AudioError, DataError, UsageError
from edge.replays import find, recording_to_play
from edge.takes import ADVICE, Listener, fault_of
from edge.terminal import Terminal
from train.corpus import COLUMNS as TRAINING_COLUMNS
from train.corpus import load_manifest, read_clip

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SPEC = importlib.util.spec_from_file_location("scripted_person", HERE / "scripted_person.py")
person = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(person)
Scene, word, after, pause, through_a_room = (
    person.Scene, person.word, person.after, person.pause, person.through_a_room,
)  # fmt: skip


class Person(io.StringIO):
    """Somebody who types; to the program a terminal."""

    def isatty(self) -> bool:
        return True


def options(out: Path, *more: str) -> argparse.Namespace:
    parser = Parser("vivavoce collect")
    configure(parser)
    return parser.parse_args(
        ["--word", "hey house", "--out", str(out), "--takes", "3", "--speaker", "ann", "--consent", "yes", *more]
    )


def collect(scene, out: Path, *more: str, typed: str | None = None) -> int:
    """Hold the dialogue; with `typed`, with a person at a terminal."""
    reader = io.StringIO() if typed is None else Person(typed)
    return Collector(options(out, *more), Terminal(reader, scene), lambda _: scene).run()


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def holds(samples: np.ndarray, said: np.ndarray) -> bool:
    """Whether what was said is in a recording, but for the noise of the room."""
    size = samples.size + said.size
    dots = np.fft.irfft(np.fft.rfft(samples, size) * np.conj(np.fft.rfft(said, size)), size)
    at = int(np.argmax(dots[: samples.size - said.size + 1]))
    return bool(np.abs(samples[at : at + said.size].astype(int) - said).max() < 40)


def likeness_and_offset(heard: np.ndarray, expected: np.ndarray) -> tuple[float, int]:
    """Return the greatest correlation coefficient of two sounds, and how much later the second begins."""
    size = heard.size + expected.size
    heard, expected = heard.astype(float), expected.astype(float)
    lagged = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(expected, size)), size)
    at = int(np.argmax(lagged))
    return float(lagged[at] / np.sqrt((heard @ heard) * (expected @ expected))), at - size * (at > heard.size)


WORDS = [word(seed) for seed in range(6)]
ROOM = through_a_room


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
            assert [row[c] for c in EXTENDED_COLUMNS[1:]] == ["board 1", "hall", "", "live", ""]

    def test_the_columns_are_those_of_training(self):
        assert set(TRAINING_COLUMNS) <= {*COLUMNS, *EXTENDED_COLUMNS}

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


class TestReplays:
    def test_each_is_matched_to_its_take(self, tmp_path):
        scene = Scene(WORDS[:3], [lambda x: ROOM(np.concatenate((WORDS[5], pause(3), x)), delay_s=7.0)])
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
                *(likeness_and_offset(heard, ROOM(x, delay_s=0, noise=0)) for x in sounds), strict=True
            )
            assert int(np.argmax(likeness)) == i
            assert likeness[i] > 0.9
            assert abs(offsets[i]) < 0.1 * 16000
        assert len(load_manifest(tmp_path)) == 6

    def test_what_was_not_heard_is_asked_for_again(self, tmp_path):
        def from_the_second_on(recording):
            # Whoever starts playing in the middle: the first word is not heard.
            return ROOM(recording[int(2.3 * 16000) :])

        scene = Scene(WORDS[:3], [from_the_second_on, ROOM])
        assert collect(scene, tmp_path, "--loudspeaker", "tv") == 0
        assert "2 of 3 replays are there" in scene.text
        assert "again, please: live/ann/hey_house/001.flac: not heard" in scene.text
        assert [row["take"] for row in rows_of(tmp_path)[3:]] == [
            f"live/ann/hey_house/00{i}.flac" for i in (2, 3, 1)
        ]  # fmt: skip

    def test_too_quiet_a_loudspeaker_is_told(self, tmp_path):
        scene = Scene(WORDS[:3], [lambda x: ROOM(x, gain=0.008, noise=1.0), ROOM])
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

        scene = Losing(WORDS[:3], [ROOM, ROOM])
        assert collect(scene, tmp_path, "--loudspeaker", "tv") == 0
        assert scene.text.count(ADVICE["lost"]) == 3
        assert "0 of 3 replays are there" in scene.text
        assert len(rows_of(tmp_path)) == 6

    def test_a_room_that_never_falls_silent_is_listened_to_for_a_minute_more(self, tmp_path):
        def with_chatter(recording):
            chatter = np.concatenate([np.concatenate((word(seed), pause(1))) for seed in range(400)])
            quiet = ROOM(recording).astype(float)
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
        others = ROOM(np.concatenate([np.concatenate((pause(1), word(seed, seconds=1.3))) for seed in range(20, 26)]))
        for heard in (rng.normal(0, 500, 200_000), np.zeros(200_000), np.zeros(0)):
            assert find(heard.astype(np.int16), takes) == []
        assert len(find(others.astype(np.int16), takes)) <= 1

    def test_all_of_many_takes_are_found(self):
        takes = [np.concatenate((pause(0.5), word(seed), pause(0.4))) for seed in range(30)]
        recording, starts = recording_to_play(takes)
        heard = ROOM(recording, delay_s=4.0).astype(np.int16)
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
        assert find(ROOM(recording_to_play(his)[0]).astype(np.int16), hers) == []

    def test_silence_is_given_up_and_the_takes_stay(self, tmp_path):
        scene = Scene(WORDS[:3])
        with pytest.raises(AudioError, match="tv: 3 of 3 replays were not heard well in 3 attempts"):
            collect(scene, tmp_path, "--loudspeaker", "tv")
        assert len(rows_of(tmp_path)) == 3

    def test_several_loudspeakers_in_turn_at_a_terminal(self, tmp_path):
        scene = Scene(WORDS[:3], [ROOM, ROOM])
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


class TestResume:
    def test_the_same_command_goes_on_and_overwrites_nothing(self, tmp_path):
        assert collect(Scene(WORDS[:2]), tmp_path, "--takes", "2") == 0
        before = content_of(tmp_path)
        scene = Scene(WORDS[2:4], [ROOM])
        assert collect(scene, tmp_path, "--takes", "4", "--loudspeaker", "tv") == 0
        assert "2 of 4 takes are there" in scene.text
        now = content_of(tmp_path)
        assert all(now[name] == before[name] for name in before if name.endswith(".flac"))
        assert [row["source"] for row in rows_of(tmp_path)] == ["live"] * 4 + ["replay"] * 4
        # Once more: there is nothing to do, and the microphone is not even opened.
        scene = Scene()
        assert collect(scene, tmp_path, "--takes", "4", "--loudspeaker", "tv") == 0
        assert scene.opened == 0
        assert content_of(tmp_path)["manifest.csv"] == now["manifest.csv"]

    def test_another_room_gets_takes_of_its_own(self, tmp_path):
        assert collect(Scene(WORDS[:2]), tmp_path, "--takes", "2", "--room", "hall") == 0
        assert collect(Scene(WORDS[2:4]), tmp_path, "--takes", "2", "--room", "kitchen") == 0
        assert [(row["path"][-8:], row["room"]) for row in rows_of(tmp_path)] == [
            ("001.flac", "hall"), ("002.flac", "hall"), ("003.flac", "kitchen"), ("004.flac", "kitchen"),
        ]  # fmt: skip

    def test_the_number_of_a_sound_card_does_not_matter(self, tmp_path):
        for name in ("USB Audio: Mic (hw:1,0)", "USB Audio: Mic (hw:2,0)"):
            scene = Scene(WORDS[:3])
            scene.name = name
            assert collect(scene, tmp_path) == 0
        assert "3 of 3 takes are there" in scene.text
        assert {row["device"] for row in rows_of(tmp_path)} == {"USB Audio: Mic"}
        assert len(rows_of(tmp_path)) == 3

    def test_interrupted_says_how_to_go_on_and_that_works(self, tmp_path):
        def stop(scene):
            raise KeyboardInterrupt

        scene = Scene([WORDS[0], stop])
        out = tmp_path / "with blanks, and more"
        assert collect(scene, out, "--room", "hall", "--loudspeaker", "tv") == 130
        assert "Kept: 1 takes and 0 replays of 'ann'" in scene.text
        command = shlex.split(scene.text.splitlines()[-1])
        assert command[:2] == ["vivavoce", "collect"]
        parser = Parser("vivavoce collect")
        configure(parser)
        args = parser.parse_args(command[2:])
        scene = Scene(WORDS[1:3], [ROOM])
        assert Collector(args, Terminal(io.StringIO(), scene), lambda _: scene).run() == 0
        assert len(rows_of(out)) == 6

    @pytest.mark.parametrize("moment", ["while the second take is said", "between a file and its row", "in a file"])
    def test_killed_and_started_again(self, moment, tmp_path):
        code = f"""
import os, signal, sys
sys.path.insert(0, {str(HERE)!r})
from edge.commands.collect import configure, run
from edge.cli import Parser
from edge.collection import Collection
from scripted_person import Scene, word
die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
moment = {moment!r}
said = [word(0), die if moment.startswith("while") else word(1), word(2)]
write = Collection._write_manifest
if moment == "between a file and its row":
    Collection._write_manifest = lambda self, rows: die() if len(rows) == 2 else write(self, rows)
if moment == "in a file":
    replace = os.replace
    os.replace = lambda a, b: die() if str(b).endswith("002.flac") else replace(a, b)
scene = Scene(said)
class Tee:
    isatty = lambda self: False
    flush = sys.stdout.flush
    def write(self, text):
        scene.write(text)
sys.stdout = Tee()
parser = Parser("vivavoce collect")
configure(parser)
run(parser.parse_args(sys.argv[1:]), lambda _: scene)
"""
        arguments = (
            "--word",
            "hey house",
            "--out",
            str(tmp_path),
            "--takes",
            "3",
            "--speaker",
            "ann",
            "--consent",
            "yes",
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == -9, done.stderr
        before = content_of(tmp_path)
        assert len(rows_of(tmp_path)) == 1
        files = 2 if moment == "between a file and its row" else 1
        assert sum(name.endswith(".flac") for name in before) == files
        assert any(name.endswith(".tmp") for name in before) == (moment == "in a file")

        scene = Scene(WORDS[3:])
        assert collect(scene, tmp_path) == 0
        now = content_of(tmp_path)
        assert len(load_manifest(tmp_path)) == 3
        assert not any(name.endswith(".tmp") for name in now)
        assert all(now[name] == before[name] for name in before if name.endswith(".flac"))
        assert ("Found again: 1 recordings" in scene.text) == (files == 2)
        # Every file has its row, that which was written just before the end as well.
        assert {row["path"] for row in rows_of(tmp_path)} == {name for name in now if name.endswith(".flac")}
        for row in rows_of(tmp_path):
            assert row["sha256"] == hashlib.sha256(now[row["path"]]).hexdigest()

    def test_a_file_that_is_there_is_not_overwritten(self, tmp_path):
        assert collect(Scene(WORDS[:1]), tmp_path, "--takes", "1") == 0
        # Files that the program did not write: the next number is taken for a take, and nothing for a replay.
        there = tmp_path / "live/ann/hey_house/007.flac"
        there.write_bytes(b"mine")
        facts = {"loudspeaker": "tv", "native_hz": "16000", "device": "board", "room": ""}
        assert collect(Scene(WORDS[1:2]), tmp_path, "--takes", "2") == 0
        assert rows_of(tmp_path)[1]["path"] == "live/ann/hey_house/008.flac"
        with Collection(tmp_path) as collection:
            (take, _) = collection.takes("ann")
            collection.add_replay(WORDS[0], take, facts)
            before = content_of(tmp_path)
            with pytest.raises(DataError, match="is there already"):
                collection.add_replay(WORDS[1], take, facts)
        assert content_of(tmp_path) == before
        assert there.read_bytes() == b"mine"

    def test_two_at_once_are_refused(self, tmp_path):
        with Collection(tmp_path), pytest.raises(UsageError, match="another 'vivavoce collect' is using this folder"):
            collect(Scene(WORDS), tmp_path)


class TestConsent:
    def test_text_date_and_answer_are_kept(self, tmp_path):
        out = tmp_path / "my recordings"
        reader, scene = Person("YES\n\n"), Scene(WORDS[:3])
        args = options(out)
        args.consent = None
        assert Collector(args, Terminal(reader, scene), lambda _: scene).run() == 0
        kept = json.loads((out / "people/ann.json").read_text())
        consent = kept["consent"]
        assert consent["answer"] == "YES"
        assert len(consent["date"]) == len("2026-11-24T19:30:00+00:00")
        assert consent["text"] in scene.text
        for fact in (
            str(out),
            f"vivavoce collect --delete ann --out {shlex.quote(str(out))}",
            "the owner of this device",
            "nothing else",
        ):
            assert fact in consent["text"]
        assert [session["word"] for session in kept["sessions"]] == ["hey house"]
        # It is not asked for twice; a second session is added.
        scene = Scene()
        assert Collector(args, Terminal(io.StringIO(), scene), lambda _: scene).run() == 0
        assert consent["date"] in scene.text
        assert len(json.loads((out / "people/ann.json").read_text())["sessions"]) == 2

    def test_what_was_agreed_to_for_one_folder_is_asked_again_for_another(self, tmp_path):
        assert collect(Scene(WORDS), tmp_path / "here") == 0
        (tmp_path / "here").rename(tmp_path / "there")
        args = options(tmp_path / "there")
        args.consent = None
        scene = Scene()
        with pytest.raises(UsageError, match="--consent yes"):
            Collector(args, Terminal(io.StringIO(), scene), lambda _: scene).run()
        assert str(tmp_path / "there") in scene.text

    def test_who_agreed_before_may_say_no_now(self, tmp_path):
        assert collect(Scene(WORDS[:3]), tmp_path) == 0
        before = content_of(tmp_path)
        scene = Scene(WORDS[3:])
        assert collect(scene, tmp_path, "--takes", "5", "--consent", "no") == 0
        assert content_of(tmp_path) == before
        assert "nothing was recorded" in scene.text
        assert "--delete ann" in scene.text

    @pytest.mark.parametrize(
        "comment", ['{"unknown": 1}', '"\\ud800"', "[]", "no json"], ids=["key", "surrogate", "list", "text"]
    )
    def test_somebody_elses_flac_in_the_folder_does_no_harm(self, comment, tmp_path):
        assert collect(Scene(WORDS[:3]), tmp_path) == 0
        row = rows_of(tmp_path)[0] | {"path": "live/ann/hey_house/777.flac"}
        if comment.startswith(("{", '"')):
            strange = json.loads(comment)
            row |= strange if isinstance(strange, dict) else {"label": strange}
            comment = json.dumps(row)
        with soundfile.SoundFile(tmp_path / "live/ann/hey_house/777.flac", "w", 16000, 1) as file:
            file.comment = comment
            file.write(np.zeros(160))
        assert collect(Scene(), tmp_path) == 0
        assert "unknown" not in (tmp_path / "manifest.csv").read_text()

    @pytest.mark.parametrize("answer", ["no", "", "perhaps"])
    def test_without_agreement_nothing_is_kept(self, answer, tmp_path):
        args, scene = options(tmp_path), Scene(WORDS)
        args.consent = None
        assert Collector(args, Terminal(Person(answer + "\n"), scene), lambda _: scene).run() == 0
        assert content_of(tmp_path) == {}
        assert scene.opened == 0
        assert "nothing was recorded" in scene.text

    def test_nobody_to_ask(self, tmp_path):
        args = options(tmp_path)
        args.consent = None
        scene = Scene(WORDS)
        with pytest.raises(UsageError, match="--consent yes"):
            Collector(args, Terminal(io.StringIO("yes\n"), scene), lambda _: scene).run()
        assert content_of(tmp_path) == {}


class TestDelete:
    def two_people(self, out: Path) -> None:
        assert collect(Scene(WORDS[:3], [ROOM]), out, "--loudspeaker", "tv") == 0
        assert collect(Scene(WORDS[3:], [ROOM]), out, "--loudspeaker", "tv", "--speaker", "bob") == 0

    def test_everything_of_one_person_goes_and_nothing_of_another(self, tmp_path):
        self.two_people(tmp_path)
        # A recording that has no row yet is hers, too.
        (tmp_path / "live/ann/hey_house/009.flac").write_bytes(b"not yet in the manifest")
        before = content_of(tmp_path)
        scene = Scene()
        assert delete(tmp_path, "ann", Terminal(Person("yes\n"), scene), confirmed=False) == 0
        now = content_of(tmp_path)
        assert not any("ann" in name for name in now)
        assert b"ann" not in b"".join(now.values())
        assert {row["speaker"] for row in rows_of(tmp_path)} == {"bob"}
        kept = {name for name in before if "bob" in name}
        assert kept == set(now) - {"manifest.csv"}
        assert all(now[name] == before[name] for name in kept)
        # 3 takes, 3 replays, the one without a row, the file to play, and the metadata.
        assert "Deleted: 9 files" in scene.text
        assert "and 6 rows" in scene.text

    def test_the_answer_counts(self, tmp_path):
        self.two_people(tmp_path)
        before = content_of(tmp_path)
        assert delete(tmp_path, "ann", Terminal(Person("no\n"), Scene()), confirmed=False) == 0
        with pytest.raises(UsageError, match="--yes"):
            delete(tmp_path, "ann", Terminal(io.StringIO("yes\n"), Scene()), confirmed=False)
        assert content_of(tmp_path) == before
        assert delete(tmp_path, "ann", Terminal(io.StringIO(), Scene()), confirmed=True) == 0
        assert len(content_of(tmp_path)) < len(before)

    @pytest.mark.parametrize("name", ["../victim.txt", "live/bob/hey_house/001.flac", "ABSOLUTE"])
    def test_a_row_that_names_a_file_of_somebody_else_deletes_only_itself(self, name, tmp_path):
        out, victim = tmp_path / "out", tmp_path / "victim.txt"
        self.two_people(out)
        victim.write_text("not a recording")
        rows = rows_of(out)
        rows[0] = {**rows[0], "path": name.replace("ABSOLUTE", str(victim)), "speaker": "ann"}
        with (out / "manifest.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(row for row in rows if row["speaker"] == "ann")
        bobs = {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and "bob" in str(path)}
        assert delete(out, "ann", Terminal(io.StringIO(), Scene()), confirmed=True) == 0
        assert victim.read_text() == "not a recording"
        assert {path: path.read_bytes() for path in bobs} == bobs
        assert not list(out.glob("live/ann/**/*.flac"))

    def test_a_link_is_not_followed(self, tmp_path):
        out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
        self.two_people(out)
        (out / "live/ann").rename(elsewhere)
        (out / "live/ann").symlink_to(elsewhere)
        before = content_of(out)
        with pytest.raises(DataError, match="is a link, or lies behind one"):
            delete(out, "ann", Terminal(io.StringIO(), Scene()), confirmed=True)
        assert content_of(out) == before
        assert len(list(elsewhere.rglob("*.flac"))) == 3

    def test_who_has_the_same_name_in_another_corpus_stays(self, tmp_path):
        self.two_people(tmp_path)
        rows = rows_of(tmp_path)
        with (tmp_path / "manifest.csv").open("a", newline="") as file:
            csv.DictWriter(file, list(rows[0])).writerow({**rows[0], "path": "other/1.flac", "corpus": "other"})
        assert delete(tmp_path, "ann", Terminal(io.StringIO(), Scene()), confirmed=True) == 0
        assert {(row["corpus"], row["speaker"]) for row in rows_of(tmp_path)} == {
            ("other", "ann"),
            ("collected", "bob"),
        }

    def test_who_is_not_there_cannot_be_deleted(self, tmp_path):
        self.two_people(tmp_path)
        with pytest.raises(UsageError, match=r"holds nothing of 'eve', there is: ann, bob"):
            delete(tmp_path, "eve", Terminal(io.StringIO(), Scene()), confirmed=True)
        with pytest.raises(UsageError, match="no such folder"):
            delete(tmp_path / "not there", "ann", Terminal(io.StringIO(), Scene()), confirmed=True)
        assert not (tmp_path / "not there").exists()
        with pytest.raises(UsageError, match="--delete"):
            delete(tmp_path, "..", Terminal(io.StringIO(), Scene()), confirmed=True)


class TestFaults:
    GOOD = "path,corpus,speaker,split,role,label,seconds,native_hz,licence\n"

    @pytest.mark.parametrize(
        ("content", "where"),
        [
            (b"", "got the columns"),
            (b"path,speaker\nx,y\n", "got the columns path,speaker"),
            (GOOD.encode() + b"a.flac,c,ann\n", "line 2: got 3 fields, expected 9"),
            (GOOD.encode() + b'"a.flac,c', "not a CSV file"),
            (b"\xff\xfe\x00", "not a CSV file in UTF-8"),
        ],
    )
    def test_a_broken_manifest_is_one_line_and_stays_as_it_is(self, content, where, tmp_path):
        (tmp_path / "manifest.csv").write_bytes(content)
        scene = Scene(WORDS)
        with pytest.raises(DataError, match=where) as caught:
            collect(scene, tmp_path)
        assert str(caught.value).startswith(str(tmp_path / "manifest.csv"))
        assert "\n" not in str(caught.value)
        assert content_of(tmp_path) == {"manifest.csv": content}

    def test_rows_of_others_and_their_columns_stay(self, tmp_path):
        row = "clips/a.flac,gsc,x1,test,speech,up,1.0,16000,CC BY 4.0,old\n"
        (tmp_path / "manifest.csv").write_text(self.GOOD.replace("\n", ",note\n") + row)
        assert collect(Scene(WORDS), tmp_path) == 0
        first, *rest = rows_of(tmp_path)
        assert [*first.values()][:10] == row.strip().split(",")
        assert [row["note"] for row in rest] == ["", "", ""]
        assert all(row["source"] == "live" for row in rest)

    def test_a_disk_that_is_full_is_one_line_and_nothing_is_lost(self, tmp_path):
        # The system refuses files above some size, after a first take that was smaller than that.
        code = f"""
import resource, sys
sys.path.insert(0, {str(HERE)!r})
from edge.cli import Parser, report_error
from edge.commands.collect import configure, run
from edge.errors import VivavoceError
from scripted_person import Scene, word
def fill(scene):
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
    return word(1)
scene = Scene([word(0), fill])
shown = sys.stdout
class Tee:
    isatty = lambda self: False
    flush = shown.flush
    def write(self, text):
        shown.write(text)
        scene.write(text)
sys.stdout = Tee()
parser = Parser("vivavoce collect")
configure(parser)
try:
    run(parser.parse_args(sys.argv[1:]), lambda _: scene)
except VivavoceError as error:
    report_error(error)
    sys.exit(2)
"""
        arguments = (
            "--word",
            "hey house",
            "--out",
            str(tmp_path),
            "--takes",
            "3",
            "--speaker",
            "ann",
            "--consent",
            "yes",
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("\n") == 1
        assert "cannot be written (File too large)" in done.stderr
        assert "Kept: 1 takes" in done.stdout
        assert set(content_of(tmp_path)) == {"manifest.csv", "people/ann.json", "live/ann/hey_house/001.flac"}
        assert collect(Scene(WORDS[1:]), tmp_path) == 0
        assert len(load_manifest(tmp_path)) == 3

    def test_a_folder_that_cannot_be_made(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(DataError, match="cannot be written"):
            collect(Scene(WORDS), tmp_path / "file" / "out")

    def test_a_speaker_is_in_one_split(self, tmp_path):
        assert collect(Scene(WORDS), tmp_path) == 0
        with pytest.raises(UsageError, match="--split: got test, expected train"):
            collect(Scene(WORDS), tmp_path, "--split", "test")

    def test_damaged_metadata_of_a_person(self, tmp_path):
        assert collect(Scene(WORDS), tmp_path) == 0
        (tmp_path / "people/ann.json").write_text("{}")
        with pytest.raises(DataError, match=r"ann\.json: got something that is not the metadata"):
            collect(Scene(WORDS), tmp_path)

    @pytest.mark.parametrize("name", ["", "a/b", "..", ".x", "a\nb/", "-x", "x" * 99, "unknown"])
    def test_names_that_are_no_folders(self, name):
        with pytest.raises(UsageError, match="--speaker"):
            checked_name(name, "--speaker")

    @pytest.mark.parametrize("phrase", ["", "  ", "a/b", "hey_house", "..", "x" * 99])
    def test_phrases_that_are_none(self, phrase):
        with pytest.raises(UsageError, match="--word"):
            checked_phrase(phrase)

    def test_phrases_become_labels(self):
        assert checked_phrase("  Hey   HOUSE ") == "hey house"
        assert checked_phrase("Grüß Gott") == "grüss gott"

    @pytest.mark.parametrize(("given", "missing"), [(["--word", "a"], "--out"), (["--out", "x"], "--word")])
    def test_what_a_call_lacks_is_named(self, given, missing):
        parser = Parser("vivavoce collect")
        configure(parser)
        with pytest.raises(UsageError, match=f"^{missing}: got none"):
            run(parser.parse_args(given))

    @pytest.mark.parametrize("takes", ["0", "-1", "1000"])
    def test_numbers_of_takes_that_cannot_be(self, takes, tmp_path):
        with pytest.raises(UsageError, match="--takes"):
            collect(Scene(WORDS), tmp_path, "--takes", takes)


class TestTerminal:
    def test_a_line_is_shown_over_the_last_only_where_it_can_be(self):
        class Screen(io.StringIO):
            def isatty(self):
                return True

        for screen, shown in ((Screen(), True), (io.StringIO(), False)):
            terminal = Terminal(io.StringIO(), screen)
            terminal.show("[###] -30 dB")
            terminal.say("good")
            assert ("-30 dB" in screen.getvalue()) == shown
            assert "\x1b" not in screen.getvalue()
            assert screen.getvalue().endswith("good\n")

    def test_the_end_of_the_input_is_an_interruption(self):
        with pytest.raises(KeyboardInterrupt):
            Terminal(Person(""), io.StringIO()).ask("Agree?")

    def test_who_answered_beforehand_is_not_asked(self):
        assert not Terminal(Person("x\n"), io.StringIO(), patient=False).interactive
