"""What is wrong with a manifest or a recording: a kind to count by, and one line to read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["Fault", "first_of_each_kind"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes
    ----------
    kind : str
        Short name of what is wrong, e.g. ``talker-in-two-splits``; equal faults have equal kinds.
    message : str
        What, where, got, expected, what to do; one line.
    """

    kind: str
    message: str


def first_of_each_kind(faults: Iterable[Fault], limit: int, *, more: str) -> Iterator[Fault]:
    """Yield at most `limit` faults of a kind, and one more that counts those left out.

    Parameters
    ----------
    faults : iterable of Fault
    limit : int
        Faults of a kind that are yielded; 0 for all.
    more : str
        What to do to see the others, as the end of a sentence.

    Yields
    ------
    Fault
        By kind, kinds in the order of their first fault.
    """
    by_kind: dict[str, list[Fault]] = {}
    for fault in faults:
        by_kind.setdefault(fault.kind, []).append(fault)
    for kind, some in by_kind.items():
        shown = some[:limit] if limit else some
        yield from shown
        if len(some) > len(shown):
            yield Fault(kind, f"{kind}: and {len(some) - len(shown)} more of {len(some)}; {more}")
