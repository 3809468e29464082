"""Two slots for bundles: the way of a bundle into use, and what may go that way."""

import pytest
from updating import SHIPPED_VERSION, use

from edge.bundle import DEFAULT_BUNDLE
from edge.bundle_identity import bundle_hash
from edge.bundle_manifest import MANIFEST_NAME, SIGNATURE_NAME
from edge.bundle_trust import BundleTrust
from edge.errors import SignatureError, UsageError
from edge.slot_state import MINIMUM_NAME, STATE_NAMES, Minimum
from edge.slots import Slots
from tests.edge.two_slots import make_fixture, slots_fixture, version  # noqa: F401  # fixtures


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
