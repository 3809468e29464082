"""``vivavoce collect`` asks before anything is recorded, and keeps text, date and answer."""

import io
import json
import shlex

import numpy as np
import pytest
import soundfile
from collecting import WORDS, Person, collect, content_of, options, rows_of
from scripted_person import Scene

from edge.collector import Collector
from edge.errors import UsageError
from edge.terminal import Terminal


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
