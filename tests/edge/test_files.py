"""Files and links are put in place as a whole, and leave nothing behind where that fails."""

import os

import pytest

from edge.files import link_whole, prove_writable, write_whole


@pytest.mark.parametrize("one_writer", [True, False])
@pytest.mark.parametrize("name", ["a", "ü" * 127, "x" * 255], ids=["short", "bytes", "long"])
def test_a_name_may_be_as_long_as_the_file_system_allows(name, one_writer, tmp_path):
    write_whole(tmp_path / "new" / name, lambda file: file.write(b"1"), one_writer=one_writer, durable=True)
    assert (tmp_path / "new" / name).read_bytes() == b"1"
    link_whole(tmp_path / "new" / name, tmp_path)
    assert os.listdir(tmp_path / "new") == [name]
    assert (tmp_path / "new" / name).readlink() == tmp_path


@pytest.mark.parametrize("one_writer", [True, False])
def test_what_was_there_stays_where_writing_fails(one_writer, tmp_path):
    def fail(file):
        file.write(b"half")
        raise OSError("full")

    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(OSError, match="full"):
        write_whole(tmp_path / "a", fail, one_writer=one_writer)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}


def test_a_link_that_a_killed_process_left_is_not_written_through(tmp_path):
    (tmp_path / "victim").write_bytes(b"mine")
    for put in (
        lambda path: write_whole(path, lambda file: file.write(b"new"), one_writer=True),
        lambda path: link_whole(path, tmp_path),
    ):
        (tmp_path / ".a.tmp").symlink_to(tmp_path / "victim")
        put(tmp_path / "a")
        assert (tmp_path / "victim").read_bytes() == b"mine"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "victim"]


@pytest.mark.parametrize("what", ["folder", "pipe", "link to a pipe"])
def test_what_is_no_file_is_not_replaced(what, tmp_path):
    # A pipe stands for a device: root may replace /dev/null, too.
    if what == "folder":
        (tmp_path / "a").mkdir()
    else:
        os.mkfifo(tmp_path / ("pipe" if "link" in what else "a"))
    if "link" in what:
        (tmp_path / "a").symlink_to("pipe")
    before = {path.name: path.lstat() for path in tmp_path.iterdir()}
    for put in (
        lambda: write_whole(tmp_path / "a", lambda file: file.write(b"new")),
        lambda: write_whole(tmp_path / "a", lambda file: file.write(b"new"), one_writer=True),
        lambda: link_whole(tmp_path / "a", tmp_path),
    ):
        with pytest.raises(OSError, match="is a folder or device"):
            put()
    assert {path.name: path.lstat() for path in tmp_path.iterdir()} == before


def test_links_to_files_are_replaced_also_where_they_lead_nowhere(tmp_path):
    (tmp_path / "mine").write_bytes(b"mine")
    for target in ("mine", "nowhere"):
        (tmp_path / "a").symlink_to(target)
        write_whole(tmp_path / "a", lambda file: file.write(b"new"))
        assert not (tmp_path / "a").is_symlink()
        (tmp_path / "a").unlink()
    assert (tmp_path / "mine").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["new", "there", "none/yet/new"])
def test_what_could_be_written_is_known_before_and_nothing_is_left(name, tmp_path):
    (tmp_path / "there").write_text("as it was")
    before = sorted(tmp_path.rglob("*"))
    prove_writable(tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "there").read_text() == "as it was"


@pytest.mark.parametrize("name", ["folder", "file/below", "/proc/none/new", "lost/new"])
def test_what_could_not_be_written_is_known_before(name, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "lost").symlink_to(tmp_path / "gone")
    for refused in (prove_writable, lambda path: write_whole(path, lambda file: None)):
        with pytest.raises(OSError, match=r"folder|No such file|Not a directory|exists"):
            refused(tmp_path / name)
