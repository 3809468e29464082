"""Messages of the link at random, and bytes that were damaged on their way."""

import random

from firmware_bridge.link.messages import Message
from firmware_bridge.link.table import SIZES, Kind

__all__ = ["draw", "fuzzed"]


def draw(kind: Kind, dice: random.Random) -> Message:
    """Return a message with values all over their ranges, ends included."""
    values: dict[str, object] = {}
    for one in kind.fields:
        if one.type in SIZES:
            low, high = one.limits
            values[one.name] = dice.choice([low, high, dice.randint(low, high)])
            continue
        count = one.count if one.type == "bytes" else dice.choice([0, one.count, dice.randint(0, one.count)])
        if one.type == "text":
            text = "".join(dice.choices("a\x00é€\U0001f600", k=count))
            values[one.name] = text.encode()[:count].decode(errors="ignore")
        else:
            values[one.name] = dice.randbytes(count * (2 if one.type == "samples" else 1))
    return Message(kind.name, values)


def fuzzed(data: bytes, dice: random.Random) -> bytes:
    """Return data with a few bytes changed, lost, or doubled, or its end cut off."""
    out = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(out)) if out else 0
        what = dice.randrange(4)
        if what == 0 and out:
            out[at] ^= 1 << dice.randrange(8)
        elif what == 1:
            del out[at : at + dice.randint(1, 5)]
        elif what == 2:
            out[at:at] = dice.randbytes(dice.randint(1, 3))
        elif dice.random() < 0.3:
            del out[at:]
    return bytes(out)
