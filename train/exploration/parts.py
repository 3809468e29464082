"""What every page is made of: the frame, the style, sections and tables.

A page forbids the browser to fetch anything (``Content-Security-Policy``), so that it is the same offline, and runs no
script but those that it was made with.
"""

import base64
import hashlib
from collections.abc import Iterable

from train.exploration.svg import SERIES_COLOURS

__all__ = ["STYLE", "document", "section", "table"]

STYLE = """
:root{color-scheme:light dark;--page:#f7f7f5;--card:#fff;--ink:#1a1a19;--soft:#62615c;--rule:#dddcd6;--bar:#5598e7;
--mark:#c2410c;--bad:#b42318;--c0:#2a78d6;--c1:#eb6834;--c2:#1baf7a;--c3:#b57e00;--c4:#d55181;--c5:#008300;--c6:#4a3aa7;
--c7:#e34948}
@media (prefers-color-scheme:dark){:root{--page:#121211;--card:#1c1c1a;--ink:#f0efea;--soft:#a5a49d;--rule:#383834;
--bar:#3987e5;--mark:#fb923c;--bad:#f97066;--c0:#3987e5;--c1:#d95926;--c2:#199e70;--c3:#c98500;--c4:#d55181;--c5:#35a335;
--c6:#9085e9;--c7:#e66767}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1280px;margin:0 auto;padding:20px 16px 60px}
h1{font-size:1.5rem;margin:.2em 0}h2{font-size:1.15rem;margin:0 0 .4em}
section{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:14px 16px;margin:14px 0}
p{margin:.3em 0 .7em;max-width:80ch}.soft,figcaption,caption{color:var(--soft);font-size:.87rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.87rem;width:100%}
th,td{padding:4px 8px;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}
th{color:var(--soft);font-weight:600;vertical-align:bottom}td.n,th.n{text-align:right;white-space:nowrap;
font-variant-numeric:tabular-nums}tbody th{color:var(--ink);font-weight:500;vertical-align:top}
#distributions td,#distributions th{padding:4px 5px;white-space:nowrap}#distributions tbody th{white-space:normal;
min-width:8em;overflow-wrap:anywhere}
tr.total td,tr.total th{font-weight:600}th.split{border-left:1px solid var(--rule)}
dl.facts{display:grid;grid-template-columns:minmax(7em,max-content) 1fr;gap:8px 16px;margin:0}
dl.facts dt{font-weight:650}dl.facts dd{margin:0}
@media (max-width:600px){dl.facts{grid-template-columns:1fr;gap:0}dl.facts dd{margin-bottom:8px}}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(420px,100%),1fr));gap:16px}
figure{margin:0}svg.chart{width:100%;height:auto}svg.hist{width:88px;height:28px;display:block}
svg text{fill:var(--soft);font-size:12px}.bar rect{fill:var(--bar)}.axis,.grid{stroke:var(--rule);fill:none}
.median{stroke:var(--mark);stroke-width:1.6;fill:none}.line{fill:none;stroke-width:2}.band{opacity:.16;stroke:none}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 16px;padding:0;margin:0 0 6px;font-size:.85rem}
.legend svg{width:18px;height:4px;margin-right:6px;vertical-align:middle}
.warn{border-left:4px solid var(--mark);padding-left:12px}.bad{color:var(--bad)}
ul.faults{padding-left:1.2em;margin:.3em 0;overflow-wrap:anywhere}
td.path{overflow-wrap:anywhere;min-width:14em}td.why{min-width:17em}audio{height:32px;width:210px;display:block}
"""
STYLE += "".join(f".line.c{n}{{stroke:var(--c{n})}}.band.c{n}{{fill:var(--c{n})}}" for n in range(SERIES_COLOURS))


def document(title: str, body: str, *, style: str = "", script: str = "") -> str:
    """Return a whole page.

    Parameters
    ----------
    title, body : str
        HTML, escaped.
    style : str
        Rules behind those that all pages have.
    script : str
        Runs at the end of the page; the only one that may, which its hash sees to.
    """
    allowed, at_the_end = "", ""
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        allowed, at_the_end = f"script-src 'sha256-{digest}'; ", f"<script>{script}</script>"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        f'{allowed}media-src data:; img-src data:">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}{style}</style></head><body><main>{body}</main>{at_the_end}</body>"
        "</html>\n"
    )


def section(name: str, title: str, note: str, body: str) -> str:
    """Return a section; all arguments are HTML, escaped."""
    return f'<section id="{name}"><h2>{title}</h2><p class="soft">{note}</p>{body}</section>'


def table(head: str, rows: Iterable[str]) -> str:
    """Return a table that is scrolled where it is too wide; rows are HTML, escaped."""
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'
