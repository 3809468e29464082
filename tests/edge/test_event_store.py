"""The event store: what is acknowledged is there, whatever stops the device; what is damaged is set aside."""

import logging
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from event_makers import AT_S, QUALITY, answer, passed, status, unjudged

from edge import event_schema
from edge.bus import Bus
from edge.errors import StoreError, UsageError
from edge.event_reading import EventReader, Selection
from edge.event_retention import damaged_files
from edge.event_store import EventStore, StoreSettings
from edge.health import Health
from edge.kept_audio import AudioSettings
from edge.sinks.store import StoreSink
from edge.state_folder import state_folder
from edge.strict_toml import from_tables

ROOT = Path(__file__).resolve().parents[2]
DAY_S = 86_400.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "events.sqlite3"


def ids(path, selection=None):
    with EventReader(path) as reader:
        return [event.id for event in reader.events(selection or Selection())]


def without_waiting(store):
    """Let a store that a test only fills not wait for the disk."""
    store._connection.execute("PRAGMA synchronous=OFF").fetchall()
    return store


def integrity(path):
    with sqlite3.connect(path) as connection:
        (found,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    return found


# --------------------------------------------------------------------------------------------- content


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


# -------------------------------------------------------------------------------------------- files


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


# ---------------------------------------------------------------------------------------- migration


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


# ------------------------------------------------------------------------------------------- damage


def filled(path, events=40):
    told = [answer(AT_S + at) for at in range(events)]
    with EventStore(path) as store:
        without_waiting(store)
        for one in told:
            store.add(one)
    return [one.id for one in told]


def pages(path):
    return path.stat().st_size // event_schema.PAGE_BYTES


@pytest.mark.parametrize("kind", ["zeros", "random"])
def test_a_damaged_page_is_found_and_the_file_is_kept(kind, path, caplog):
    filled(path)
    whole = path.read_bytes()
    for page in range(pages(path)):
        at = page * event_schema.PAGE_BYTES
        junk = bytes(event_schema.PAGE_BYTES) if kind == "zeros" else os.urandom(event_schema.PAGE_BYTES)
        damaged = whole[:at] + junk + whole[at + event_schema.PAGE_BYTES :]
        path.write_bytes(damaged)
        caplog.clear()
        with EventStore(path) as store:
            store.add(passed())
            assert store.size()[0] == 1, page
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
        assert "\n" not in caplog.text.strip()
        (kept,) = damaged_files(path)
        assert kept.read_bytes()[100:] == damaged[100:]
        assert integrity(path) == "ok"
        kept.unlink()


@pytest.mark.parametrize("change", ["ALTER TABLE event DROP COLUMN crc", "DROP TABLE label", "DROP TABLE audio_folder"])
def test_a_store_whose_tables_are_others_is_set_aside(change, path):
    filled(path)
    connection = sqlite3.connect(path)
    connection.execute(change)
    connection.close()
    with pytest.raises(StoreError, match="the daemon sets it aside"):
        EventReader(path)
    told = passed()
    with EventStore(path) as store:
        store.add(told)
    assert ids(path) == [told.id]
    assert len(damaged_files(path)) == 1


@pytest.mark.parametrize("size", [99, 100, 511, 4095, 4096, 4097, 20_000])
def test_a_shortened_file_is_set_aside(size, path):
    filled(path)
    os.truncate(path, size)
    with EventStore(path) as store:
        store.add(passed())
        assert store.size()[0] == 1
    assert [kept.stat().st_size for kept in damaged_files(path)] == [size]


@pytest.mark.parametrize("content", [b"", b"x"])
def test_an_empty_file_is_a_new_store(content, path):
    # One byte is none to SQLite, which locks files on some systems by writing it.
    path.parent.mkdir()
    path.write_bytes(content)
    with EventReader(path) as reader:
        assert list(reader.events(Selection())) == []
    with EventStore(path) as store:
        store.add(answer())
    assert damaged_files(path) == []


def test_damage_that_shows_while_it_is_open_costs_no_event(path, caplog):
    filled(path, 400)
    told = passed()
    with EventStore(path) as store:
        with path.open("r+b") as file:
            file.seek(event_schema.PAGE_BYTES)
            file.write(os.urandom((pages(path) - 1) * event_schema.PAGE_BYTES))
        store._connection.execute("PRAGMA shrink_memory")
        store.add(told)
        store.add(status())
    with EventReader(path) as reader:
        assert [event.kind for event in reader.events(Selection())] == ["answer", "status"]
    assert ids(path, Selection(kind="answer")) == [told.id]
    assert len(damaged_files(path)) == 1
    assert caplog.text.count("is damaged") == 1


def test_a_new_file_knows_where_sound_is_kept(path):
    filled(path, 400)
    with EventStore(path) as store:
        store.remember_folder(Path("/somewhere/audio"))
        with path.open("r+b") as file:
            file.seek(event_schema.PAGE_BYTES)
            file.write(os.urandom((pages(path) - 1) * event_schema.PAGE_BYTES))
        store._connection.execute("PRAGMA shrink_memory")
        store.add(answer())
    assert len(damaged_files(path)) == 1
    with EventReader(path) as reader:
        assert reader.audio_folders() == [Path("/somewhere/audio")]


def test_a_log_that_holds_everything_is_enough(tmp_path, path):
    files, told = copy_of_open_store(tmp_path, 5)
    put(path, {"": b"x" * 8192, "-wal": files["-wal"]})
    with EventStore(path):
        pass
    assert ids(path) == told
    assert damaged_files(path) == []


def test_the_log_is_kept_beside_its_file(tmp_path, path):
    files, _ = copy_of_open_store(tmp_path, 100)
    put(path, {"": files[""][:8192] + bytes(len(files[""]) - 8192), "-wal": files["-wal"]})
    # While somebody reads, SQLite itself cannot move the log into its file.
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
    told = answer()
    with EventStore(path) as store:
        store.add(told)
    reader.close()
    (kept,) = damaged_files(path)
    assert Path(f"{kept}-wal").read_bytes() == files["-wal"]
    assert ids(path) == [told.id]


def test_setting_aside_that_is_interrupted_goes_on(path, monkeypatch):
    filled(path)
    os.truncate(path, 5000)
    Path(f"{path}-wal").write_bytes(b"log" * 1000)
    real = os.rename

    def killed(source, target):
        if str(source) == str(path):
            raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            EventStore(path)
    told = answer()
    with EventStore(path) as store:
        store.add(told)
    assert ids(path) == [told.id]
    assert [kept.stat().st_size for kept in damaged_files(path)] == [5000]


def test_few_damaged_files_are_kept(path):
    for at in range(6):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"%d" % at * 5000)
        with EventStore(path):
            pass
    assert sorted(kept.read_bytes()[:1] for kept in damaged_files(path)) == [b"3", b"4", b"5"]


def test_damaged_files_leave_in_their_time(path):
    path.parent.mkdir()
    path.write_bytes(b"x" * 5000)
    os.utime(path, (AT_S, AT_S))
    with EventStore(path) as store:
        store.retain(AT_S + 29 * DAY_S, max_age_days=30, max_mb=4)
        assert len(damaged_files(path)) == 1
        (kept,) = damaged_files(path)
        os.utime(kept, (0, 0))
        store.retain(DAY_S * 365, max_age_days=30, max_mb=4)
        assert len(damaged_files(path)) == 1
        os.utime(kept, (AT_S, AT_S))
        store.retain(AT_S + 31 * DAY_S, max_age_days=30, max_mb=4)
        assert damaged_files(path) == []


# ---------------------------------------------------------------------------------- loss of power


def copy_of_open_store(tmp_path, events):
    """Return the files of a store that was never closed, and what was acknowledged, in order."""
    path = tmp_path / "open" / "events.sqlite3"
    told = [answer(AT_S + at) for at in range(events)]
    with EventStore(path) as store:
        without_waiting(store)
        for one in told:
            store.add(one)
        files = {end: Path(f"{path}{end}").read_bytes() for end in ("", "-wal", "-shm")}
    return files, [one.id for one in told]


def put(path, files):
    shutil.rmtree(path.parent, ignore_errors=True)
    path.parent.mkdir(parents=True)
    for end, content in files.items():
        Path(f"{path}{end}").write_bytes(content)


def test_all_that_was_acknowledged_is_in_the_files(tmp_path, path):
    files, told = copy_of_open_store(tmp_path, 20)
    for shared in (files["-shm"], b"", os.urandom(32_768)):
        put(path, files | {"-shm": shared})
        with EventStore(path):
            pass
        assert ids(path) == told
        assert integrity(path) == "ok"


def test_a_log_that_ends_early_loses_its_end_alone(tmp_path, path):
    files, told = copy_of_open_store(tmp_path, 12)
    frame = 24 + event_schema.PAGE_BYTES
    whole = len(files["-wal"])
    lengths = {at + more for at in range(32, whole + 1, frame) for more in (-1, 0, 25)} | {0, 1, 31}
    assert len(lengths) > 100
    found = set()
    for length in sorted(min(one, whole) for one in lengths):
        put(path, {"": files[""], "-wal": files["-wal"][:length]})
        with EventStore(path) as store:
            store.add(passed())
        there = ids(path, Selection(action="block"))
        assert there == told[: len(there)], length
        assert integrity(path) == "ok"
        assert damaged_files(path) == []
        found.add(len(there))
    assert found == set(range(len(told) + 1))


def test_a_log_of_another_time_ends_in_a_store_that_works(tmp_path, path):
    earlier, _ = copy_of_open_store(tmp_path / "a", 10)
    later, _ = copy_of_open_store(tmp_path / "b", 300)
    for files in (
        {"": later[""], "-wal": earlier["-wal"]},
        {"": earlier[""], "-wal": later["-wal"]},
        {"": later[""], "-wal": os.urandom(50_000)},
    ):
        put(path, files)
        told = passed()
        with EventStore(path) as store:
            store.add(told)
        assert told.id in ids(path)
        assert integrity(path) == "ok"


WRITER = """
import sys
from pathlib import Path
from event_makers import answer
from edge.event_store import EventStore
with EventStore(Path(sys.argv[1])) as store:
    print("open", flush=True)
    for _ in range(100_000):
        one = answer()
        store.add(one)
        print(one.id, flush=True)
"""


def test_a_killed_writer_leaves_all_that_it_acknowledged(path):
    acknowledged = []
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    for number in range(5):
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as child:
            assert child.stdout.readline() == "open\n"
            acknowledged += [child.stdout.readline().strip() for _ in range(3 + 7 * number)]
            child.send_signal(signal.SIGKILL)
            acknowledged += [line.strip() for line in child.stdout if line.endswith("\n")]
        assert child.returncode == -signal.SIGKILL
        with EventStore(path):
            pass
        there = ids(path)
        assert there[: len(acknowledged)] == acknowledged
        assert len(there) <= len(acknowledged) + 1
        acknowledged = there
    assert integrity(path) == "ok"
    assert damaged_files(path) == []


# ---------------------------------------------------------------------------------------- retention


def test_old_events_leave(path):
    told = [answer(AT_S - days * DAY_S) for days in (40, 31, 29, 1)]
    with EventStore(path) as store:
        for one in told:
            store.add(one)
        assert store.retain(AT_S, max_age_days=30, max_mb=4) == 2
        assert store.retain(AT_S, max_age_days=30, max_mb=4) == 0
    assert ids(path) == [one.id for one in told[2:]]


@pytest.mark.parametrize("now_s", [86_400.0 * 365, 1_700_000_000.0])
def test_a_clock_that_was_not_set_deletes_nothing(now_s, path):
    with EventStore(path) as store:
        store.add(answer(now_s - 40 * DAY_S))
        store.add(answer(AT_S))
        assert store.retain(now_s, max_age_days=30, max_mb=4) == 0


def test_the_store_stays_within_its_size(path):
    # Records of 8 kB: a few hundred of them fill it.
    big = {f"stage {at} {'x' * 100}": 0.001 for at in range(70)}
    largest = 0
    last = []
    with EventStore(path) as store:
        without_waiting(store)
        for at in range(900):
            one = answer(AT_S + at, stage_s=big)
            last.append(one.id)
            store.add(one)
            if at % 8 == 0:
                store.retain(AT_S, max_age_days=365, max_mb=4)
            largest = max(largest, path.stat().st_size + Path(f"{path}-wal").stat().st_size)
        assert store.retain(AT_S, max_age_days=365, max_mb=4) == 0
    assert 3e6 < largest < 4e6
    there = ids(path)
    assert there == last[-len(there) :]
    assert 200 < len(there) < 500


def test_a_lowered_size_shrinks_the_file(path):
    big = {f"stage {at} {'x' * 100}": 0.001 for at in range(70)}
    with EventStore(path) as store:
        without_waiting(store)
        for at in range(700):
            store.add(answer(AT_S + at, stage_s=big))
        assert path.stat().st_size + Path(f"{path}-wal").stat().st_size > 5e6
        assert store.retain(AT_S, max_age_days=365, max_mb=4) > 100
        assert path.stat().st_size + Path(f"{path}-wal").stat().st_size < 4e6
    assert integrity(path) == "ok"


# ---------------------------------------------------------------------------------------- full disks


def test_a_full_disk_loses_the_event_and_nothing_else(path):
    first, last = answer(AT_S), answer(AT_S + 2)
    with EventStore(path) as store:
        store.add(first)
        (now,) = store._connection.execute("PRAGMA page_count").fetchone()
        store._connection.execute(f"PRAGMA max_page_count={now}")
        told = []
        while not told:
            lost = answer(AT_S + 1)
            try:
                store.add(lost)
            except StoreError as error:
                told.append(str(error))
            assert store.size()[0] < 100
        assert re.search("is full.*free some space", told[0])
        store._connection.execute("PRAGMA max_page_count=100000")
        store.add(last)
    there = ids(path)
    assert lost.id not in there
    assert (there[0], there[-1]) == (first.id, last.id)
    assert integrity(path) == "ok"


class Full:
    """Makes the store fail as a full disk would."""

    def __init__(self, monkeypatch):
        self.full = False
        real = EventStore.add

        def add(store, message, audio=""):
            if self.full:
                raise StoreError("x: cannot be used (database or disk is full)")
            real(store, message, audio)

        monkeypatch.setattr(EventStore, "add", add)


def make_sink(path, **settings):
    return StoreSink(StoreSettings(path=str(path), **settings), AudioSettings(), Health())


def test_an_event_that_could_not_be_written_is_written_later(path, monkeypatch):
    disk, sink = Full(monkeypatch), make_sink(path)
    told = [answer(AT_S + at) for at in range(3)]
    sink.open()
    sink.push(told[0])
    disk.full = True
    with pytest.raises(StoreError, match="is full"):
        sink.push(told[1])
    sink.close()
    with pytest.raises(StoreError, match="is full"):
        sink.open()
    sink.close()
    disk.full = False
    sink.open()
    sink.push(told[2])
    sink.close()
    assert ids(path) == [one.id for one in told]


def test_what_waits_too_long_is_counted(path, monkeypatch):
    disk = Full(monkeypatch)
    health = Health()
    sink = StoreSink(StoreSettings(path=str(path)), AudioSettings(), health)
    sink.open()
    disk.full = True
    told = [answer(AT_S + at) for at in range(70)]
    for one in told:
        with pytest.raises(StoreError):
            sink.push(one)
    disk.full = False
    sink.open()
    sink.close()
    lost = health.gauges["store_lost_events"]
    assert lost > 0
    assert ids(path) == [one.id for one in told[int(lost) :]]


def test_pushing_to_a_closed_sink_is_an_error_and_loses_nothing(path):
    sink = make_sink(path)
    told = answer()
    with pytest.raises(StoreError, match="is closed"):
        sink.push(told)
    sink.open()
    sink.close()
    sink.close()
    assert ids(path) == [told.id]


# ---------------------------------------------------------------------------------------- the sink


def test_the_bus_hands_everything_to_the_store(path):
    health = Health()
    sink = StoreSink(StoreSettings(path=str(path)), AudioSettings(), health)
    bus = Bus([sink], status)
    bus.start()
    told = [answer(AT_S + at) for at in range(100)]
    for one in told:
        bus.push(one)
    # A status that comes before the sink is open gives way to the one that it is told then.
    pause = threading.Event()
    for _ in range(1000):
        if bus.counts["store"].told == 100:
            break
        pause.wait(0.02)
    bus.push(status(muted=True))
    bus.close()
    assert bus.counts["store"].told == 101
    assert bus.counts["store"].failures == 0
    assert ids(path, Selection(kind="answer")) == [one.id for one in told]
    with EventReader(path) as reader:
        assert [event.record["muted"] for event in reader.events(Selection(kind="status"))] == [False, True]


def test_what_is_too_old_leaves_while_nothing_comes(path):
    with EventStore(path) as store:
        store.add(answer(AT_S - 100 * DAY_S))
        store.add(answer(AT_S))
    health = Health()
    sink = StoreSink(StoreSettings(path=str(path)), AudioSettings(), health, clock=lambda: AT_S)
    bus = Bus([sink], status)
    bus.start()
    pause = threading.Event()
    for _ in range(1000):
        if health.gauges["store_events"]:
            break
        pause.wait(0.02)
    bus.close()
    assert health.gauges["store_events"] == 2  # one that stays, and the status
    assert health.gauges["store_bytes"] > 4096
    assert len(ids(path, Selection(kind="answer"))) == 1


def counting(sink, monkeypatch, fault=None):
    """Count how often a sink tidies."""
    tidied = []

    def tidy(store):
        tidied.append(store)
        if fault is not None:
            raise fault

    monkeypatch.setattr(sink, "_tidy", tidy)
    return tidied


def test_it_is_tidied_now_and_then_and_after_many_events(path, monkeypatch):
    sink = make_sink(path)
    tidied = counting(sink, monkeypatch)
    sink.check()
    sink.open()
    found = [len(tidied)]
    for _ in range(3):
        sink.check()
    found.append(len(tidied))
    sink._tidied_s -= 600.0
    sink.check()
    found.append(len(tidied))
    for _ in range(2):
        for at in range(63):
            sink.push(answer(AT_S + at))
        found.append(len(tidied))
        sink.push(answer(AT_S + 64))
        found.append(len(tidied))
    sink.close()
    assert found == [0, 1, 2, 2, 3, 3, 4]


def test_tidying_that_fails_is_told_once(path, monkeypatch, caplog):
    monkeypatch.setattr("edge.sinks.store._TIDY_S", 0.0)
    sink = make_sink(path)
    tidied = counting(sink, monkeypatch, StoreError("x: cannot be used"))
    sink.open()
    for _ in range(3):
        sink.check()
    sink.push(answer())
    sink.close()
    assert len(tidied) == 3
    assert caplog.text.count("is not deleted") == 1


def test_what_waits_is_there_once_whoever_brings_it_again(path, monkeypatch):
    disk = Full(monkeypatch)
    health = Health()
    sink = StoreSink(StoreSettings(path=str(path)), AudioSettings(), health)
    sink.open()
    told = answer(pre_roll=np.ones(100_000, np.int16))
    disk.full = True
    for _ in range(100):
        with pytest.raises(StoreError):
            sink.push(told)
    assert [one.pre_roll.size for one, _ in sink._held] == [0]
    disk.full = False
    sink.open()
    sink.push(told)
    sink.close()
    assert ids(path) == [told.id]
    assert health.gauges["store_lost_events"] == 0


def test_sound_without_events_is_refused():
    with pytest.raises(UsageError, match=r"audio\.keep: got sound to keep while store\.enabled is false"):
        StoreSink(StoreSettings(enabled=False), AudioSettings(keep=("all",)), Health())


# ------------------------------------------------------------------------------------------ readers


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
