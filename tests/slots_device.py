"""The C of the two slots, compiled for this machine, in a flash that loses its power when it is told to."""

import ctypes
import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from firmware_bridge.link.bundle_image import ModelImage, image_bytes
from firmware_bridge.link.messages import Message, decode, encode
from firmware_bridge.link.table import PAYLOAD_MAX, kind_named

__all__ = ["C_FOLDERS", "SECTOR", "WARNINGS", "Device", "Simulation", "build_slots", "small_image"]

ROOT = Path(__file__).resolve().parents[1]
C_FOLDERS = (ROOT / "firmware_bridge" / "c_slots", ROOT / "firmware_bridge" / "c_link")
WARNINGS = (
    "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wsign-conversion", "-Wshadow",
)  # fmt: skip
SECTOR = 2048


class Simulation(ctypes.Structure):
    """``sim_t`` of flash_simulation.c."""

    _fields_ = (
        ("memory", ctypes.c_void_p),
        ("size", ctypes.c_uint32),
        ("sector", ctypes.c_uint32),
        ("left", ctypes.c_int64),
        ("dead", ctypes.c_uint32),
        ("dice", ctypes.c_uint32),
        ("guarded", ctypes.c_uint32),
        ("slots", ctypes.c_uint32 * 2),
        ("slot_size", ctypes.c_uint32),
        ("violations", ctypes.c_uint32),
        ("erased", ctypes.c_uint32),
        ("programmed", ctypes.c_uint32),
        ("fail_from", ctypes.c_uint32),
        ("operations", ctypes.c_uint32),
        ("trusted", ctypes.c_uint32),
    )


def build_slots(folder: Path, changes: dict[str, tuple[str, str]] | None = None, *options: str) -> ctypes.CDLL:
    """Compile the C as a library.

    Parameters
    ----------
    folder : Path
    changes : dict of str to (str, str), optional
        Text that is replaced, by the name of the file: a mistake that a test should find.
    """
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    sources = []
    for path in sorted(C_FOLDERS[0].glob("*.c")):
        text = path.read_text()
        if changes and path.name in changes:
            old, new = changes[path.name]
            assert text.count(old) == 1, f"{path.name}: {old!r} is there {text.count(old)} times"
            text = text.replace(old, new)
        sources.append(folder / path.name)
        sources[-1].write_text(text)
    sources += [C_FOLDERS[1] / "vivavoce_link_messages.c", ROOT / "tests" / "flash_simulation.c"]
    library = folder / "libslots.so"
    checks = () if changes else WARNINGS[2:]  # a mistake may leave something unused
    includes = [f"-I{one}" for one in C_FOLDERS]
    for source in sources:
        strict = checks if source.parent == folder else ()
        made = folder / f"{source.stem}.o"
        subprocess.run(
            ["gcc", "-std=c99", *strict, "-O1", "-fPIC", *options, *includes, "-c", source, "-o", made], check=True
        )
    objects = [f"{folder / source.stem}.o" for source in sources]
    subprocess.run(["gcc", "-shared", *options, *objects, "-o", library], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.slots_size.restype = loaded.vv_slots_poll.restype = ctypes.c_size_t
    for name in (
        "slots_start", "vv_slots_running", "vv_slots_confirm", "vv_slots_reject", "vv_slots_verified",
        "vv_slots_activate",
    ):  # fmt: skip
        getattr(loaded, name).restype = ctypes.c_bool
    return loaded


class Device:
    """A device with a flash that outlives its starts.

    Parameters
    ----------
    library : CDLL
        Of :func:`build_slots`.
    slot_size, sector : int
        Bytes.
    contract : bytes, optional
        That images must have been made for.
    """

    def __init__(
        self, library: ctypes.CDLL, *, slot_size: int = 4 * SECTOR, sector: int = SECTOR, contract: bytes | None = None
    ) -> None:
        self.library = library
        self.slot_size, self.sector = slot_size, sector
        self.flash = ctypes.create_string_buffer(b"\xff" * (2 * slot_size), 2 * slot_size)
        self.sim = Simulation(
            memory=ctypes.cast(self.flash, ctypes.c_void_p), size=2 * slot_size, sector=sector, left=-1, guarded=2,
            slots=(0, slot_size), slot_size=slot_size, trusted=1, dice=1,
        )  # fmt: skip
        self._contract = None if contract is None else ctypes.create_string_buffer(contract, 32)
        self._state = ctypes.create_string_buffer(library.slots_size())

    def power_on(self, *, cut_after: int = -1, seed: int = 0) -> "Device":
        """Start it, with power for so many bytes; -1: for ever."""
        # What is not set at the start shows.
        ctypes.memset(self._state, 0xA5, len(self._state))
        self.sim.dead, self.sim.left, self.sim.dice, self.sim.guarded = 0, cut_after, seed, 2
        assert self.library.slots_start(self._state, ctypes.byref(self.sim), self._contract)
        running = self.running_slot()
        self.sim.guarded = 2 if running is None else running
        return self

    @property
    def dead(self) -> bool:
        """Whether its power was cut."""
        return bool(self.sim.dead)

    def running_slot(self) -> int | None:
        """Return the slot that runs, if any."""
        where = self._running()
        return None if where is None else int(where[0] >= self.slot_size)

    def running(self) -> bytes | None:
        """Return the image that runs, as it is in flash."""
        where = self._running()
        return None if where is None else self.flash.raw[where[0] : where[0] + where[1]]

    def _running(self) -> tuple[int, int] | None:
        address, size = ctypes.c_uint32(), ctypes.c_uint32()
        if not self.library.vv_slots_running(self._state, ctypes.byref(address), ctypes.byref(size)):
            return None
        return address.value, size.value

    def take(self, message: Message) -> None:
        """Give it a message of the host."""
        payload = encode(message)
        self.take_bytes(kind_named(message.kind).code, payload)

    def take_bytes(self, kind: int, payload: bytes) -> None:
        """Give it a payload as it came."""
        self.library.vv_slots_message(self._state, kind, payload, ctypes.c_size_t(len(payload)))

    def say(self) -> list[Message]:
        """Return what it has to say."""
        said = []
        kind, payload = ctypes.c_uint8(), ctypes.create_string_buffer(PAYLOAD_MAX)
        while size := self.library.vv_slots_poll(
            self._state, ctypes.byref(kind), payload, ctypes.c_size_t(PAYLOAD_MAX)
        ):
            said.append(decode(kind.value, payload.raw[:size]))
        return said

    def activate(self) -> bool:
        """Activate what is verified."""
        return bool(self.library.vv_slots_activate(self._state))

    def verified(self) -> bool:
        """Return whether a model waits to be activated."""
        return bool(self.library.vv_slots_verified(self._state))

    def confirm(self) -> bool:
        """Say that what runs does."""
        return bool(self.library.vv_slots_confirm(self._state))

    def reject(self) -> bool:
        """Say that it does not."""
        return bool(self.library.vv_slots_reject(self._state))


def small_image(seed: int, size: int = 3000, *, contract: bytes = bytes(32)) -> bytes:
    """Return an image whose networks are random bytes."""
    dice = random.Random(seed)
    settings = struct.pack("<16i", *range(16))
    return image_bytes(
        ModelImage(
            contract, {"settings": settings, "wake": dice.randbytes(size // 2), "liveness": dice.randbytes(size // 2)}
        )
    )
