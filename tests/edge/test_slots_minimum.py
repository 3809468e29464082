"""Two slots for bundles: no version is older than the one that was confirmed, unless the owner says so."""

import re

import pytest
from updating import SHIPPED_VERSION, use

from edge.bundle_identity import bundle_hash
from edge.errors import UsageError
from edge.slot_state import MINIMUM_NAME, STATE_NAMES, Minimum
from tests.edge.two_slots import make_fixture, slots_fixture, version  # noqa: F401  # fixtures


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
