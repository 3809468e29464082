"""The event store: what it holds, whose its file is, and who may read it."""

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from event_makers import AT_S, QUALITY, answer, filled, ids, passed, status, unjudged, without_waiting

from edge import event_schema
from edge.errors import StoreError, UsageError
from edge.event_reading import EventReader, Selection
from edge.event_retention import damaged_files
from edge.event_store import EventStore, StoreSettings
from edge.kept_audio import AudioSettings
from edge.state_folder import state_folder
from edge.strict_toml import from_tables

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "events.sqlite3"


# -------------------------------------------------------------------------------------------- content


@pytest.mark.parametrize("make", [answer, passed, unjudged])
def test_an_answer_comes_back_as_it_was_told(make, path):
    told = make(at_s=AT_S + 0.25)
    with EventStore(path) as store:
        store.add(told, audio="/somewhere/x.flac")
    with EventReader(path) as reader:
        found = reader.find(told.id)
    assert found.record == told.to_dict()
    assert (found.id, found.at_s, found.kind, found.audio) == (told.id, told.at_s, "answer", "/somewhere/x.flac")


def test_the_answer_is_there_once(path):
    told = answer()
    with EventStore(path) as store:
        store.add(told)
        store.add(told)
        store.add(answer())
        assert store.size()[0] == 2


@pytest.mark.parametrize(
    ("different", "shown"),
    [
        ({"word": "a\udc80b"}, "a?b"),
        ({"word": "a\0b"}, "a\0b"),
        ({"word": "x" * 100_000}, "x" * 500),
        ({"word": "fünf ☃"}, "fünf ☃"),
    ],
    ids=["surrogate", "nul", "endless", "unicode"],
)
def test_whatever_others_call_their_words_can_be_kept(different, shown, path):
    told = answer(**different)
    with EventStore(path) as store:
        store.add(told)
    with EventReader(path) as reader:
        assert reader.find(told.id).record["word"] == shown
        assert [one.id for one in reader.events(Selection(word=shown))] == [told.id]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_null(value, path):
    told = answer(quality=replace(QUALITY, snr_db=value), stage_s={"liveness": value})
    with EventStore(path) as store:
        store.add(told)
    with EventReader(path) as reader:
        record = reader.find(told.id).record
    assert record["quality"]["snr_db"] is None
    assert record["stage_ms"] == {"liveness": None}


@pytest.mark.parametrize("at_s", [-1.0, float("nan"), 1e300])
def test_a_clock_that_is_mad_loses_no_answer(at_s, path):
    told = replace(answer(), at_s=at_s)
    with EventStore(path) as store:
        store.add(told)
    assert ids(path) == [told.id]


def test_a_status_is_kept_where_something_changed(path):
    told = [
        status(source="opening", source_name="a"),
        status(source_name="a"),
        status(source_name="a", playing=True),
        status(source_name="a"),
        status(source="lost", source_name="unplugged"),
        status(source="lost", source_name="no such device (attempt 2)"),
        status(source_name="a"),
        status(source_name="b"),
        status(source_name="b", muted=True),
        status(source_name="b", muted=True, bundle="3.1.0"),
    ]
    with EventStore(path) as store:
        for at, one in enumerate(told):
            store.add(replace(one, at_s=AT_S + at))
    with EventReader(path) as reader:
        found = [event.record for event in reader.events(Selection(kind="status"))]
    assert [record["at"] - AT_S for record in found] == [0, 1, 4, 6, 7, 8, 9]
    assert found[0] == {**replace(told[0], at_s=AT_S).to_dict(), "id": found[0]["id"]}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, "012345"),
        ({"since_s": AT_S + 2}, "2345"),
        ({"before_s": AT_S + 2}, "01"),
        ({"word": "Smart  Mirror"}, "0123"),
        ({"word": "OKAY_NABU"}, "4"),
        ({"action": "pass"}, "1"),
        ({"reason": "quiet"}, "2"),
        ({"reason": "loud"}, ""),
        ({"kind": "status"}, "5"),
        ({"audio": True}, "3"),
        ({"after_seq": 4}, "45"),
        ({"action": "block", "reason": "loudspeaker", "since_s": AT_S + 1}, "234"),
    ],
    ids=str,
)
def test_events_are_found(selection, expected, path):
    told = [
        answer(AT_S),
        passed(AT_S + 1),
        answer(AT_S + 2, reasons=("loudspeaker", "quiet")),
        answer(AT_S + 3),
        answer(AT_S + 4, word="okay nabu", phrase="okay nabu"),
        status(AT_S + 5),
    ]
    with EventStore(path) as store:
        for at, one in enumerate(told):
            store.add(one, audio="x.flac" if at == 3 else "")
    with EventReader(path) as reader:
        found = list(reader.events(Selection(**selection)))
        assert "".join(str(round(event.at_s - AT_S)) for event in found) == expected
        assert reader.count(Selection(**selection)) == len(found)
        newest = list(reader.events(Selection(**selection), newest=2))
    assert newest == found[-2:]


# ---------------------------------------------------------------------------------------------- files


def test_nobody_else_may_read_it(path):
    old = os.umask(0)
    try:
        with EventStore(path) as store:
            store.add(answer())
            modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    finally:
        os.umask(old)
    assert set(modes) == {f"{path.name}{end}" for end in ("", "-wal", "-shm")} | {f".{path.name}.lock"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_permissions_that_the_owner_gave_stay(path):
    with EventStore(path):
        pass
    path.chmod(0o640)
    with EventStore(path) as store:
        store.add(answer())
        assert stat.S_IMODE(Path(f"{path}-wal").stat().st_mode) == 0o640


def test_an_acknowledged_event_waits_for_the_disk(path):
    # What stands behind is shown by tests/bench/store_faults.py, with every call that reaches the disk.
    with EventStore(path) as store:
        pragmas = {
            name: store._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "journal_mode", "secure_delete", "foreign_keys")
        }
    assert pragmas == {"synchronous": 2, "journal_mode": "wal", "secure_delete": 1, "foreign_keys": 1}


def test_a_link_is_followed(path, tmp_path):
    link = tmp_path / "link.sqlite3"
    link.symlink_to(path)
    with EventStore(link) as store:
        store.add(answer())
        assert len(ids(link)) == 1
    assert path.exists()
    assert link.is_symlink()
    os.truncate(path, 5000)
    with EventStore(link):
        assert len(damaged_files(path)) == 1
    assert link.is_symlink()


def test_a_second_daemon_is_refused(path):
    with EventStore(path) as store:
        with pytest.raises(StoreError, match="another vivavoce daemon writes to it"):
            EventStore(path)
        store.add(answer())
    with EventStore(path) as store:
        assert store.size()[0] == 1


@pytest.mark.parametrize("kind", ["folder", "device", "below a file", "foreign", "newer"])
def test_what_is_not_ours_is_refused_and_stays(kind, path):
    path.parent.mkdir()
    if kind == "folder":
        path.mkdir()
    elif kind == "device":
        os.mkfifo(path)
    elif kind == "below a file":
        path.parent.rmdir()
        path.parent.write_text("x")
    else:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE other (x)")
        if kind == "newer":
            connection.execute(f"PRAGMA application_id={event_schema.APPLICATION_ID}")
            connection.execute("PRAGMA user_version=99")
        connection.commit()
        connection.close()
    content = path.read_bytes() if path.is_file() else b""
    with pytest.raises(StoreError) as told:
        EventStore(path)
    assert str(path) in str(told.value)
    assert damaged_files(path) == []
    if content:
        # What the header says of the kind of log is all that was changed.
        assert path.read_bytes()[100:] == content[100:]
        with pytest.raises(StoreError):
            EventReader(path)


@pytest.mark.parametrize("name", ["/etc/passwd", "events", "events.txt"])
def test_a_path_that_may_be_any_file_is_refused(name):
    with pytest.raises(UsageError, match=r"f: store: path: got '.*', expected the name of a file that ends in"):
        from_tables(StoreSettings, {"path": name}, "f", name="store")


def test_the_default_is_in_the_folder_of_the_state(monkeypatch):
    assert str(state_folder({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "XDG_STATE_HOME": "/x"})) == "/var/lib/a"
    assert str(state_folder({"STATE_DIRECTORY": "", "XDG_STATE_HOME": "/x"})) == "/x/vivavoce"
    assert state_folder({"XDG_STATE_HOME": "relative"}) == Path("~/.local/state/vivavoce").expanduser()
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/a")
    assert str(StoreSettings().file) == "/var/lib/a/events.sqlite3"
    assert str(AudioSettings().folder) == "/var/lib/a/audio"


# ------------------------------------------------------------------------------------------ migration


def test_an_older_store_is_brought_up_to_date(path, monkeypatch):
    told = answer()
    with EventStore(path) as store:
        store.add(told)
    later = (*event_schema.MIGRATIONS, ("CREATE TABLE more (x)", "INSERT INTO more SELECT seq FROM event"))
    monkeypatch.setattr(event_schema, "MIGRATIONS", later)
    for _ in range(2):
        with EventStore(path) as store:
            assert store._connection.execute("SELECT x FROM more").fetchall() == [(1,)]
            assert store._connection.execute("PRAGMA user_version").fetchone() == (len(later),)
    assert ids(path) == [told.id]


def test_a_migration_that_fails_changes_nothing(path, monkeypatch):
    told = answer()
    with EventStore(path) as store:
        store.add(told)
    with monkeypatch.context() as patch:
        patch.setattr(event_schema, "MIGRATIONS", (*event_schema.MIGRATIONS, ("CREATE TABLE more (x)", "NONSENSE")))
        with pytest.raises(StoreError, match="NONSENSE"):
            EventStore(path)
    assert ids(path) == [told.id]
    with EventStore(path) as store:
        assert store._connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'more'").fetchone() == (0,)


# -------------------------------------------------------------------------------------------- readers


def test_reading_goes_on_while_it_is_written(path):
    stop = threading.Event()
    faults = []

    def read():
        seen = 0
        while not stop.is_set():
            try:
                with EventReader(path) as reader:
                    found = [event.seq for event in reader.events(Selection())]
            except StoreError as error:
                faults.append(error)
                return
            if found != sorted(found) or len(found) < seen:
                faults.append(found)
            seen = len(found)

    with EventStore(path) as store:
        without_waiting(store)
        reader = threading.Thread(target=read)
        reader.start()
        for at in range(300):
            store.add(answer(AT_S + at))
        stop.set()
        reader.join(10)
    assert not faults


def test_a_reader_sees_what_was_just_acknowledged(path):
    with EventStore(path) as store, EventReader(path) as before:
        told = answer()
        store.add(told)
        assert ids(path) == [told.id]
        # A reader that was opened before has no tables yet to look into, or sees it, too.
        assert [event.id for event in before.events(Selection())] == [told.id]


def test_a_store_that_is_not_there_is_one_line(path):
    with pytest.raises(StoreError, match="there is no store of events"):
        EventReader(path)
    path.mkdir(parents=True)
    with pytest.raises(StoreError, match="got a folder or device"):
        EventReader(path)


def test_a_damaged_store_is_one_line_for_readers(path):
    filled(path, 400)
    content = bytearray(path.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="the daemon sets it aside") as told, EventReader(path) as reader:
        list(reader.events(Selection()))
    assert "\n" not in str(told.value)
    assert damaged_files(path) == []


@pytest.mark.parametrize(
    "change",
    ["record = replace(record, '0.984', '0.985')", "record = '[1'", "at_ms = at_ms + 1", "action = 'pass'", "crc = 0"],
)
def test_a_damaged_record_is_left_out_and_counted(change, path):
    told = [answer(AT_S + at) for at in range(3)]
    with EventStore(path) as store:
        for one in told:
            store.add(one)
        store._connection.execute(f"UPDATE event SET {change} WHERE seq = 2")
    with EventReader(path) as reader:
        assert [event.id for event in reader.events(Selection())] == [told[0].id, told[2].id]
        assert reader.damaged == 1
        with pytest.raises(StoreError, match=f"event {told[1].id} is damaged"):
            reader.find(told[1].id)


READ_AS_NOBODY = """
import os, sys
import urllib.parse  # pathlib imports it when it is needed, and the other account may not read this Python's folder
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from edge.event_reading import EventReader, Selection
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
with EventReader(Path(sys.argv[2])) as reader:
    print(sum(1 for _ in reader.events(Selection())))
"""


def read_as_nobody(path):
    """Count the events as another account does; as this one, where it may not become another."""
    return subprocess.run(
        [sys.executable, "-c", READ_AS_NOBODY, str(ROOT), str(path)], capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    "kind", ["at rest", "at rest, its own", "at rest, in a folder for all", "while it is written", "by a link"]
)
def test_it_can_be_read_without_the_right_to_write(kind):
    if kind == "at rest, in a folder for all" and os.geteuid():
        pytest.skip("only root can read as another account")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "state"
        folder.mkdir()
        path = folder / "events.sqlite3"
        filled(path, 3)
        path.chmod(0o644)
        Path(name).chmod(0o755)
        store = EventStore(path)
        store.add(answer())
        if kind.startswith("at rest"):
            store.close()
        if kind == "at rest, its own" and not os.geteuid():
            os.chown(path, 65534, 65534)
        folder.chmod(0o777 if kind == "at rest, in a folder for all" else 0o555)
        before = sorted(one.name for one in folder.iterdir())
        try:
            link = Path(name) / "link.sqlite3"
            link.symlink_to(path)
            done = read_as_nobody(link if kind == "by a link" else path)
            # Files of SQLite that belong to another account would keep the daemon out.
            assert sorted(one.name for one in folder.iterdir()) == before
        finally:
            folder.chmod(0o755)
            store.close()
        assert (done.returncode, done.stdout) == (0, "4\n"), done.stderr
