"""The wire, defined once: the header of a frame, and the fields of each message with their units and ranges.

Integers are little-endian. A message may grow at its end: who knows an older table ignores what follows the fields
that it knows. Time is a sample index at 16 kHz in 64 bits: 32 bits would come round after 74.6 hours.
"""

from dataclasses import dataclass

__all__ = [
    "CAPABILITIES",
    "FIRST_RELIABLE",
    "HEADER",
    "MESSAGES",
    "PAYLOAD_MAX",
    "SIZES",
    "VERSION",
    "WINDOW_MAX",
    "Field",
    "Kind",
    "kind_named",
]

VERSION = 1
"""Version of this table; also that of the header, which must never change its layout."""
PAYLOAD_MAX = 704
"""Longest payload, bytes; a longer frame is skipped."""
WINDOW_MAX = 32
"""Most frames on their way at once: bits of the field ``have`` of an acknowledgement."""
FIRST_RELIABLE = 16
"""Codes from here on have a sequence number of their own, and are sent again until they are acknowledged."""
SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i16": 2, "i32": 4}
"""Bytes of an integer on the wire."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field. ``count`` is the length of an array of bytes, or the longest of one whose length is sent (u16)."""

    name: str
    type: str
    """A key of SIZES; ``bytes`` (fixed length); or, with their count before them, ``text``, ``blob``, ``samples``."""
    what: str
    unit: str = ""
    low: int | None = None
    high: int | None = None
    count: int = 0
    names: tuple[str, ...] = ()
    """What each value is called, from 0 on, where values are names."""

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest value, of an integer."""
        bits = 8 * SIZES[self.type]
        signed = self.type.startswith("i")
        low = -(1 << (bits - 1)) if signed else 0
        high = (1 << (bits - signed)) - 1
        return (low if self.low is None else self.low, high if self.high is None else self.high)

    @property
    def size(self) -> int:
        """Bytes on the wire, at most."""
        if self.type in SIZES:
            return SIZES[self.type]
        if self.type == "bytes":
            return self.count
        return 2 + self.count * (2 if self.type == "samples" else 1)

    @property
    def varies(self) -> bool:
        """Whether its length is sent."""
        return self.type in ("text", "blob", "samples")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of message."""

    code: int
    name: str
    sender: str
    what: str
    fields: tuple[Field, ...]

    @property
    def reliable(self) -> bool:
        """Whether it is acknowledged, and sent again until it is."""
        return self.code >= FIRST_RELIABLE

    def field(self, name: str) -> Field:
        """Return the field of a name.

        Raises
        ------
        KeyError
            If there is none: a slip of the program.
        """
        for one in self.fields:
            if one.name == name:
                return one
        raise KeyError(name)


HEADER = (
    Field("version", "u8", "of the table that both agreed on; 1 in hello"),
    Field("kind", "u8", "code of the message"),
    Field("session", "u16", "of the sender; another one with each connection", low=1),
    Field("sequence", "u16", "counts the reliable messages of a session from 0; 0 in others"),
    Field("length", "u16", "of the payload", "bytes", high=PAYLOAD_MAX),
)
"""Fields before the payload. After it follows the CRC-16/CCITT-FALSE of both, u16."""

_INDEX = Field("index", "u64", "sample of the stream that it is about", "samples at 16 kHz")
_WORD = Field("word", "text", "id of the wake word, UTF-8", "bytes", count=64)
_SHA256 = Field("sha256", "bytes", "of the whole bundle", count=32)
_OFFSET = Field("offset", "u32", "place in the bundle", "bytes")


CAPABILITIES = ("audio", "wake words", "mute switch", "LEDs", "bundle slots")
"""What a side can do, by the bit that says so."""


def _numbered(names: tuple[str, ...]) -> str:
    return ", ".join(f"{value} {name}" for value, name in enumerate(names))


def _choice(name: str, *names: str) -> Field:
    return Field(name, "u8", _numbered(names), high=len(names) - 1, names=names)


def _score(what: str) -> Field:
    return Field("score", "u16", what, "1/65535")


MESSAGES = (
    Kind(1, "hello", "both", "Begins a session; sent until the other side answers. Its version is 1 for ever.", (
        Field("lowest", "u8", "oldest version that the sender speaks", low=1),
        Field("highest", "u8", "newest version that the sender speaks", low=1),
        Field("established", "u8", "1 if the sender takes the session as begun", high=1),
        _choice("role", "host", "device"),
        Field("echo", "u16", "session that the other side named; 0 if none yet"),
        Field("resume_session", "u16", "session of the other side that was received last; 0 if none"),
        Field("resume_next", "u16", "sequence number that was expected next in it"),
        Field("window", "u8", "frames that the sender can hold", "frames", low=1, high=WINDOW_MAX),
        Field("payload_max", "u16", "longest payload that the sender takes", "bytes", low=64),
        Field("capabilities", "u32", f"bits: {_numbered(CAPABILITIES)}"),
        Field("name", "text", "of the sender, UTF-8", "bytes", count=32),
    )),
    Kind(2, "ack", "both", "What was received; also the heartbeat.", (
        Field("next", "u16", "first sequence number that is missing"),
        Field("have", "u32", "bit i: next + 1 + i was received"),
        Field("credit", "u8", "frames from next on that there is room for", "frames", high=WINDOW_MAX),
    )),
    Kind(16, "audio", "device", "A block of the microphone.", (
        Field("index", "u64", "of the first sample", "samples at 16 kHz"),
        Field("samples", "samples", "mono, 16 bit", "i16", count=320),
    )),
    Kind(17, "wake", "device", "The device heard a wake word.", (
        Field("index", "u64", "end of the word", "samples at 16 kHz"),
        Field("preroll", "u32", "sound before index that was sent or follows", "samples at 16 kHz", high=160_000),
        _score("of the detector; 65535 where it gives none"),
        _WORD,
    )),
    Kind(18, "decision", "host", "What the gate made of a wake word.", (
        Field("index", "u64", "end of the word, as in wake", "samples at 16 kHz"),
        _choice("verdict", "accept", "reject", "unsure"),
        _choice("action", "pass", "block", "ask"),
        _score("liveness; 0 is a loudspeaker for certain"),
        _WORD,
    )),
    Kind(19, "mute", "both", "The microphone is muted or not; the switch of the device wins over software.", (
        Field("muted", "u8", "1 if muted", high=1),
        _choice("origin", "software", "switch of the device"),
    )),
    Kind(20, "led", "host", "What the lights shall show.", (
        _choice("state", "off", "idle", "listening", "accepted", "rejected", "asking", "muted", "fault"),
        Field("brightness", "u8", "255 is the brightest", "1/255"),
    )),
    Kind(21, "health", "device", "How the device is.", (
        _INDEX,
        Field("lost", "u32", "samples that nobody took in time", "samples at 16 kHz"),
        Field("damaged", "u32", "frames that were skipped", "frames"),
        Field("resent", "u32", "frames that were sent again", "frames"),
        Field("free_ram", "u32", "memory that is free", "bytes"),
        Field("temperature", "i16", "of the chip", "0.1 degrees Celsius", low=-400, high=1500),
    )),
    Kind(22, "bundle_offer", "host", "A bundle is there; the device answers with bundle_want or bundle_state.", (
        Field("size", "u32", "of the bundle", "bytes", low=1),
        _SHA256,
    )),
    Kind(23, "bundle_want", "device", "Send the bundle from here on; after a disconnect, from what is stored.", (
        _OFFSET,
        _SHA256,
    )),
    Kind(24, "bundle_chunk", "host", "A piece of the bundle.", (
        _OFFSET,
        Field("data", "blob", "what is there", "bytes", count=512),
    )),
    Kind(25, "bundle_state", "device", "How far the bundle is.", (
        _choice("state", "receiving", "verified", "active", "refused"),
        Field("offset", "u32", "bytes that are stored", "bytes"),
        Field("reason", "text", "why it was refused, UTF-8", "bytes", count=128),
    )),
    Kind(26, "log", "device", "A line of the log.", (
        _INDEX,
        _choice("level", "debug", "info", "warning", "error"),
        Field("text", "text", "the line, UTF-8", "bytes", count=256),
    )),
)  # fmt: skip
"""All messages, by code."""

_BY_NAME = {kind.name: kind for kind in MESSAGES}


def kind_named(name: str) -> Kind:
    """Return the kind of message of a name.

    Raises
    ------
    KeyError
        If there is none: a slip of the program.
    """
    return _BY_NAME[name]
