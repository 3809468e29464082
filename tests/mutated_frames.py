"""Frames of a line protocol with faults in them: what tests and benchmarks of the socket sink send."""

import random

__all__ = ["mutated"]


def mutated(rng: random.Random, frame: bytes) -> bytes:
    """Change, leave out or repeat a few bytes."""
    data = bytearray(frame)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0:
                data[at:at] = bytes([rng.randrange(256)])
            case 1:
                del data[at : at + rng.randint(1, 5)]
            case 2:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 3:
                data[at:at] = data[: rng.randint(0, 40)]
    return bytes(data)
