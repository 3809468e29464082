"""``vivavoce collect`` given again: after its end, an interruption or a kill, it goes on and overwrites nothing."""

import hashlib
import io
import shlex

import pytest
from collecting import WORDS, collect, collect_in_a_process, content_of, rows_of
from scripted_person import Scene, through_a_room

from edge.cli import Parser
from edge.collection import Collection
from edge.collector import Collector
from edge.commands.collect import configure
from edge.errors import DataError, UsageError
from edge.terminal import Terminal
from train.corpus import load_manifest


class TestResume:
    def test_the_same_command_goes_on_and_overwrites_nothing(self, tmp_path):
        assert collect(Scene(WORDS[:2]), tmp_path, "--takes", "2") == 0
        before = content_of(tmp_path)
        scene = Scene(WORDS[2:4], [through_a_room])
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
        scene = Scene(WORDS[1:3], [through_a_room])
        assert Collector(args, Terminal(io.StringIO(), scene), lambda _: scene).run() == 0
        assert len(rows_of(out)) == 6

    @pytest.mark.parametrize("moment", ["while the second take is said", "between a file and its row", "in a file"])
    def test_killed_and_started_again(self, moment, tmp_path):
        done = collect_in_a_process(
            f"""
import os, signal
from edge.collection import Collection
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
""",
            tmp_path,
        )
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
