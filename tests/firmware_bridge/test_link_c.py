"""The generated C of the link beside the Python, byte for byte, compiled on this machine."""

import ctypes
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from link_messages import draw, fuzzed

from edge.errors import DataError
from firmware_bridge.link.c_code import c_name, files
from firmware_bridge.link.framing import Frame, FrameReader, crc16, frame_bytes
from firmware_bridge.link.messages import decode, encode
from firmware_bridge.link.table import MESSAGES, PAYLOAD_MAX

FOLDER = Path(__file__).resolve().parents[2] / "firmware_bridge" / "c_link"
FLAGS = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-pedantic"]

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


class CFrame(ctypes.Structure):
    """``vv_frame_t``."""

    _fields_ = (
        ("version", ctypes.c_uint8),
        ("kind", ctypes.c_uint8),
        ("session", ctypes.c_uint16),
        ("sequence", ctypes.c_uint16),
        ("length", ctypes.c_uint16),
        ("payload", ctypes.c_void_p),
    )


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Return the C as a library, with a function that decodes a message and encodes it again."""
    folder = tmp_path_factory.mktemp("link")
    cases = "".join(
        f"case {kind.code}: {{ static vv_{c_name(kind)}_t m; if (!vv_{c_name(kind)}_decode(&m, in, size)) return -1; "
        f"return (long)vv_{c_name(kind)}_encode(&m, out, room); }}\n"
        for kind in MESSAGES
    )
    (folder / "again.c").write_text(
        '#include "vivavoce_link.h"\n'
        "long again(int code, const uint8_t *in, size_t size, uint8_t *out, size_t room);\n"
        "long again(int code, const uint8_t *in, size_t size, uint8_t *out, size_t room) {\n"
        f"switch (code) {{\n{cases}default: return -2; }} }}\n"
        "size_t reader_size(void);\nsize_t reader_size(void) { return sizeof(vv_reader_t); }\n"
        "long read_all(vv_reader_t *r, const uint8_t *in, size_t size, uint8_t *out);\n"
        "long read_all(vv_reader_t *r, const uint8_t *in, size_t size, uint8_t *out) {\n"
        "  size_t at = 0; vv_frame_t f;\n"
        "  for (size_t i = 0; i < size; i++)\n"
        "    if (vv_reader_push(r, in[i], &f)) at += vv_frame_encode(&f, out + at, 800U);\n"
        "  return (long)at; }\n"
        "uint32_t damaged(const vv_reader_t *r);\nuint32_t damaged(const vv_reader_t *r) { return r->damaged; }\n"
    )
    sources = [str(folder / "again.c"), *map(str, sorted(FOLDER.glob("*.c")))]
    made = folder / "link.so"
    subprocess.run(["gcc", *FLAGS, "-shared", "-fPIC", f"-I{FOLDER}", *sources, "-o", str(made)], check=True)
    loaded = ctypes.CDLL(str(made))
    loaded.again.restype = loaded.read_all.restype = ctypes.c_long
    loaded.reader_size.restype = loaded.vv_frame_encode.restype = ctypes.c_size_t
    loaded.vv_crc16.restype = ctypes.c_uint16
    loaded.damaged.restype = ctypes.c_uint32
    return loaded


def again(library, code: int, payload: bytes, room: int = 1000) -> tuple[int, bytes]:
    out = ctypes.create_string_buffer(room)
    size = library.again(code, payload, ctypes.c_size_t(len(payload)), out, ctypes.c_size_t(room))
    return size, out.raw[: max(0, size)]


def test_generated_files_are_up_to_date():
    for name, content in files().items():
        assert (FOLDER / name).read_text() == content, (
            "make it again: python -m firmware_bridge.link.c_code firmware_bridge/c_link"
        )


def test_no_heap():
    for path in FOLDER.iterdir():
        content = path.read_text()
        assert "alloc(" not in content
        assert "stdlib" not in content
        assert "stdio" not in content


def test_crc_check_value(library):
    assert library.vv_crc16(b"123456789", ctypes.c_size_t(9)) == crc16(b"123456789") == 0x29B1


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.name)
def test_messages_are_the_same_bytes(library, kind):
    dice = random.Random(kind.code)
    for _ in range(200):
        payload = encode(draw(kind, dice))
        assert again(library, kind.code, payload) == (len(payload), payload)
        assert again(library, kind.code, payload, room=len(payload) - 1)[0] == 0
        assert again(library, kind.code, payload + b"newer") == (len(payload), payload)


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.name)
def test_the_same_payloads_are_refused(library, kind):
    dice = random.Random(100 + kind.code)
    refused = 0
    for _ in range(2000):
        payload = fuzzed(encode(draw(kind, dice)), dice)
        try:
            expected = encode(decode(kind.code, payload))
        except DataError:
            refused += 1
            assert again(library, kind.code, payload)[0] == -1
        else:
            assert again(library, kind.code, payload) == (len(expected), expected)
    assert refused > 100


def test_a_field_that_is_too_long_is_refused(library):
    line = bytes(9) + (257).to_bytes(2, "little") + b"a" * 257
    assert again(library, 26, line)[0] == -1
    assert again(library, 26, line[:9] + (256).to_bytes(2, "little") + b"a" * 256)[0] == 9 + 2 + 256


def c_frame(library, frame: Frame, room: int = 1000) -> bytes:
    kept = ctypes.create_string_buffer(frame.payload, max(1, len(frame.payload)))
    there = CFrame(
        frame.version, frame.kind, frame.session, frame.sequence, len(frame.payload), ctypes.cast(kept, ctypes.c_void_p)
    )
    out = ctypes.create_string_buffer(room)
    size = library.vv_frame_encode(ctypes.byref(there), out, ctypes.c_size_t(room))
    return out.raw[:size]


def test_frames_are_the_same_bytes(library):
    dice = random.Random(5)
    for size in range(PAYLOAD_MAX + 1):
        for alphabet in (1, 2, 256):
            payload = bytes((dice.randrange(alphabet) + (alphabet == 1)) % 256 for _ in range(size))
            frame = Frame(1, 16, dice.randrange(1, 65536), dice.randrange(65536), payload)
            expected = frame_bytes(frame)
            assert c_frame(library, frame) == expected
        assert c_frame(library, frame, room=len(expected) - 1) == b""
    assert c_frame(library, Frame(1, 16, 1, 1, bytes(PAYLOAD_MAX + 1))) == b""


def test_both_readers_find_the_same_frames(library):
    dice = random.Random(6)
    stream = bytearray()
    for _ in range(3000):
        encoded = frame_bytes(Frame(1, 16, 7, dice.randrange(65536), dice.randbytes(dice.randrange(PAYLOAD_MAX + 1))))
        stream += encoded if dice.random() < 0.5 else fuzzed(encoded, dice)
        if dice.random() < 0.02:
            stream += bytes(dice.choices(range(1, 256), k=2000))
    reader = FrameReader()
    expected = b"".join(map(frame_bytes, reader.push(bytes(stream))))
    state = ctypes.create_string_buffer(library.reader_size())
    library.vv_reader_reset(state)
    out = ctypes.create_string_buffer(len(stream) + 1000)
    size = library.read_all(state, bytes(stream), ctypes.c_size_t(len(stream)), out)
    assert out.raw[:size] == expected
    assert library.damaged(state) == reader.damaged > 500
    assert len(expected) > 100_000
