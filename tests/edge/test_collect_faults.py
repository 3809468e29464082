"""``vivavoce collect`` with broken folders and options: one line, and nothing is lost."""

import os

import pytest
from collecting import WORDS, collect, collect_in_a_process, content_of, rows_of
from scripted_person import Scene

from edge.cli import Parser
from edge.collection import checked_name, checked_phrase
from edge.commands.collect import configure, run
from edge.errors import DataError, UsageError
from train.corpus import load_manifest

DEEP_SESSION = b'{"consent": {"answer": "yes"}, "sessions": [%s]}' % (b"[" * 900 + b"]" * 900)
SURROGATE = b'{"consent": {"answer": "yes", "text": "\\ud800"}, "sessions": []}'
"""Metadata that could be read, and not be written again."""


class TestFaults:
    GOOD = "path,corpus,speaker,split,role,label,seconds,native_hz,licence\n"

    @pytest.mark.parametrize(
        ("content", "where"),
        [
            (b"", "got no column path, .* among none"),
            (b"path,speaker\nx,y\n", "got no column corpus, .* among path,speaker"),
            (GOOD.encode() + b"a.flac,c,ann\n", "line 2: got 3 cells, expected 9"),
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
        done = collect_in_a_process(
            """
import resource
def fill(scene):
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
    return word(1)
scene = Scene([word(0), fill])
""",
            tmp_path,
        )
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

    @pytest.mark.parametrize(
        "content",
        [b"", b"{}", b"\xff", b"[" * 100_000, DEEP_SESSION, SURROGATE],
        ids=["empty", "no consent", "noise", "deep", "deep session", "surrogate"],
    )
    def test_damaged_metadata_of_a_person(self, content, tmp_path):
        assert collect(Scene(WORDS), tmp_path) == 0
        (tmp_path / "people/ann.json").write_bytes(content)
        before = content_of(tmp_path)
        with pytest.raises(DataError, match=r"ann\.json: got something that is not the metadata"):
            collect(Scene(WORDS), tmp_path)
        assert content_of(tmp_path) == before

    @pytest.mark.parametrize(
        "path",
        [
            "first.flac",
            "live/ann/hey_house/first.flac",
            "live/ann/other_word/001.flac",
            "live/bob/hey_house/001.flac",
            "live/ann/hey_house/1.wav",
            f"live/ann/hey_house/{'9' * 4000}.flac",
            "live/ann/hey_house/../001.flac",
            "/live/ann/hey_house/001.flac",
        ],
        ids=range(8),
    )
    def test_a_take_that_lies_elsewhere_is_one_line_before_anybody_is_asked(self, path, tmp_path):
        assert collect(Scene(WORDS), tmp_path) == 0
        manifest = tmp_path / "manifest.csv"
        manifest.write_text(manifest.read_text().replace("live/ann/hey_house/001.flac", path))
        (tmp_path / "live/ann/hey_house/001.flac").unlink()
        before = content_of(tmp_path)
        scene = Scene(WORDS)
        with pytest.raises(DataError, match=r"expected live/ann/hey_house/NUMBER\.flac for a take of 'ann'"):
            collect(scene, tmp_path, "--loudspeaker", "tv")
        assert content_of(tmp_path) == before
        assert "say" not in scene.text

    def test_takes_whose_corpus_was_renamed_by_hand_are_takes(self, tmp_path):
        assert collect(Scene(WORDS), tmp_path) == 0
        manifest = tmp_path / "manifest.csv"
        manifest.write_text(manifest.read_text().replace(",collected,", ",home,"))
        scene = Scene()
        assert collect(scene, tmp_path) == 0
        assert "3 of 3 takes are there" in scene.text
        with pytest.raises(UsageError, match="--split: got test, expected train"):
            collect(Scene(WORDS), tmp_path, "--split", "test")

    def test_what_is_named_like_a_recording_and_is_no_file_is_passed_over(self, tmp_path):
        assert collect(Scene(WORDS), tmp_path) == 0
        before = content_of(tmp_path)
        os.mkfifo(tmp_path / "live/ann/hey_house/008.flac")  # reading it would wait for ever
        (tmp_path / "live/ann/hey_house/009.flac").mkdir()
        assert collect(Scene(), tmp_path) == 0
        assert content_of(tmp_path)["manifest.csv"] == before["manifest.csv"]
        (tmp_path / "people/ann.json").unlink()
        os.mkfifo(tmp_path / "people/ann.json")
        with pytest.raises(DataError, match="not the metadata of a person"):
            collect(Scene(), tmp_path)

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
