"""What is acknowledged is there, whatever stops the device; what is damaged is set aside."""

import logging
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from event_makers import AT_S, answer, filled, ids, integrity, passed, status, without_waiting

from edge import event_schema
from edge.errors import StoreError
from edge.event_reading import EventReader, Selection
from edge.event_retention import damaged_files
from edge.event_store import EventStore

ROOT = Path(__file__).resolve().parents[2]
DAY_S = 86_400.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "events.sqlite3"


# --------------------------------------------------------------------------------------------- damage


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


# -------------------------------------------------------------------------------------- loss of power


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


# ----------------------------------------------------------------------------------------- full disks


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
