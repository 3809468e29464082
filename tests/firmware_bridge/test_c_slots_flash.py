"""The C of the two slots, over flash that loses its power, forgets bits, or fails."""

import pytest
from slots_device import SECTOR, Device, build_slots
from slots_proof import Proof, chains, install, power_cuts, same_cut, send

from tests.firmware_bridge.c_slots import AGAIN, NEW, OLD, OTHER, device, library_fixture, with_old, with_two  # noqa: F401  # fixtures

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


# Bits, operations and a description that are wrong


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
