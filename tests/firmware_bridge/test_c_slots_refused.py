"""The C of the two slots: what is refused."""

import pytest
from slots_device import SECTOR, build_slots, small_image
from slots_proof import install, offer, send

from firmware_bridge.export.abi import ABI_VERSION
from firmware_bridge.link.bundle_format import FORMAT_VERSION, HEADER, MAGIC, SECTION
from firmware_bridge.link.bundle_image import sha256_of
from firmware_bridge.link.messages import Message
from tests.firmware_bridge.c_slots import NEW, OLD, device, library_fixture, with_old  # noqa: F401  # fixtures


def refused(library, image: bytes, **lies) -> str:
    one = with_old(library)
    sent = send(one, image, offered=offer(image, **lies))
    assert sent.state == 3
    one.power_on()
    assert one.running() == OLD
    install(one, NEW)
    assert not one.sim.violations
    return sent.reason


def test_too_large(library):
    assert "larger than a slot" in refused(library, small_image(4, 4 * SECTOR))
    with_room = small_image(4, 3 * SECTOR - 200)
    assert len(with_room) <= 3 * SECTOR
    assert install(with_old(library), with_room).running() == with_room


def test_wrong_hash(library):
    assert "hash" in refused(library, NEW, sha256=bytes(32))


@pytest.mark.parametrize("place", [0, 200, 300, 2048, len(NEW) - 1])
def test_a_byte_that_is_wrong(library, place):
    wrong = NEW[:place] + bytes([NEW[place] ^ 0x40]) + NEW[place + 1 :]
    reason = refused(library, wrong, sha256=sha256_of(NEW))
    assert ("model image" if place == 0 else "hash") in reason


@pytest.mark.parametrize("by", [-500, -1, 1, 500])
def test_a_size_that_lies(library, by):
    assert "its size is not" in refused(library, NEW, size=len(NEW) + by)


def test_more_than_was_offered(library):
    one = with_old(library)
    send(one, NEW, until=len(NEW) - 10)
    one.take(Message("bundle_chunk", {"offset": len(NEW) - 10, "data": bytes(11)}))
    (said,) = one.say()
    assert "more came" in said.values["reason"]


def test_newer_format(library):
    newer = NEW[:8] + (FORMAT_VERSION + 1).to_bytes(2, "little") + NEW[10:]
    assert "newer" in refused(library, newer)


def test_another_abi(library):
    assert "ABI" in refused(library, NEW[:12] + (2).to_bytes(4, "little") + NEW[16:])


def with_entry(place: int, **lies: int) -> bytes:
    """Return an image with another offset or length of a section."""
    at = HEADER.size + SECTION.size * place
    code, begin, size = SECTION.unpack_from(NEW, at)
    values = {"code": code, "begin": begin, "size": size} | lies
    return NEW[:at] + SECTION.pack(*values.values()) + NEW[at + SECTION.size :]


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize(("lies", "said"), [
    ({"begin": len(NEW) + 16}, "within it"), ({"size": len(NEW)}, "within it"), ({"size": 0xFFFFFFFF}, "within it"),
    ({"begin": 0xFFFFFFF0, "size": 32}, "within it"), ({"begin": 136, "size": 8}, "boundary of 16"),
    ({"code": 99, "begin": len(NEW) + 16}, "within it"),
])  # fmt: skip
def test_a_section_from_which_nothing_can_be_read(library, place, lies, said):
    assert said in refused(library, with_entry(place, **lies))


@pytest.mark.parametrize("count", [len(NEW) // SECTION.size, 65535])
def test_a_table_of_sections_that_is_too_long(library, count):
    assert "table of sections" in refused(library, NEW[:10] + count.to_bytes(2, "little") + NEW[12:])


def test_a_table_of_sections_that_is_longer_than_a_page(library):
    count = 40
    image = with_sections(count)
    assert install(with_old(library), image).running() == image
    last = HEADER.size + SECTION.size * (count - 1)
    wrong = image[:last] + SECTION.pack(7, len(image) + 16, 1) + image[last + SECTION.size :]
    assert "within it" in refused(library, wrong)


def with_sections(count: int) -> bytes:
    """Return an image of empty sections, as a later version may have them."""
    size = HEADER.size + SECTION.size * count
    head = HEADER.pack(MAGIC, FORMAT_VERSION, count, ABI_VERSION, size, bytes(32))
    return head + SECTION.pack(99, 0, 0) * count


@pytest.mark.parametrize("image", [b"x", bytes(64), b"VVMODEL\0", OLD[:40], bytes(3000)])
def test_no_image(library, image):
    assert "no model image" in refused(library, image)


def test_made_for_other_code(library):
    one = device(library, contract=b"c" * 32)
    sent = send(one, NEW)
    assert (sent.state, "frontend" in sent.reason) == (3, True)
    install(one, small_image(2, contract=b"c" * 32))


def test_not_trusted_by_the_firmware(library):
    one = with_old(library)
    one.sim.trusted = 0
    sent = send(one, NEW)
    assert (sent.state, "trust" in sent.reason) == (3, True)
    assert not one.activate()
    one.sim.trusted = 1
    # It is received again: what was not trusted is not kept.
    assert send(one, NEW).start == 0


def test_content_finds_a_hash_that_is_not_looked_at(tmp_path):
    name = "vivavoce_slots_receive.c"
    wrong = build_slots(tmp_path, {name: ("if (!vv_slot_holds(flash", "if (false && !vv_slot_holds(flash")})
    one = with_old(wrong)
    assert send(one, NEW[:-1] + b"?", offered=offer(NEW)).state == 1
