"""The pieces that sections are made of: lists, and tables that a phone shows as cards."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from train.exploration.parts import section, table
from train.report.day import percent
from train.report.results_folder import Part
from train.report.weakest import Group

__all__ = ["Section", "bullets", "cards", "groups_table", "made", "missing"]


class Section(NamedTuple):
    """One section."""

    name: str
    """Identifies it in the page."""
    title: str
    """Its heading, which leads to it, too."""
    html: str
    """All of it."""


def made(name: str, title: str, note: str, body: str) -> Section:
    """Return a section; all arguments are HTML, escaped."""
    return Section(name, title, section(name, title, note, body))


def missing(part: Part | str) -> str:
    """Say why a results file does not count, if it does not."""
    return f'<p class="warn">{escape(part)}</p>' if isinstance(part, str) else ""


def bullets(items: Sequence[str]) -> str:
    """Return a list; items are HTML, escaped."""
    return f'<ul class="plain">{"".join(f"<li>{item}</li>" for item in items)}</ul>'


def cards(caption: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose rows are cards on a phone; the first cell of a row heads it. All is HTML, escaped.

    The roles are said, because a browser forgets them of what is not shown as a table.
    """
    head = "".join(f'<th role="columnheader" scope="col">{name}</th>' for name in names)
    lines = [
        f'<tr role="row"><th role="rowheader" scope="row">{row[0]}</th>'
        + "".join(
            f'<td role="cell" data-of="{name}">{cell}</td>' for name, cell in zip(names[1:], row[1:], strict=True)
        )
        + "</tr>"
        for row in rows
    ]
    opened = f'<table class="cards" role="table"><caption>{caption}</caption>'
    return table(f'<tr role="row">{head}</tr>', lines).replace("<table>", opened, 1)


def groups_table(caption: str, what: str, wrong: str, groups: Sequence[Group]) -> str:
    """Return a table of groups; the other arguments are HTML, escaped."""
    rows = [(escape(group.name), percent(group.wrong), f"{group.clips:,}") for group in groups]
    return cards(caption, (what, f"{wrong} (95 % interval)", "clips"), rows)
