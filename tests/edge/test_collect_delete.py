"""``vivavoce collect --delete``: everything of one person goes, and nothing else."""

import csv
import io
from pathlib import Path

import pytest
from collecting import WORDS, Person, collect, content_of, rows_of
from scripted_person import Scene, through_a_room

from edge.collector import delete
from edge.errors import DataError, UsageError
from edge.terminal import Terminal


class TestDelete:
    def two_people(self, out: Path) -> None:
        assert collect(Scene(WORDS[:3], [through_a_room]), out, "--loudspeaker", "tv") == 0
        assert collect(Scene(WORDS[3:], [through_a_room]), out, "--loudspeaker", "tv", "--speaker", "bob") == 0

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

    def test_rows_whose_corpus_was_renamed_by_hand_go_with_their_files(self, tmp_path):
        self.two_people(tmp_path)
        path = tmp_path / "manifest.csv"
        path.write_text(path.read_text().replace(",collected,", ",home,"))
        scene = Scene()
        assert delete(tmp_path, "ann", Terminal(io.StringIO(), scene), confirmed=True) == 0
        assert "and 6 rows." in scene.text
        # Bob's rows stay, and all that is left is there.
        assert {row["speaker"] for row in rows_of(tmp_path)} == {"bob"}
        assert len(rows_of(tmp_path)) == 6
        assert all((tmp_path / row["path"]).is_file() for row in rows_of(tmp_path))

    def test_metadata_behind_a_link_is_not_followed(self, tmp_path):
        out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
        self.two_people(out)
        (out / "people").rename(elsewhere)
        (out / "people").symlink_to(elsewhere)
        before = content_of(out)
        with pytest.raises(DataError, match="people: is a link, or lies behind one"):
            delete(out, "ann", Terminal(io.StringIO(), Scene()), confirmed=True)
        assert content_of(out) == before
        assert len(list(elsewhere.iterdir())) == 2
        # A link in place of the file goes, and what it leads to stays.
        (out / "people").unlink()
        (out / "people").mkdir()
        (out / "people/ann.json").symlink_to(elsewhere / "ann.json")
        assert delete(out, "ann", Terminal(io.StringIO(), Scene()), confirmed=True) == 0
        assert not (out / "people").exists()
        assert len(list(elsewhere.iterdir())) == 2

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
