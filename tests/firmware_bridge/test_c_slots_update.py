"""The C of the two slots: an update that goes well, and what is stored."""

import ctypes

import pytest
from slots_device import SECTOR, small_image
from slots_proof import CHUNK, install, send

from firmware_bridge.link.bundle_image import sha256_of
from firmware_bridge.link.messages import Message
from tests.firmware_bridge.c_slots import NEW, OLD, OTHER, device, library_fixture, with_old, with_two  # noqa: F401  # fixtures


def test_an_update(library):
    one = with_old(library)
    sent = send(one, NEW)
    assert [message.kind for message in sent.said[:2]] == ["bundle_want", "bundle_state"]
    assert (sent.start, sent.state) == (0, 1)
    assert one.verified()
    assert one.running() == OLD
    assert one.activate()
    assert one.say() == [Message("bundle_state", {"state": 2, "offset": len(NEW), "reason": ""})]
    assert one.running() == OLD  # until it starts anew
    one.power_on()
    assert one.running() == NEW


def test_images_begin_where_a_network_can_be_read_in_place(library):
    one = with_old(library)
    address, size = ctypes.c_uint32(), ctypes.c_uint32()
    assert library.vv_slots_running(one._state, ctypes.byref(address), ctypes.byref(size))
    assert address.value % SECTOR == 0
    image = ctypes.create_string_buffer(one.running(), size.value)
    found, length = ctypes.c_void_p(), ctypes.c_uint32()
    library.vv_image_section.restype = ctypes.c_bool
    for section, expected in ((4, OLD[-3008:-1504][:1500]), (5, OLD[-1504:][:1500])):
        assert library.vv_image_section(
            image, size, ctypes.c_uint32(section), ctypes.byref(found), ctypes.byref(length)
        )
        assert ctypes.string_at(found.value, length.value) == expected
        assert (found.value - ctypes.addressof(image)) % 16 == 0
    assert not library.vv_image_section(image, size, ctypes.c_uint32(99), ctypes.byref(found), ctypes.byref(length))


@pytest.mark.parametrize("at", range(0, len(NEW), CHUNK))
def test_a_link_that_breaks_sends_nothing_again(library, at):
    one = with_old(library)
    send(one, NEW, until=at)
    sent = send(one, NEW)
    assert (sent.start, sent.state) == (at, 1)


def test_a_power_cut_keeps_whole_sectors(library):
    one = with_old(library)
    send(one, NEW, until=2600)
    one.power_on()
    sent = send(one, NEW)
    assert (sent.start, sent.state) == (SECTOR, 1)


def test_a_chunk_from_elsewhere_is_asked_for_once(library):
    one = with_old(library)
    send(one, NEW, until=1000)
    for at in (2000, 2500, 0):
        one.take(Message("bundle_chunk", {"offset": at, "data": NEW[at : at + 500]}))
    assert one.say() == [Message("bundle_want", {"offset": 1000, "sha256": sha256_of(NEW)})]
    assert send(one, NEW).state == 1


def test_what_is_sent_again_is_passed_over(library):
    one = with_old(library)
    send(one, NEW, until=1000)
    for at, end in ((0, 500), (500, 1000), (900, 1400), (1400, 1401), (1000, 1400)):
        one.take(Message("bundle_chunk", {"offset": at, "data": NEW[at:end]}))
    assert one.say() == []
    sent = send(one, NEW)
    assert (sent.start, sent.state) == (1401, 1)


def test_after_a_start_no_chunk_is_taken_without_an_offer(library):
    one = with_old(library)
    send(one, NEW, until=1000)
    one.power_on()
    one.take(Message("bundle_chunk", {"offset": 0, "data": OTHER[:500]}))
    assert one.say() == []
    assert send(one, NEW).state == 1


def test_what_runs_is_not_sent(library):
    one = with_old(library)
    sent = send(one, OLD)
    assert (sent.start, sent.state) == (len(OLD), 2)
    assert (one.sim.erased, one.running()) == (3, OLD)


def test_a_model_that_is_still_there_is_activated_without_being_sent(library):
    one = with_two(library)
    sent = send(one, OTHER)
    assert (sent.start, sent.state) == (len(OTHER), 1)
    assert one.activate()
    one.power_on()
    assert one.running() == OTHER
    assert one.confirm()
    assert not one.sim.violations


def test_many_updates(library):
    one = device(library)
    for seed in range(40):
        install(one, small_image(seed))
    assert not one.sim.violations
