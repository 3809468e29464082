"""The report: one HTML page that needs nothing but itself, for somebody who decides."""

import json
from collections.abc import Sequence
from html import escape

from edge.bundle import Bundle
from edge.judgement import LimitVerdict
from train.clip import Clip
from train.exploration.parts import document
from train.longform_corpora import FILE_NAME
from train.report.day import Saying, real_day, simulated_day
from train.report.evidence import believable, curves, limits, weakest_real, weakest_simulated
from train.report.examples import Example
from train.report.results_folder import Part, Results
from train.report.scores import ClipScores, belong_together
from train.report.sections import abilities, day, heard_examples, in_short, inability, origins, terms

__all__ = ["SCRIPT", "embedded", "page", "places"]

SCRIPT = """\
"use strict";
for (const [name, habit] of Object.entries(JSON.parse(document.getElementById("places").textContent))) {
  const slider = document.getElementById("set-" + name);
  const show = () => {
    const at = Number(slider.value);
    document.getElementById("shown-" + name).textContent = habit.shown[at];
    slider.setAttribute("aria-valuetext", habit.shown[at]);
    for (const [id, says] of Object.entries(habit.says)) document.getElementById("say-" + id).textContent = says[at];
  };
  slider.hidden = false;
  slider.addEventListener("input", show);
  show();
}
"""
"""Shows what was computed for a place of a slider; computes nothing. Without it the page tells what is assumed."""

_STYLE = """
:root{--good:#176b3a;--miss:#b42318}@media (prefers-color-scheme:dark){:root{--good:#5fc98a;--miss:#f97066}}
body{font-size:16px}main{max-width:980px}section{padding:16px 20px}h3{font-size:1rem;margin:1.2em 0 .3em}
a{color:inherit}:focus-visible{outline:3px solid var(--bar);outline-offset:2px}
.skip{position:absolute;left:-999px}.skip:focus{left:8px;top:8px;background:var(--card);padding:6px 10px}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:4px 16px;padding:0;margin:.6em 0;font-size:.9rem}
ul.plain{padding-left:1.2em;margin:.3em 0;max-width:80ch}ul.plain li{margin:.35em 0}
.sliders{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(250px,100%),1fr));gap:14px 24px;
margin:10px 0 18px}.sliders label{display:block;font-size:.9rem}.sliders output{font-weight:650}
input[type=range]{width:100%;height:32px;accent-color:var(--bar);margin:2px 0 0}[hidden]{display:none}
.day{border-left:4px solid var(--bar);padding-left:14px;margin:18px 0}.day.simulated{border-left-style:dashed}
.day h3{margin-top:0}.day h4{margin:1em 0 0;font-size:.95rem}.say{font-size:1.08rem;margin:.15em 0}
.basis{color:var(--soft);font-size:.87rem;margin:.1em 0}
.met{color:var(--good)}.missed{color:var(--miss);font-weight:600}
caption{text-align:left;padding:4px 0}table.cards{margin-top:12px}
.det{max-width:560px}.det .legend{display:block}.det .legend svg{width:36px}
.det .legend li{padding-left:44px;text-indent:-44px}.legend svg.dot{height:14px}
.works{fill:var(--mark);stroke:var(--card);stroke-width:2}
.examples{list-style:none;padding:0;display:grid;grid-template-columns:repeat(auto-fill,minmax(min(290px,100%),1fr));
gap:14px}.examples li{border:1px solid var(--rule);border-radius:8px;padding:10px 12px;font-size:.87rem;
overflow-wrap:anywhere}.examples audio{width:100%;margin-top:6px}code{overflow-wrap:anywhere}
@media (max-width:600px){body{font-size:15px}section{padding:12px 14px}
table.cards thead{position:absolute;left:-9999px}table.cards tr{display:block;padding:8px 0;
border-bottom:1px solid var(--rule)}table.cards td,table.cards tbody th{display:block;border:0;padding:1px 0;
text-align:left;white-space:normal}table.cards td[data-of]::before{content:attr(data-of) ": ";color:var(--soft)}}
@media print{:root{color-scheme:light;--page:#fff;--card:#fff;--ink:#000;--soft:#444;--rule:#bbb;--good:#176b3a;
--miss:#b42318}body{font-size:10.5pt}main{max-width:none;padding:0}section{border:0;border-top:1px solid var(--rule);
border-radius:0;padding:8px 0}nav,.skip,input[type=range],audio{display:none!important}
tr,li,figure,.day>*{break-inside:avoid}h2,h3,h4{break-after:avoid}.scroll{overflow:visible}}
"""


def places(sayings: Sequence[Saying]) -> dict[str, dict[str, object]]:
    """Return what a page shows for each place of each slider, as plain data.

    Returns
    -------
    dict
        By the name of the habit: ``shown``, the place in words; ``says``, sentences by the name of the saying. All
        lists are as long as the slider has places.
    """
    found: dict[str, dict[str, object]] = {}
    for saying in sayings:
        habit = saying.habit
        if habit.name not in found:
            found[habit.name] = {"shown": [habit.shown(place) for place in habit.places], "says": {}}
        says = found[habit.name]["says"]
        assert isinstance(says, dict)
        says[saying.name] = list(saying.says)
    return found


def embedded(data: object) -> str:
    """Return JSON that may stand in an element ``script``: nothing in it can end the element."""
    return json.dumps(data, sort_keys=True).replace("<", "\\u003c")


def page(
    bundle: Bundle,
    results: Results,
    verdicts: Sequence[LimitVerdict],
    *,
    scores: ClipScores | None = None,
    clips: Sequence[Clip] | str = "",
    examples: Sequence[Example] | None = None,
) -> str:
    """Write the report.

    Parameters
    ----------
    bundle : Bundle
        What it is about.
    results : Results
    verdicts : sequence of LimitVerdict
        How the bundle stands to the limits of its task.
    scores : ClipScores, optional
        Of the clips that the results were measured on; those of another measurement are not told.
    clips : sequence of Clip or str
        Recordings of test, to tell talkers apart; or why they are not told apart.
    examples : sequence of Example, optional
        Errors to be listened to; a page that has them holds recordings of people.

    Returns
    -------
    str
        The same for the same input: there is no date of its own in it.

    Raises
    ------
    DataError
        If results hold what cannot be told.
    """
    wake, liveness = (_there(results.of(name)) for name in ("wake_test.json", "liveness_test.json"))
    corpora = results.beside(FILE_NAME.format(split="test"))
    real, simulated = real_day(wake, liveness, corpora), simulated_day(liveness)
    stray = scores is not None and (liveness is None or not belong_together(scores, liveness))
    if stray:
        scores = None
    told = [
        in_short(bundle, verdicts, real, simulated),
        abilities(bundle, results),
        day(results, real, simulated),
        weakest_real(results, clips),
        weakest_simulated(results, scores, stray=stray),
        inability(),
        limits(verdicts),
        curves(results, scores, stray=stray),
        believable(results),
        heard_examples(examples),
        terms(),
        origins(bundle, results),
    ]
    title = f"vivavoce {escape(bundle.bundle_version)}: how often will it be wrong?"
    warning = (
        '<p class="warn"><strong>This page holds recordings of people.</strong> Do not commit or pass it on; without '
        "<code>--data</code> there are none in it.</p>"
        if examples
        else ""
    )
    links = "".join(f'<li><a href="#{one.name}">{one.title}</a></li>' for one in told)
    head = (
        f'<a class="skip" href="#in-short">Skip to the text</a><header><h1>{title}</h1>{warning}</header>'
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>'
    )
    data = embedded(places([*real, *simulated]))
    body = f'{head}{"".join(one.html for one in told)}<script type="application/json" id="places">{data}</script>'
    return document(title, body, style=_STYLE, script=SCRIPT)


def _there(part: Part | str) -> Part | None:
    return None if isinstance(part, str) else part
