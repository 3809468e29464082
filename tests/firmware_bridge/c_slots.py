"""The C of the two slots, compiled for this machine, and devices on which models are installed already."""

import pytest
from slots_device import Device, build_slots, small_image
from slots_proof import install

OLD, NEW, OTHER = small_image(1), small_image(2), small_image(3)
AGAIN = (10, 74, 1230, 1250, 2200)
"""Bytes: within a record, within the one after an erased sector, and within marks."""


@pytest.fixture(scope="module", name="library")
def library_fixture(tmp_path_factory):
    return build_slots(tmp_path_factory.mktemp("slots"))


def device(library, **options) -> Device:
    return Device(library, **options).power_on()


def with_old(library) -> Device:
    return install(device(library), OLD)


def with_two(library) -> Device:
    return install(install(device(library), OTHER), OLD)
