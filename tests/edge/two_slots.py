"""Two slots in a folder, and bundles to put there."""

import pytest
from updating import make_bundle

from edge.slots import Slots


@pytest.fixture(name="make")
def make_fixture(tmp_path):
    """Return a function that makes a bundle of a version; a mark makes another one of the same version."""
    return lambda version, mark="": make_bundle(tmp_path, version, mark)


@pytest.fixture(name="slots")
def slots_fixture(tmp_path):
    return Slots(tmp_path / "slots")


def version(slots):
    return slots.open_active().bundle_version
