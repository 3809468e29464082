"""The model image, defined once: what a bundle is while it travels to a microcontroller, and in its flash.

A header, a table of sections, and the sections, each on a boundary of 16 bytes, which interpreters want of a network
that they read in place. Integers are little-endian. The C of it (``firmware_bridge/c_slots/vivavoce_image.{h,c}``) is
made by :mod:`firmware_bridge.link.bundle_format_c`.
"""

import struct

__all__ = [
    "ALIGNMENT",
    "FORMAT_VERSION",
    "HEADER",
    "MAGIC",
    "NUMBERS",
    "SECTION",
    "SECTIONS",
    "STATES",
    "WORD_ID_BYTES",
]

MAGIC = b"VVMODEL\0"
FORMAT_VERSION = 1
"""Of header and sections; a firmware refuses a newer one. Added sections need none: unknown ones are skipped."""
ALIGNMENT = 16
"""Bytes; also what the size of an image is a multiple of."""
HEADER = struct.Struct("<8sHHII12x32s")
"""Magic, format version, sections, ABI version of the exported code, bytes of the image, contract
(:mod:`firmware_bridge.link.bundle_contract`)."""
SECTION = struct.Struct("<III4x")
"""Code, offset and bytes of a section; the table of them follows the header."""
SECTIONS = {"settings": 1, "manifest": 2, "signature": 3, "wake": 4, "liveness": 5}
"""Codes. ``manifest`` and ``signature`` are the files of the bundle, ``wake`` and ``liveness`` its networks."""
NUMBERS = (
    "words",
    "context_frames",
    "stride_frames",
    "smoothing_steps",
    "refractory_frames",
    "state_bytes",
    "state_zero_point",
    "accept_logit",
    "reject_logit",
    "probability_bits",
)
"""With which ``settings`` begins, int32 each, filled up with zeros to 64 bytes. There follow the arrays that
``vivavoce_tables.h`` declares: ``vv_cutoff_sums`` and ``vv_cutoff_rooms`` (uint64, words each), ``vv_probabilities``
(uint32, 256), and the ids of the words, UTF-8, filled up with zeros to WORD_ID_BYTES each."""
WORD_ID_BYTES = 64
STATES = ("receiving", "verified", "active", "refused")
"""Of the message ``bundle_state``, from 0 on."""
