"""Two slots for bundles: what becomes of damage to a bundle or to the state."""

import json
import logging
import shutil

import pytest
from updating import SHIPPED_VERSION, use

from edge.bundle import DEFAULT_BUNDLE
from edge.bundle_manifest import MANIFEST_NAME
from edge.bundle_writing import seal
from edge.errors import BundleError, DataError
from edge.slot_state import STATE_NAMES, read_state
from edge.slots import Slots
from tests.edge.two_slots import make_fixture, slots_fixture, version  # noqa: F401  # fixtures


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
