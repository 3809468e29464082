"""Verdicts as people read them: one line a limit."""

from collections.abc import Sequence

from edge.cli import columns
from edge.judgement import LimitVerdict

__all__ = ["count_verdicts", "verdict_lines"]


def verdict_lines(verdicts: Sequence[LimitVerdict]) -> list[str]:
    """Return a line for each limit: how it stands, what was reached, the limit, and on how much it was measured."""
    return columns(
        [
            [
                verdict.state,
                verdict.evidence,
                verdict.title,
                verdict.shown_value() if verdict.measured is not None else verdict.reason,
                verdict.shown_limit(),
                verdict.shown_n(),
                "the interval reaches over it" if verdict.certain is False else "",
            ]
            for verdict in verdicts
        ]
    )


def count_verdicts(verdicts: Sequence[LimitVerdict]) -> str:
    """Return e.g. ``12 limits met, 7 missed, 1 not measured``."""
    met, missed, open_ = (sum(v.state == state for v in verdicts) for state in ("met", "missed", "not measured"))
    return f"{met} limits met, {missed} missed, {open_} not measured"
