"""The C of the two slots, compiled for this machine, over flash that loses its power."""

import ctypes
import hashlib
import random
import shutil
import subprocess

import pytest
from slots_device import C_FOLDERS, SECTOR, WARNINGS, Device, build_slots, small_image
from slots_proof import CHUNK, Proof, chains, install, offer, power_cuts, same_cut, send

from firmware_bridge.export.abi import ABI_VERSION
from firmware_bridge.link.bundle_format import FORMAT_VERSION, HEADER, MAGIC, SECTION, STATES
from firmware_bridge.link.bundle_format_c import files
from firmware_bridge.link.bundle_image import sha256_of
from firmware_bridge.link.messages import Message
from firmware_bridge.link.table import kind_named

OLD, NEW, OTHER = small_image(1), small_image(2), small_image(3)
AGAIN = (10, 74, 1230, 1250, 2200)
"""Bytes: within a record, within the one after an erased sector, and within marks."""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build_slots(tmp_path_factory.mktemp("slots"))


def device(library, **options) -> Device:
    return Device(library, **options).power_on()


def with_old(library) -> Device:
    return install(device(library), OLD)


def with_two(library) -> Device:
    return install(install(device(library), OTHER), OLD)


# The code


def test_generated_files_are_up_to_date():
    assert {name: (C_FOLDERS[0] / name).read_text() for name in files()} == files()


def test_states_are_those_of_the_table():
    what = next(one.what for one in kind_named("bundle_state").fields if one.name == "state")
    assert what == ", ".join(f"{place} {name}" for place, name in enumerate(STATES))


def test_no_heap_and_no_files():
    for path in C_FOLDERS[0].iterdir():
        text = path.read_text()
        assert "alloc" not in text
        assert "<stdlib.h>" not in text
        assert "<stdio.h>" not in text


@pytest.mark.parametrize("compiler", ["clang", "arm-none-eabi-gcc"])
def test_compiles_without_a_warning(compiler, tmp_path):
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} on this machine")
    includes = [f"-I{folder}" for folder in C_FOLDERS]
    for path in C_FOLDERS[0].glob("*.c"):
        subprocess.run([compiler, *WARNINGS, "-Os", *includes, "-c", path, "-o", tmp_path / "o"], check=True)


def test_sha256(library):
    dice = random.Random(1)

    class State(ctypes.Structure):
        _fields_ = (("state", ctypes.c_uint32 * 8), ("size", ctypes.c_uint32), ("block", ctypes.c_uint8 * 64))

    for size in [*range(200), 100_000]:
        data = dice.randbytes(size)
        state, out = State(), ctypes.create_string_buffer(32)
        library.vv_sha256_begin(ctypes.byref(state))
        at = 0
        while at < size:
            piece = data[at : at + dice.randrange(1, 150)]
            library.vv_sha256_push(ctypes.byref(state), piece, ctypes.c_size_t(len(piece)))
            at += len(piece)
        library.vv_sha256_end(ctypes.byref(state), out)
        assert out.raw == hashlib.sha256(data).digest()


# Power cuts


def test_power_cut_at_every_byte(library):
    proof = power_cuts(lambda: with_old(library), OLD, NEW)
    assert proof.faults == []
    # Every byte of a log, a header, the networks, an activation, a start and a confirmation.
    assert proof.cuts > len(NEW) + 3 * 64 + 6 * 64
    assert proof.old_ran > len(NEW)
    assert proof.new_ran > 100
    assert proof.resumed > 1000


def test_power_cut_at_every_byte_over_an_older_model(library):
    assert power_cuts(lambda: with_two(library), OLD, NEW, seed=1000).faults == []


def test_power_cuts_one_after_the_other(library):
    proof = chains(lambda: with_two(library), OLD, NEW, 200)
    assert proof.faults == []
    assert proof.cuts > 500


def test_power_cut_at_every_byte_of_the_first_model(library):
    empty = device(library)
    before = empty.flash.raw
    for cut in range(3900):
        empty.flash.raw = before
        empty.power_on(cut_after=cut, seed=cut)
        if send(empty, OLD).state == 1:
            empty.activate()
        empty.power_on()
        assert empty.running() in (None, OLD)
        assert empty.running() == OLD or install(empty, OLD)
    assert not empty.sim.violations


def test_power_cut_at_the_same_place_again_and_again(library):
    proof = same_cut(lambda: with_old(library), NEW, range(0, 3800, 100), AGAIN)
    assert proof.faults == []
    assert proof.resumed > 1000


def test_marks_that_are_spoiled_leave_room_for_an_activation(library):
    one = with_old(library)
    send(one, NEW, until=2600)
    for turn in range(60):
        one.power_on(cut_after=1230, seed=turn)  # in the mark at the end
        assert send(one, NEW).start == SECTOR
    one.power_on()
    assert send(one, NEW).state == 1
    assert one.activate()


def test_a_start_that_is_cut_is_no_trap(library):
    one = with_old(library)
    assert send(one, NEW).state == 1
    assert one.activate()
    before = one.flash.raw
    for cut in range(64):
        one.flash.raw = before
        one.power_on(cut_after=cut, seed=cut)
        one.power_on()
        assert one.running() == NEW
        assert one.confirm()
        one.power_on()
        assert one.running() == NEW


# An update that goes well, and what is stored


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


# Trials


def test_a_model_that_is_not_confirmed_is_given_up(library):
    one = with_old(library)
    assert send(one, NEW).state == 1
    assert one.activate()
    for _ in range(3):
        one.power_on()
        assert one.running() == NEW
    for _ in range(2):
        one.power_on()
        assert one.running() == OLD
    sent = send(one, NEW)
    assert (sent.state, "was tried" in sent.reason) == (3, True)
    install(one, OTHER)


def test_a_model_that_the_firmware_rejects(library):
    one = with_old(library)
    assert send(one, NEW).state == 1
    assert one.activate()
    one.power_on()
    assert one.running() == NEW
    assert one.reject()
    one.power_on()
    assert one.running() == OLD
    assert send(one, NEW).state == 3


def test_nothing_is_taken_while_a_model_is_on_trial(library):
    one = with_old(library)
    assert send(one, NEW).state == 1
    assert one.activate()
    one.power_on()
    sent = send(one, OTHER)
    assert (sent.state, "on trial" in sent.reason) == (3, True)
    assert one.confirm()
    assert send(one, OTHER).state == 1


def test_what_waits_for_a_start_is_not_replaced(library):
    one = with_old(library)
    assert send(one, NEW).state == 1
    assert one.activate()
    one.say()
    for image in (OTHER, OLD):
        sent = send(one, image)
        assert (sent.state, "waits" in sent.reason) == (3, True)
        assert sent.said[0].values["sha256"] == sha256_of(image)
    assert send(one, NEW).state == 2
    one.power_on()
    assert one.running() == NEW


def test_a_first_model_that_does_not_run_leaves_the_link(library):
    one = device(library)
    assert send(one, OLD).state == 1
    assert one.activate()
    one.power_on()
    assert one.reject()
    one.power_on()
    assert one.running() is None
    install(one, NEW)


def test_nothing_to_confirm(library):
    empty = device(library)
    assert not empty.confirm()
    assert not empty.reject()
    assert not empty.activate()
    assert with_old(library).confirm()


def turned(device: Device) -> Proof:
    """Turn round each bit of the records behind that of the activation: what runs must not change."""
    proof = Proof()
    old, before = device.running(), device.flash.raw
    begin = device.slot_size * device.running_slot()
    places = range(begin, begin + 12 * 64)
    kinds = {place: before[place + 4] for place in places[::64] if before[place : place + 4] == b"VVSL"}
    active = next(place for place, kind in kinds.items() if kind == 3)
    assert max(kinds) > active
    for place in range(active + 64, max(kinds) + 64):
        for bit in range(8):
            content = bytearray(before)
            content[place] ^= 1 << bit
            device.flash.raw = bytes(content)
            device.power_on()
            proof.expect(device.running() == old, f"byte {place - begin}, bit {bit}: another one runs")
    return proof


def test_log_that_forgets_a_bit(library):
    assert turned(with_two(library)).faults == []


@pytest.mark.parametrize("place", [0, 100, len(OLD) - 1])
def test_flash_that_forgets_a_bit(library, place):
    one = with_two(library)
    address = one.slot_size * one.running_slot() + one.sector + place
    content = bytearray(one.flash.raw)
    content[address] ^= 1
    one.flash.raw = bytes(content)
    one.power_on()
    assert one.running() == OTHER


# What is refused


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


def test_flash_that_fails(library):
    whole = with_old(library)
    before, whole.sim.operations = whole.flash.raw, 0
    install(whole, NEW)
    for operation in range(1, whole.sim.operations + 1):
        one = device(library)
        one.flash.raw = before
        one.power_on()
        one.sim.operations, one.sim.fail_from = 0, operation
        sent = send(one, NEW)
        if sent.state == 3:
            assert "flash" in sent.reason
        one.activate()
        one.sim.fail_from = 0
        one.power_on()
        assert one.running() in (OLD, NEW)
        one.confirm()
        assert one.running() == NEW or install(one, NEW)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sector": 1024}, {"sector": 2049}, {"slot_size": SECTOR}, {"slot_size": 3 * SECTOR + 256},
    ],
    ids=str,
)  # fmt: skip
def test_flash_that_is_described_wrongly(library, wrong):
    with pytest.raises(AssertionError):
        device(library, **wrong)


# The proof is one: each of these mistakes is found

MISTAKES = {
    "the slot that runs is erased": (
        "vivavoce_slots_receive.c", "slots->target = (slots->running == 0U) ? 1U : 0U;",
        "slots->target = (slots->running == 0U) ? 0U : 1U;",
    ),
    "activated before the hash": (
        "vivavoce_slots_receive.c", "    slots->phase = VV_SLOTS_RECEIVING;\n",
        "    slots->phase = VV_SLOTS_VERIFIED;\n    (void)vv_slots_activate(slots);\n    slots->pending = false;\n"
        "    slots->phase = VV_SLOTS_RECEIVING;\n",
    ),
    "a damaged record counts": (
        "vivavoce_slots_log.c", " || (get32(&data[AT_CRC]) != crc32(data, AT_CRC))", "",
    ),
    "written over a damaged record": (
        "vivavoce_slots_log.c",
        "log->next = place + 1U; /* what is damaged has no room for another one */\n"
        "            if (parse(data, &record)) {",
        "if (parse(data, &record)) { log->next = place + 1U;",
    ),
    "marked before it is written": (
        "vivavoce_slots_receive.c", "        slots->stored = log.marked;\n    } else if",
        "        slots->stored = log.marked + ((log.marked == 0U) ? 256U : 0U);\n    } else if",
    ),
    "sectors are not erased": (
        "vivavoce_slots_receive.c", "if (((slots->stored % flash->sector) == 0U) && !",
        "if ((slots->stored == 0U) && !",
    ),
    "the older one runs": (
        "vivavoce_slots.c", "(one != another) && ((one - another) < 0x80000000U)",
        "(one != another) && ((another - one) < 0x80000000U)",
    ),
    "nothing is resumed": (
        "vivavoce_slots_receive.c", "slots->stored = log.marked;", "slots->stored = 0U;",
    ),
    "a full log is not begun anew": (
        "vivavoce_slots_receive.c", "#define LEAST_FREE 8U", "#define LEAST_FREE 0U",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_power_cuts_find_mistakes(mistake, tmp_path):
    name, old, new = MISTAKES[mistake]
    wrong = build_slots(tmp_path, {name: (old, new)})
    try:
        faults = power_cuts(lambda: with_two(wrong), OLD, NEW, range(0, 3800, 5)).faults
        faults = faults or same_cut(lambda: with_two(wrong), NEW, range(0, 3800, 100), AGAIN).faults
        faults = faults or turned(with_two(wrong)).faults
    except AssertionError:
        return  # not even an update without a cut
    assert faults


def test_content_finds_a_hash_that_is_not_looked_at(tmp_path):
    name = "vivavoce_slots_receive.c"
    wrong = build_slots(tmp_path, {name: ("if (!vv_slot_holds(flash", "if (false && !vv_slot_holds(flash")})
    one = with_old(wrong)
    assert send(one, NEW[:-1] + b"?", offered=offer(NEW)).state == 1
