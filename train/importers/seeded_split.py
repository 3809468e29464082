"""Splits where the publisher made none: drawn from an id, so that what is added later moves nothing."""

import hashlib

__all__ = ["THREE_WAYS", "TRAIN_AND_DEV", "seeded_split"]

THREE_WAYS = {"train": 0.7, "dev": 0.15, "test": 0.15}
TRAIN_AND_DEV = {"train": 0.8, "dev": 0.2}
"""Where the publisher set a test split apart."""


def seeded_split(identifier: str, seed: int, shares: dict[str, float]) -> str:
    """Return the split of a talker or loudspeaker.

    Parameters
    ----------
    identifier : str
        Equal ones have equal splits.
    seed : int
    shares : dict
        Split to its probability; they add up to 1.
    """
    digest = hashlib.sha256(f"{seed}/{identifier}".encode()).digest()
    at = int.from_bytes(digest[:6], "big") / (1 << 48)
    for split, share in shares.items():
        at -= share
        if at < 0:
            return split
    return split
