"""Verdicts as people read them: one line a limit, what is simulated apart from what is real."""

from collections.abc import Sequence

from edge.judgement import EVIDENCE, LimitVerdict, by_evidence
from edge.output import columns

__all__ = ["count_verdicts", "verdict_lines"]


def verdict_lines(verdicts: Sequence[LimitVerdict]) -> list[str]:
    """Return lines with how each limit stands, what was reached, the limit, and on how much it was measured."""
    lines = []
    for evidence, found in by_evidence(verdicts).items():
        rows = [
            [
                verdict.state,
                verdict.title,
                verdict.shown_value() if verdict.measured is not None else verdict.reason,
                verdict.shown_limit(),
                verdict.shown_n(),
                "the interval reaches over it" if verdict.certain is False else "",
            ]
            for verdict in found
        ]
        lines += [f"{EVIDENCE[evidence]}:", *columns(rows)]
    return lines


def count_verdicts(verdicts: Sequence[LimitVerdict]) -> str:
    """Return e.g. ``12 limits met, 7 missed, 1 not measured``."""
    met, missed, open_ = (sum(v.state == state for v in verdicts) for state in ("met", "missed", "not measured"))
    return f"{met} limits met, {missed} missed, {open_} not measured"
