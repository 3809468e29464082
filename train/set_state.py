"""Were figures measured on the frozen set? What results say of the renderings that they were measured on."""

from typing import Literal

__all__ = ["State", "compares"]

State = Literal["frozen", "rounded otherwise", "part of it", "other data", "other recipe", "other samples"]
"""``rounded otherwise``: the frozen set, rendered by a processor that rounds some of its samples otherwise."""


def compares(state: str) -> bool:
    """Tell whether figures of a set in that state compare with others of the frozen set."""
    return state in ("frozen", "rounded otherwise")
