"""What pages for people have in common: one HTML file that needs nothing but itself, with drawings in SVG.

Colours follow light and dark; nothing is fetched and no script runs, which the page's own policy sees to.
"""

from html import escape

__all__ = ["BOTTOM", "HEIGHT", "LEFT", "STYLE", "WIDTH", "document", "frame", "section"]

STYLE = """
:root{color-scheme:light dark;--page:#f6f6f4;--card:#fff;--ink:#1c1d1f;--soft:#5b5f66;--rule:#d9dbdf;--pass:#1f77b4;
--ask:#c98500;--block:#8a3b12;--was:#1c1d1f;--bad:#b42318;--good:#176b3a}
@media (prefers-color-scheme:dark){:root{--page:#17181a;--card:#202225;--ink:#e9eaec;--soft:#a5a9b0;--rule:#3b3e44;
--pass:#5aa9e6;--ask:#e6b450;--block:#e08a5b;--was:#e9eaec;--bad:#f97066;--good:#5fc98a}}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:860px;margin:0 auto;padding:16px}section{background:var(--card);border:1px solid var(--rule);
border-radius:10px;padding:14px 18px;margin:14px 0}h1{font-size:1.5rem}h2{font-size:1.15rem;margin:.2em 0 .5em}
h3{font-size:1rem;margin:1em 0 .2em}.soft{color:var(--soft);font-size:.9rem}.bad{color:var(--bad);font-weight:650}
.good{color:var(--good);font-weight:650}svg{width:100%;height:auto;display:block}svg text{font:11px system-ui,
sans-serif;fill:var(--soft)}.pass{fill:var(--pass)}.ask{fill:var(--ask)}.block{fill:var(--block)}
.axis{stroke:var(--rule);fill:none}.quiet{fill:var(--rule)}.bars{stroke:var(--pass);fill:none}.whisker{stroke:var(--pass);stroke-width:2}.was{stroke:var(--was);fill:none;
stroke-width:1.5}ul.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;padding:0;font-size:.9rem}
.legend span{display:inline-block;width:12px;height:12px;margin-right:6px}.legend .pass{background:var(--pass)}
.legend .ask{background:var(--ask)}.legend .block{background:var(--block)}.legend .was{border-top:2px solid var(--was);
height:0;vertical-align:middle}table{border-collapse:collapse;font-size:.9rem}td,th{padding:3px 12px 3px 0;
text-align:right;border-bottom:1px solid var(--rule)}th:first-child,td:first-child,.words{text-align:left}
.scroll{overflow-x:auto}@media print{section{break-inside:avoid}}
"""
"""Of the page and of the drawings."""

WIDTH, HEIGHT, LEFT, BOTTOM = 720.0, 170.0, 40.0, 22.0
"""Of a drawing, and of its margins, in its own units."""


def document(title: str, body: str) -> str:
    """Return the page around a body of HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )


def section(title: str, body: str) -> str:
    """Return a part of the page under a title, which is text."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def frame(parts: str, label: str, left: str, right: str, top: str, bottom: str = "0") -> str:
    """Put axes around a drawing, with what stands at their ends."""
    base = HEIGHT - BOTTOM
    return (
        f'<svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label="{escape(label)}">{parts}'
        f'<path class="axis" d="M{LEFT} 8V{base}H{WIDTH}"/>'
        f'<text x="{LEFT - 5}" y="14" text-anchor="end">{top}</text>'
        f'<text x="{LEFT - 5}" y="{base}" text-anchor="end">{bottom}</text><text x="{LEFT}" y="{HEIGHT - 6}">'
        f'{escape(left)}</text><text x="{WIDTH}" y="{HEIGHT - 6}" text-anchor="end">{escape(right)}</text></svg>'
    )
