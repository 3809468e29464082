"""Two slots for bundles: what is used, what may be put there, and what becomes of damage."""

import dataclasses
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
import time

import pytest
from updating import SHIPPED_VERSION, make_bundle, use

from edge.bundle import DEFAULT_BUNDLE
from edge.bundle_identity import bundle_hash
from edge.bundle_manifest import MANIFEST_NAME, SIGNATURE_NAME
from edge.bundle_trust import BundleTrust
from edge.bundle_writing import seal
from edge.errors import BundleError, DataError, SignatureError, UsageError
from edge.slot_state import MAX_REFUSED, MINIMUM_NAME, STATE_NAMES, Minimum, SlotState, read_state, write_state
from edge.slots import Slots


@pytest.fixture
def make(tmp_path):
    """Return a function that makes a bundle of a version; a mark makes another one of the same version."""
    return lambda version, mark="": make_bundle(tmp_path, version, mark)


@pytest.fixture
def slots(tmp_path):
    return Slots(tmp_path / "slots")


def version(slots):
    return slots.open_active().bundle_version


# ------------------------------------------------------------------------------------------------ the way


def test_without_a_folder_the_bundle_that_ships_is_used(slots):
    assert slots.active() == DEFAULT_BUNDLE
    assert slots.candidate() is None
    assert not slots.folder.exists()  # looking changes nothing


def test_initialising_again_changes_nothing(slots, make):
    first = slots.initialise(make("1.0"))
    assert (first.active, version(slots), first.minimum.version) == ("a", "1.0", "1.0")
    assert slots.initialise(make("2.0")) == first
    assert slots.initialise() == first
    assert version(slots) == "1.0"


def test_the_whole_way(slots, make):
    state = slots.stage(make("1.0"))
    assert (state.candidate, state.active, slots.active()) == ("a", "shipped", DEFAULT_BUNDLE)
    assert slots.candidate().bundle_version == "1.0"
    state = slots.accept_trial()
    assert (state.active, state.previous, state.probation, state.candidate) == ("a", "shipped", True, "")
    assert version(slots) == "1.0"
    assert state.minimum.version == SHIPPED_VERSION  # not before it was confirmed
    state = slots.confirm()
    assert (state.probation, state.minimum) == (False, Minimum("1.0", bundle_hash(make("1.0"))))
    state = use(slots, make("2.0"))
    assert (state.active, state.previous, version(slots)) == ("b", "a", "2.0")
    state = use(slots, make("3.0"))
    assert (state.active, state.previous, version(slots)) == ("a", "b", "3.0")
    assert sorted(path.name for path in slots.folder.iterdir()) == sorted(["a", "b", MINIMUM_NAME, *STATE_NAMES])


def test_what_is_copied_is_the_bundle_and_nothing_that_lies_beside_it(slots, make):
    (make("1.0") / "script.sh").write_text("rm -rf /")
    slots.stage(make("1.0"))
    there = {path.name for path in (slots.folder / "a").iterdir()}
    assert there == {path.name for path in make("1.0").iterdir()} - {"script.sh"}


def test_a_candidate_takes_the_place_of_another(slots, make):
    use(slots, make("1.0"))
    slots.stage(make("2.0"))
    state = slots.stage(make("3.0"))
    assert (state.candidate, slots.candidate().bundle_version, version(slots)) == ("b", "3.0", "1.0")


def test_what_is_used_or_waits_already_is_left_alone(slots, make):
    assert slots.stage(DEFAULT_BUNDLE).candidate == ""
    use(slots, make("1.0"))
    waits = slots.stage(make("2.0"))
    slots.starting()
    before = slots.state()
    assert before.boots == waits.boots + 1
    assert slots.stage(make("2.0")) == before
    assert slots.stage(make("1.0")) == before
    # Unless it is damaged: then this is the way to mend it.
    (slots.folder / "b" / "wake.tflite").write_bytes(b"")
    assert slots.candidate() is None
    assert slots.stage(make("2.0")).boots == 0
    assert slots.candidate().bundle_version == "2.0"


def test_a_slot_that_is_given_up_is_gone_back_to_by_nobody(slots, make):
    use(slots, make("1.0"))
    assert use(slots, make("2.0")).previous == "a"
    assert slots.stage(make("3.0")).previous == "shipped"


def test_on_probation_nothing_is_staged(slots, make):
    use(slots, make("1.0"))
    slots.stage(make("2.0"))
    before = slots.accept_trial()
    with pytest.raises(UsageError, match=r"on probation.*confirm.*roll-back"):
        slots.stage(make("3.0"))
    assert slots.state() == before


@pytest.mark.parametrize("step", ["accept_trial", "confirm", "roll_back", "reject"])
def test_steps_out_of_their_order_are_refused(slots, step):
    before = slots.initialise()
    words = ("why",) if step in ("roll_back", "reject") else ()
    with pytest.raises(UsageError, match=r"^\S+slots: got .*, expected "):
        getattr(slots, step)(*words)
    assert slots.state() == before


# ------------------------------------------------------------------------------------------ going back


def test_a_candidate_that_failed_is_remembered(slots, make):
    slots.stage(make("1.0"))
    state = slots.reject("wakes up\ntoo \x1b[2J often")
    assert (state.candidate, state.refused[0].reason) == ("", "wakes up too [2J often")
    with pytest.raises(UsageError, match=r"version 1\.0, which failed here \(wakes up too \[2J often\).*--retry"):
        slots.stage(make("1.0"))
    assert slots.stage(make("1.0", "other")).candidate == "a"  # another bundle of that version
    slots.reject("still")
    state = slots.stage(make("1.0"), retry=True)
    assert [one.reason for one in state.refused] == ["still"]


def test_a_reason_that_says_nothing_can_be_read_again(slots, make):
    slots.stage(make("1.0"))
    slots.reject("\n\x00 \u2028")
    assert slots.state().refused[0].reason == "no reason given"


def test_the_oldest_failures_are_forgotten(slots, make):
    slots.stage(make("1.0"))
    slots.reject("the first")
    state = slots.state()
    others = tuple(
        dataclasses.replace(state.refused[0], sha256=f"{i:064x}", reason="another") for i in range(MAX_REFUSED)
    )
    write_state(slots.folder, dataclasses.replace(state, refused=(*state.refused, *others)[:MAX_REFUSED]))
    slots.stage(make("2.0"))
    refused = slots.reject("the last").refused
    assert (len(refused), refused[-1].reason) == (MAX_REFUSED, "the last")
    assert "the first" not in [one.reason for one in refused]


def test_rolling_back_on_probation(slots, make):
    use(slots, make("1.0"))
    slots.stage(make("2.0"))
    slots.accept_trial()
    state = slots.roll_back("not healthy")
    assert (version(slots), state.probation, state.previous) == ("1.0", False, "shipped")
    assert state.refused[0].version == "2.0"
    assert state.minimum.version == "1.0"  # it was never confirmed
    with pytest.raises(UsageError, match="--retry"):
        slots.stage(make("2.0"))


def test_rolling_back_what_was_confirmed_needs_the_owner(slots, make):
    use(slots, make("1.0"))
    before = use(slots, make("2.0"))
    with pytest.raises(UsageError, match=r"got version 1\.0, expected at least 2\.0.*--allow-downgrade"):
        slots.roll_back("I do not like it")
    assert slots.state() == before
    state = slots.roll_back("I do not like it", allow_downgrade=True)
    assert (version(slots), state.minimum) == ("1.0", Minimum("2.0", bundle_hash(make("1.0"))))


def test_rolling_back_gives_up_a_candidate_first(slots, make):
    use(slots, make("1.0"))
    slots.stage(make("2.0"))
    state = slots.roll_back("no")
    assert (state.candidate, version(slots), state.refused[0].version) == ("", "1.0", "2.0")


def test_a_bundle_before_that_is_damaged_is_not_gone_back_to(slots, make):
    use(slots, make("1.0"))
    slots.stage(make("2.0"))
    slots.accept_trial()
    (slots.folder / "a" / MANIFEST_NAME).unlink()
    with pytest.raises(BundleError, match=MANIFEST_NAME):
        slots.roll_back("not healthy")
    assert version(slots) == "2.0"


# --------------------------------------------------------------------------------------------- starts


def test_starts_on_probation_are_counted_and_end_with_going_back(tmp_path, make):
    slots = Slots(tmp_path / "slots", max_boots=2)
    use(slots, make("1.0"))
    slots.stage(make("2.0"))
    slots.accept_trial()
    for boots in (1, 2):
        assert slots.starting().bundle_version == "2.0"
        assert slots.state().boots == boots
    assert slots.starting().bundle_version == "1.0"
    assert slots.state().refused[0].reason == "the daemon was started 2 times without confirming it"
    assert slots.starting().bundle_version == "1.0"
    assert slots.state().boots == 0


def test_confirming_ends_the_counting(slots, make):
    slots.stage(make("1.0"))
    slots.accept_trial()
    slots.starting()
    slots.confirm()
    before = slots.state()
    for _ in range(5):
        assert slots.starting().bundle_version == "1.0"
    assert slots.state() == before  # and nothing is written at every start


def test_a_candidate_that_never_ends_its_trial_is_given_up(tmp_path, make):
    slots = Slots(tmp_path / "slots", max_boots=2)
    slots.stage(make("1.0"))
    for _ in range(2):
        slots.starting()
        assert slots.candidate() is not None
    slots.starting()
    assert slots.candidate() is None
    assert slots.state().refused[0].reason == "the daemon was started 2 times before its trial was over"


def test_a_start_that_cannot_be_counted_uses_the_bundle_before(slots, make, monkeypatch, caplog):
    use(slots, make("1.0"))
    slots.stage(make("2.0"))
    slots.accept_trial()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edge.slots.write_state", full)
    assert slots.starting().bundle_version == "1.0"
    assert "the start cannot be counted (No space left on device)" in caplog.text


def test_a_start_makes_the_folder(slots):
    assert slots.starting().bundle_version == SHIPPED_VERSION
    assert slots.state() == SlotState(generation=1, minimum=Minimum(SHIPPED_VERSION, ""))


# ---------------------------------------------------------------------------------------- anti-rollback


@pytest.mark.parametrize(("old", "new"), [("1.9", "1.10"), ("1.0", "1.0.0.1"), ("2", "10")])
def test_versions_are_compared_as_numbers(slots, make, old, new):
    use(slots, make(new))
    with pytest.raises(
        UsageError, match=f"got version {re.escape(old)}, expected at least {re.escape(new)}, which was"
    ):
        slots.stage(make(old))
    assert version(slots) == new


def test_the_same_version_may_come_again(slots, make):
    use(slots, make("1.0"))
    state = use(slots, make("1.0.0", "other"))
    assert (version(slots), state.minimum.version) == ("1.0.0", "1.0.0")


def test_an_older_one_needs_the_owner_and_does_not_lower_the_minimum(slots, make):
    use(slots, make("3.0"))
    state = use(slots, make("1.0"), allow_downgrade=True)
    assert (version(slots), state.minimum) == ("1.0", Minimum("3.0", bundle_hash(make("1.0"))))
    with pytest.raises(UsageError, match=r"expected at least 3\.0"):
        slots.stage(make("2.0"))


def test_what_ships_is_the_first_minimum(slots, make):
    with pytest.raises(UsageError, match=re.escape(f"expected at least {SHIPPED_VERSION}")):
        slots.stage(make("0.0.1"))


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"{}")])
def test_the_minimum_outlives_either_memory_of_it(slots, make, damage):
    use(slots, make("2.0"))
    damage(slots.folder / MINIMUM_NAME)
    with pytest.raises(UsageError, match=r"expected at least 2\.0"):
        slots.stage(make("1.0"))
    slots.stage(make("3.0"))  # which writes it again
    for name in STATE_NAMES:
        damage(slots.folder / name)
    assert version(slots) == "2.0"
    with pytest.raises(UsageError, match=r"expected at least 2\.0"):
        slots.stage(make("1.0"))
    for name in STATE_NAMES:
        (slots.folder / name).unlink(missing_ok=True)
    slots.initialise(make("1.0"))
    assert version(slots) == "2.0"


# ------------------------------------------------------------------------------------------------ damage


def empty(folder):
    shutil.rmtree(folder)


def flip(folder):
    content = bytearray((folder / "wake.tflite").read_bytes())
    content[1000] ^= 1
    (folder / "wake.tflite").write_bytes(content)


def exchange(folder):
    """Put another bundle there that is whole by itself."""
    manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest | {"author": "somebody else"}))
    seal(folder)


DAMAGES = [empty, flip, exchange]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_slot_falls_back_loudly(slots, make, damage, caplog):
    use(slots, make("1.0"))
    use(slots, make("2.0"))
    damage(slots.folder / "b")
    assert slots.active() == slots.folder / "a"
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert str(slots.folder / "b") in record.getMessage()
    assert f"the bundle of {slots.folder / 'a'} is used in its place" in record.getMessage()
    damage(slots.folder / "a")
    assert slots.active() == DEFAULT_BUNDLE
    assert version(slots) == SHIPPED_VERSION


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_slot_is_the_one_that_is_filled(slots, make, damage):
    use(slots, make("1.0"))
    use(slots, make("2.0"))
    damage(slots.folder / "b")
    slots.stage(make("3.0"))
    assert version(slots) == "1.0"  # which was used, and must not be overwritten
    slots.accept_trial()
    assert (version(slots), slots.state().previous) == ("3.0", "a")


def test_a_damaged_slot_on_probation_is_gone_back_from_and_may_come_again(slots, make):
    use(slots, make("1.0"))
    slots.stage(make("2.0"))
    slots.accept_trial()
    flip(slots.folder / "b")
    assert slots.starting().bundle_version == "1.0"
    state = slots.state()
    assert (state.active, state.probation, state.refused, state.b) == ("a", False, (), None)
    assert slots.stage(make("2.0")).candidate == "b"


def test_a_candidate_that_is_damaged_is_not_switched_to(slots, make):
    use(slots, make("1.0"))
    slots.stage(make("2.0"))
    flip(slots.folder / "b")
    with pytest.raises(BundleError, match=r"wake\.tflite"):
        slots.accept_trial()
    assert version(slots) == "1.0"


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff", b'{"sha256":"","body":{}}', None])
def test_a_torn_state_leaves_the_one_before(slots, make, content, caplog):
    use(slots, make("1.0"))
    slots.stage(make("2.0"))
    states = {name: read_generation(slots.folder / name) for name in STATE_NAMES}
    newest = slots.folder / max(states, key=states.get)
    whole = newest.read_bytes()
    newest.write_bytes(whole[:-20] if content is None else content)
    assert version(slots) == "1.0"
    assert newest.name in caplog.text
    slots.stage(make("2.0"))
    slots.accept_trial()
    assert version(slots) == "2.0"
    assert slots.state().generation > max(states.values())


def read_generation(path):
    return json.loads(path.read_bytes())["body"]["generation"]


def test_a_state_that_was_altered_is_noticed(slots, make):
    use(slots, make("1.0"))
    for name in STATE_NAMES:
        path = slots.folder / name
        path.write_bytes(path.read_bytes().replace(b'"boots": 0', b'"boots": 1'))
    with pytest.raises(DataError, match=r"no state of the slots that is whole \(state\.0\.json, state\.1\.json\)"):
        read_state(slots.folder)


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"\0" * 500)])
def test_without_any_state_what_was_confirmed_last_is_used(slots, make, damage):
    use(slots, make("1.0"))
    use(slots, make("2.0"))
    use(slots, make("1.5"), allow_downgrade=True)
    slots.stage(make("3.0"))  # never tried
    for name in STATE_NAMES:
        damage(slots.folder / name)
    assert version(slots) == "1.5"
    assert slots.starting().bundle_version == "1.5"
    assert use(slots, make("3.0")).active == "b"


def test_things_of_others_in_the_folder_are_cleared_or_left(slots, make, tmp_path):
    slots.initialise()
    (slots.folder / "new").mkdir()
    (slots.folder / "new" / "half").write_bytes(b"x")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_bytes(b"x")
    (slots.folder / "a").symlink_to(tmp_path / "mine")
    slots.stage(make("1.0"))
    assert (tmp_path / "mine" / "file").exists()
    assert not (slots.folder / "a").is_symlink()
    assert slots.candidate().bundle_version == "1.0"


def test_if_nothing_is_left_that_is_said(tmp_path, slots):
    lost = Slots(slots.folder, shipped=tmp_path / "nothing")
    with pytest.raises(BundleError, match="got nothing"):
        lost.open_active()


# --------------------------------------------------------------------------------------------- no room


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


# ------------------------------------------------------------------------------------------- trust


def test_a_slot_opens_only_what_is_trusted_and_what_ships_needs_no_signature(tmp_path, make, caplog):
    pytest.importorskip("cryptography", reason="cryptography is not installed (the extra `signed`)")
    from edge.signature import sign
    from edge.signature_keys import make_key

    ours, theirs = make_key(), make_key()

    def signed(path, key):
        (path / SIGNATURE_NAME).write_bytes(sign((path / MANIFEST_NAME).read_bytes(), key, "of the test"))
        return path

    slots = Slots(tmp_path / "slots", trust=BundleTrust((ours.public,), require_signature=True))
    with pytest.raises(SignatureError, match="got no signature"):
        slots.stage(make("1.0"))
    with pytest.raises(SignatureError):
        slots.stage(signed(make("1.0"), theirs))
    with pytest.raises(SignatureError):
        Slots(tmp_path / "others", trust=slots.trust).initialise(make("1.0"))
    assert slots.open_active().path == DEFAULT_BUNDLE
    use(slots, signed(make("1.0"), ours))
    assert slots.open_active().signature.state == "trusted"
    # The very same networks, but it is not theirs any more to vouch for.
    (slots.folder / "a" / SIGNATURE_NAME).unlink()
    assert slots.open_active().path == DEFAULT_BUNDLE
    assert "got no signature" in caplog.text


# --------------------------------------------------------------------------------- several at a time


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
