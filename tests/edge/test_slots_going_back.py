"""Two slots for bundles: what failed, what is gone back to, and starts that are counted."""

import dataclasses

import pytest
from updating import SHIPPED_VERSION, use

from edge.bundle_identity import bundle_hash
from edge.bundle_manifest import MANIFEST_NAME
from edge.errors import BundleError, UsageError
from edge.slot_state import MAX_REFUSED, Minimum, SlotState, write_state
from edge.slots import Slots
from tests.edge.two_slots import make_fixture, slots_fixture, version  # noqa: F401  # fixtures


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
