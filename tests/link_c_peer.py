"""The peer in C with the interface of the one in Python, through ctypes."""

import ctypes
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path

from link_fuzz import C_FOLDER

from edge.errors import UsageError
from firmware_bridge.link.messages import Message, decode, encode
from firmware_bridge.link.peer_state import Counts, Settings
from firmware_bridge.link.table import PAYLOAD_MAX, kind_named

__all__ = ["QUEUE", "WARNINGS", "CPeer", "build_peer", "c_peers"]

QUEUE = 250
"""Compiled in; another size than Python's."""
WARNINGS = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wsign-conversion", "-Wshadow")

_SHIM = """
#include "vivavoce_link_peer.h"
size_t t_size(void) { return sizeof(vv_peer_t); }
bool t_init(vv_peer_t *p, uint32_t can, uint16_t session, uint8_t role, uint8_t low, uint8_t high, uint8_t window,
            const uint8_t *name, uint8_t count) {
  vv_peer_settings_t s = {can, session, role, low, high, window, count, {0}};
  for (uint8_t i = 0; i < count && i < sizeof s.name; i++) s.name[i] = name[i];
  return vv_peer_init(p, &s); }
long t_take(vv_peer_t *p, uint8_t *kind, uint8_t *out, size_t room) {
  static vv_message_t m;
  if (!vv_peer_take(p, &m)) return -1;
  *kind = m.kind;
  return (long)vv_message_encode(&m, out, room); }
long t_hello(const vv_peer_t *p, uint8_t *out, size_t room) {
  return p->established ? (long)vv_hello_encode(&p->other.hello, out, room) : -1; }
uint16_t t_session(const vv_peer_t *p) { return p->session; }
uint8_t t_version(const vv_peer_t *p) { return p->established ? p->other.version : 0; }
uint32_t t_damaged(const vv_peer_t *p) { return p->reader.damaged; }
int t_foreign(const vv_peer_t *p) { return p->foreign ? p->foreign_lowest * 256 + p->foreign_highest : -1; }
void t_counts(const vv_peer_t *p, uint32_t *out) {
  const vv_counts_t *c = &p->counts;
  const uint32_t all[] = {c->received, c->stale, c->repeated, c->refused, c->too_long, c->resent, c->sessions, c->lost};
  for (int i = 0; i < 8; i++) out[i] = all[i]; }
void t_sequences(vv_peer_t *p, int next, int expected) {
  if (next >= 0) p->sending.next_sequence = (uint16_t)next;
  if (expected >= 0) p->receiving.expected = (uint16_t)expected; }
uint32_t t_early(const vv_peer_t *p) { return p->receiving.early; }
"""


def build_peer(folder: Path, *flags: str, cc: str = "gcc") -> ctypes.CDLL:
    """Compile the peer with what the class needs into a shared library, and load it."""
    (folder / "shim.c").write_text(_SHIM)
    library = folder / "peer.so"
    sources = [*map(str, sorted(C_FOLDER.glob("*.c")))]
    made = [str(folder / f"{Path(source).stem}.o") for source in sources]
    base = [cc, "-O1", "-g", "-fPIC", f"-DVV_PEER_QUEUE={QUEUE}U", f"-I{C_FOLDER}", *flags]
    for source, target in zip(sources, made, strict=True):
        subprocess.run([*base, *WARNINGS, "-c", source, "-o", target], check=True)
    subprocess.run([*base, "-shared", str(folder / "shim.c"), *made, "-o", str(library)], check=True)
    code = ctypes.CDLL(str(library))
    size, u8, u16, u32 = ctypes.c_size_t, ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32
    there, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, arguments in (
        ("t_size", size, []),
        ("t_init", ctypes.c_bool, [there, u32, u16, u8, u8, u8, u8, text, u8]),
        ("t_take", ctypes.c_long, [there, there, there, size]),
        ("t_hello", ctypes.c_long, [there, there, size]),
        ("t_session", u16, [there]),
        ("t_version", u8, [there]),
        ("t_damaged", u32, [there]),
        ("t_foreign", ctypes.c_int, [there]),
        ("t_counts", None, [there, there]),
        ("t_sequences", None, [there, ctypes.c_int, ctypes.c_int]),
        ("t_early", u32, [there]),
        ("vv_peer_send_payload", ctypes.c_int, [there, u8, text, size]),
        ("vv_peer_receive", None, [there, text, size, u32]),
        ("vv_peer_poll", size, [there, u32, there, size]),
        ("vv_peer_disconnected", None, [there, u32]),
        ("vv_peer_wait_ms", u32, [there]),
        ("vv_peer_established", ctypes.c_bool, [there]),
        ("vv_peer_waiting", u8, [there]),
        ("vv_peer_withdraw_audio", u8, [there]),
    ):
        function = getattr(code, name)
        function.restype, function.argtypes = result, arguments
    return code


class CPeer:
    """See :class:`firmware_bridge.link.peer.Peer`."""

    def __init__(self, code: ctypes.CDLL, settings: Settings, *, session: int, began_ms: int = 0) -> None:
        self.settings = replace(settings, queue=QUEUE)
        self._code, self._began_ms, self._now_s = code, began_ms, 0.0
        # What is not initialised shows.
        self._peer = ctypes.create_string_buffer(b"\xa5" * code.t_size(), code.t_size())
        name = settings.name.encode()
        one = settings
        if not code.t_init(
            self._peer, one.capabilities, session, one.role, one.lowest, one.highest, one.window, name, len(name)
        ):
            raise UsageError(f"link: the C peer refuses {settings}")

    established = property(lambda self: self._code.vv_peer_established(self._peer))
    version = property(lambda self: self._code.t_version(self._peer))
    damaged = property(lambda self: self._code.t_damaged(self._peer))
    waiting = property(lambda self: self._code.vv_peer_waiting(self._peer))
    _session = property(lambda self: self._code.t_session(self._peer))
    early = property(lambda self: self._code.t_early(self._peer))

    @property
    def counts(self) -> Counts:
        found = (ctypes.c_uint32 * len(fields(Counts)))()
        self._code.t_counts(self._peer, found)
        return Counts(*found)

    @property
    def fault(self) -> str:
        found = self._code.t_foreign(self._peer)
        return "" if found < 0 else f"versions {found >> 8}..{found & 255}"

    @property
    def peer_hello(self) -> Message | None:
        out = ctypes.create_string_buffer(PAYLOAD_MAX)
        size = self._code.t_hello(self._peer, out, len(out))
        return None if size < 0 else decode(1, out.raw[:size])

    def add(self, code: int, payload: bytes) -> bool:
        """Queue a payload as it is."""
        found = self._code.vv_peer_send_payload(self._peer, code, payload, len(payload))
        if found == 2:
            raise UsageError("link: refused by the C peer")
        return found == 0

    def send(self, message: Message) -> bool:
        return self.add(kind_named(message.kind).code, encode(message))

    def withdraw_audio(self) -> int:
        """Take sound back; returns how many blocks that were."""
        return int(self._code.vv_peer_withdraw_audio(self._peer))

    def sequences(self, following: int = -1, expected: int = -1) -> None:
        self._code.t_sequences(self._peer, following, expected)

    def messages(self) -> Iterator[Message]:
        kind, out = ctypes.c_uint8(), ctypes.create_string_buffer(PAYLOAD_MAX)
        while (size := self._code.t_take(self._peer, ctypes.byref(kind), out, len(out))) >= 0:
            yield decode(kind.value, out.raw[:size])

    def _ms(self, now_s: float) -> int:
        self._now_s = now_s
        return (self._began_ms + round(1000 * now_s)) & 0xFFFFFFFF

    def receive(self, data: bytes, now_s: float) -> None:
        self._code.vv_peer_receive(self._peer, data, len(data), self._ms(now_s))

    def disconnected(self, now_s: float) -> None:
        self._code.vv_peer_disconnected(self._peer, self._ms(now_s))

    def poll(self, now_s: float, *, room: int = 1 << 16) -> bytes:
        out = ctypes.create_string_buffer(room)
        size = self._code.vv_peer_poll(self._peer, self._ms(now_s), out, room)
        return out.raw[:size]

    def next_poll_s(self) -> float:
        return self._now_s + self._code.vv_peer_wait_ms(self._peer) / 1000


def c_peers(code: ctypes.CDLL, *, began_ms: int = 0) -> Callable[..., CPeer]:
    """Return what makes peers in C, as :class:`firmware_bridge.link.peer.Peer` makes them in Python.

    Parameters
    ----------
    code : CDLL
        As :func:`build_peer` returns it.
    began_ms : int
        What their clock shows at time 0.
    """
    return lambda settings, *, session: CPeer(code, settings, session=session, began_ms=began_ms)
