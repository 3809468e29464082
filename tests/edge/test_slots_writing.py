"""Two slots for bundles: changes without room or rights, and several at a time."""

import os
import re
import subprocess
import sys
import threading
import time

import pytest
from updating import use

from edge.bundle import DEFAULT_BUNDLE
from edge.errors import DataError
from edge.slots import Slots
from tests.edge.two_slots import make_fixture, slots_fixture, version  # noqa: F401  # fixtures


@pytest.mark.parametrize("limit", [0, 1000, 50_000])
def test_a_full_disk_is_one_line_and_leaves_what_is_used(slots, make, limit):
    use(slots, make("1.0"))
    before, files = slots.state(), sorted(slots.folder.rglob("*"))
    code = f"""
import resource, signal
from pathlib import Path
from edge.slots import Slots
from edge.errors import DataError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    Slots(Path({str(slots.folder)!r})).stage(Path({str(make("2.0"))!r}))
except DataError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"\S+slots: cannot be written \(File too large\), expected room.*untouched\n", done.stdout)
    assert (slots.state(), sorted(slots.folder.rglob("*"))) == (before, files)
    assert version(slots) == "1.0"
    assert use(slots, make("2.0")).active == "b"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, make):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be written \(Not a directory\)"):
        Slots(tmp_path / "file" / "slots").stage(make("1.0"))


def test_whatever_the_umask_is_a_daemon_may_read(slots, make):
    before = os.umask(0o077)
    try:
        slots.stage(make("1.0"))
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in slots.folder.rglob("*")}
    assert modes["a"] == 0o755
    assert {mode for name, mode in modes.items() if name != "a"} == {0o644}


def test_changes_are_made_one_after_the_other(slots, make):
    """Each of two writers raises the generation for every state that it writes: none is lost, and nothing is torn."""
    bundles = [make("1.0"), make("1.0", "other")]
    slots.initialise()
    failed = []

    def work(bundle):
        try:
            for _ in range(8):
                Slots(slots.folder).stage(bundle, retry=True)
        except Exception as error:  # told in the thread that asserts
            failed.append(error)

    def look():
        try:
            while any(thread.is_alive() for thread in threads):
                state = slots.state()
                assert slots.active() == DEFAULT_BUNDLE
                assert state.candidate in ("", "a")
                time.sleep(0)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(bundle,)) for bundle in bundles]
    reader = threading.Thread(target=look)
    for thread in (*threads, reader):
        thread.start()
    for thread in (*threads, reader):
        thread.join()
    assert failed == []
    assert slots.candidate() is not None


def test_a_writer_waits_for_the_one_that_has_the_lock(slots, make):
    from edge.slot_files import locked

    slots.initialise()
    done = threading.Event()

    def work():
        Slots(slots.folder).stage(make("1.0"))
        done.set()

    make("1.0")
    thread = threading.Thread(target=work)
    with locked(slots.folder, shared=True):
        thread.start()
        assert not done.wait(0.3)
        assert slots.state().candidate == ""
    thread.join(30)
    assert done.is_set()


def test_every_change_is_noticed(slots, make):
    stamps = [slots.stamp()]
    for step in (
        slots.initialise,
        lambda: slots.stage(make("1.0")),
        slots.accept_trial,
        slots.starting,
        slots.confirm,
        lambda: slots.roll_back("x", allow_downgrade=True),
    ):
        step()
        assert slots.stamp() != stamps[-1]
        stamps.append(slots.stamp())
    slots.open_active()
    assert slots.stamp() == stamps[-1]
