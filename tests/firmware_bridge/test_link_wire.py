"""The bytes of the link: stuffing, frames, limits of messages, and the page that documents them."""

import random
from pathlib import Path

import pytest
from link_messages import draw, fuzzed

from edge.errors import DataError
from firmware_bridge.link.framing import ENCODED_MAX, Frame, FrameReader, cobs_decode, cobs_encode, crc16, frame_bytes
from firmware_bridge.link.messages import Message, decode, encode
from firmware_bridge.link.table import MESSAGES, PAYLOAD_MAX
from firmware_bridge.link.wire_page import page

TOO_LONG = bytes(9) + (257).to_bytes(2, "little") + b"a" * 257
"""A line of the log that would fit into a payload, and not into its field."""
ROOT = Path(__file__).resolve().parents[2]


def test_page_is_up_to_date():
    assert (ROOT / "docs" / "link.md").read_text() == page()


def test_codes_names_and_lengths():
    assert len({kind.code for kind in MESSAGES}) == len({kind.name for kind in MESSAGES}) == len(MESSAGES)
    assert max(sum(one.size for one in kind.fields) for kind in MESSAGES) <= PAYLOAD_MAX


@pytest.mark.parametrize(
    ("plain", "stuffed"),
    [
        (b"", b"\x01"),
        (b"\0", b"\x01\x01"),
        (b"\0\0", b"\x01\x01\x01"),
        (b"\x11\x22\0\x33", b"\x03\x11\x22\x02\x33"),
        (bytes(range(1, 255)), b"\xff" + bytes(range(1, 255))),
        (bytes(range(255)), b"\x01\xff" + bytes(range(1, 255))),
        (bytes(range(1, 256)), b"\xff" + bytes(range(1, 255)) + b"\x02\xff"),
        (bytes(range(2, 256)) + b"\0", b"\xff" + bytes(range(2, 256)) + b"\x01\x01"),
    ],
)
def test_examples_of_cobs(plain, stuffed):
    """The examples of https://en.wikipedia.org/wiki/Consistent_Overhead_Byte_Stuffing."""
    assert cobs_encode(plain) == stuffed
    assert cobs_decode(stuffed) == plain


def test_cobs_both_ways():
    dice = random.Random(1)
    for size in range(800):
        for weights in ((1, 1), (1, 400), (400, 1)):
            plain = bytes(dice.choices((0, 7), weights, k=size))
            stuffed = cobs_encode(plain)
            assert 0 not in stuffed
            assert cobs_decode(stuffed) == plain
            assert len(stuffed) <= size + size // 254 + 1


@pytest.mark.parametrize("wrong", [b"\x05\x11", b"\0", b"\x03\x11\0", b"\xff\x01"])
def test_what_is_no_cobs(wrong):
    with pytest.raises(DataError):
        cobs_decode(wrong)


def test_any_cut_gives_the_same_frames():
    dice = random.Random(2)
    frames = [Frame(1, 16, 1, n, dice.randbytes(dice.randrange(PAYLOAD_MAX + 1))) for n in range(50)]
    stream = b"".join(map(frame_bytes, frames))
    for size in (1, 7, 4096):
        reader = FrameReader()
        got = [one for at in range(0, len(stream), size) for one in reader.push(stream[at : at + size])]
        assert got == frames
        assert reader.damaged == 0


def test_an_endless_frame_is_skipped_and_costs_no_memory():
    reader = FrameReader()
    for _ in range(1000):
        assert not list(reader.push(b"\x01" * 5000))
        assert len(reader._kept) <= ENCODED_MAX
    good = Frame(1, 16, 1, 1, b"good")
    assert list(reader.push(b"\0" + frame_bytes(good))) == [good]
    assert reader.damaged == 1


def test_any_three_bits_are_found():
    """The CRC has a Hamming distance of 4 over these lengths."""
    dice = random.Random(3)
    plain = dice.randbytes(700)
    for _ in range(5000):
        out = bytearray(plain)
        for bit in dice.sample(range(5600), dice.randint(1, 3)):
            out[bit // 8] ^= 1 << bit % 8
        assert crc16(bytes(out)) != crc16(plain)


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.name)
def test_messages_both_ways_and_cut_at_every_byte(kind):
    dice = random.Random(kind.code)
    for _ in range(50):
        message = draw(kind, dice)
        payload = encode(message)
        assert decode(kind.code, payload) == message
        assert decode(kind.code, payload + b"\1newer") == message
    for size in range(len(payload)):
        with pytest.raises(DataError, match=rf"link: {kind.name}"):
            decode(kind.code, payload[:size])


def test_values_out_of_their_range_are_refused():
    with pytest.raises(DataError, match=r"mute\.muted: got 2, expected 0\.\.1"):
        decode(19, b"\2\0")
    with pytest.raises(DataError, match="no UTF-8"):
        decode(26, bytes(8) + b"\1\1\0\xff")
    with pytest.raises(DataError, match=r"log\.text: got a length of 257, expected up to 256"):
        decode(26, TOO_LONG)
    with pytest.raises(DataError, match="code 99"):
        decode(99, b"")
    assert decode(19, b"\1\0") == Message("mute", {"muted": 1, "origin": 0})


def test_damaged_frames_are_hardly_ever_taken():
    dice = random.Random(9)
    original = [frame_bytes(Frame(1, 16, 1, n, dice.randbytes(100))) for n in range(20)]
    reader = FrameReader()
    wrong = 0
    for _ in range(20_000):
        good = dice.choice(original)
        damaged = fuzzed(good, dice)
        known = {bytes(one[:-1]) for one in original}
        reader.fresh()
        wrong += sum(frame_bytes(one)[:-1] not in known for one in reader.push(damaged + b"\0"))
    assert wrong <= 3
