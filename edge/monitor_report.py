"""The report of the monitor: one HTML page that needs nothing but itself, for the owner of a device.

Drawings are SVG in the page, in colours that follow light and dark; nothing is fetched and no script runs, which the
page's own policy sees to.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from html import escape

import numpy as np

from edge.drift import Reference, psi, psi_limit
from edge.drift_reference import OF_ANSWERS, STATISTICS
from edge.drift_watch import Alarm
from edge.html_page import BOTTOM, HEIGHT, LEFT, WIDTH, document, frame, section
from edge.moments import shown_moment
from edge.monitor_figures import Day, Figures, interval

__all__ = ["page"]

_MOST_BARS = 92
_BINS = 20

_ADVICE = {
    ("level_dbfs", "lower"): "Look at the microphone: is something in front of it, was it moved, or its gain turned "
    "down? Far or quiet voices are harder to judge.",
    ("level_dbfs", "higher"): "Was the gain of the microphone turned up, or the device moved? If answers say "
    "'clipped', turn it down.",
    ("snr_db", "lower"): "Something makes more noise than before: a fan, an air conditioner, a road, or the microphone "
    "itself. Move the device or what makes the noise.",
    ("snr_db", "higher"): "It is quieter than before, which does no harm.",
    ("live_score", "lower"): "Voices sound more like loudspeakers: is there a new television or radio that says the "
    "word, or is the microphone covered?",
    ("live_score", "higher"): "Voices sound less like loudspeakers. If nothing in the room has changed, try a "
    "recording of the word: it should still be blocked.",
    ("wake_score", "lower"): "The word is recognised less clearly: new voices, more noise, or another place.",
    ("wake_score", "higher"): "The word is recognised more clearly, which does no harm.",
    ("accepted", "lower"): "Fewer words are accepted. 'vivavoce events --action block' tells why; 'vivavoce label' "
    "lets you say which of them were people.",
    ("accepted", "higher"): "More words are accepted. If people do not say it more often, try a recording of the "
    "word: it should still be blocked.",
    ("rejected_per_day", "higher"): "More words a day are not accepted: is there a new television or radio that says "
    "the word, or are people refused? 'vivavoce events --action block' lists them.",
    ("rejected_per_day", "lower"): "Fewer words a day are refused, which does no harm.",
}
"""What to do about each change."""


def page(found: Figures, *, made_at_s: float) -> str:
    """Write the page.

    Parameters
    ----------
    found : Figures
    made_at_s : float
        Seconds since 1970, UTC.
    """
    body = "".join(
        (
            f"<h1>What this device heard</h1><p class='soft'>Made {escape(shown_moment(made_at_s))}. Times are those "
            "of this device. The page holds no sound.</p>",
            section("In short", _in_short(found)),
            section("Alarms", _alarms(found)),
            section("Answers a day", _per_day(found.days)),
            section("How many words are accepted", _accepted(found.days)),
            section("Compared with what is normal here", _distributions(found)),
            section("How this is told", _method(found)),
        )
    )
    return document("What this device heard", body)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def _in_short(found: Figures) -> str:
    if not found.answers:
        said = "<p>There are no answers yet. Say the word a few times, and look again in some days.</p>"
    else:
        answers = sum(day.answers for day in found.days)
        accepted = sum(day.accepted for day in found.days)
        low, high = interval(accepted, answers)
        days = len(found.days)
        said = (
            f"<p>{answers} answers in {days} day{'s' * (days != 1)}; {_percent(accepted / max(1, answers))} of the "
            f"words were taken for those of a person ({_percent(low)} to {_percent(high)} with 95\N{NO-BREAK SPACE}% "
            "confidence).</p>"
        )
    if found.up:
        names = ", ".join(f"{escape(STATISTICS[one.statistic])} ({one.change})" for one in found.up)
        said += f'<p class="bad">Something has changed: {names}.</p>'
    elif found.learned < 1:
        said += (
            f"<p>What is normal here is still being learned: {_percent(found.learned)} of it is known. Until then "
            "not everything is watched.</p>"
        )
    else:
        said += '<p class="good">Nothing has changed that is large enough to tell.</p>'
    if found.damaged:
        said += f'<p class="bad">{found.damaged} answers of the store could not be read.</p>'
    return said


def _alarms(found: Figures) -> str:
    if not found.alarms:
        return "<p>There were none.</p>"
    rows = []
    for alarm in reversed(found.alarms):
        up = alarm in found.up
        rows.append(
            f"<tr><td>{escape(shown_moment(alarm.at_s))}</td><td>{escape(STATISTICS[alarm.statistic])}</td>"
            f"<td>{alarm.change}</td><td>{'<span class=bad>still so</span>' if up else 'over'}</td></tr>"
        )
    advice = "".join(
        f"<li><b>{escape(_title(one))}.</b> {escape(_ADVICE[one.statistic, one.change])}</li>" for one in found.up
    )
    todo = ""
    if advice:
        todo = (
            f"<h3>What to do</h3><ul>{advice}</ul><p>If this is how it shall be from now on (a new microphone, another "
            "place), run <code>vivavoce monitor reset</code>: then it is what is normal.</p>"
        )
    return (
        "<div class='scroll'><table><thead><tr><th>when it was certain</th><th>what</th><th>how it became</th>"
        f"<th>now</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>{todo}"
    )


def _title(alarm: Alarm) -> str:
    name = STATISTICS[alarm.statistic]
    return f"{name[0].upper()}{name[1:]} is {alarm.change}"


def _weeks(days: Sequence[Day]) -> list[tuple[date, list[Day]]]:
    """Return days by the Monday before them."""
    found: dict[date, list[Day]] = {}
    for day in days:
        found.setdefault(day.date - timedelta(days=day.date.weekday()), []).append(day)
    return sorted(found.items())


def _per_day(days: Sequence[Day]) -> str:
    if not days:
        return "<p>None yet.</p>"
    weekly = len(days) > _MOST_BARS
    groups = [(monday, list(held)) for monday, held in _weeks(days)] if weekly else [(one.date, [one]) for one in days]
    groups = groups[-_MOST_BARS * 3 :]
    sums = [
        (at, sum(one.passed for one in held), sum(one.asked for one in held), sum(one.blocked for one in held))
        for at, held in groups
    ]
    most = max(1, *(passed + asked + blocked for _, passed, asked, blocked in sums))
    step, base = (WIDTH - LEFT) / len(sums), HEIGHT - BOTTOM
    parts = []
    for number, (at, passed, asked, blocked) in enumerate(sums):
        told = f"{at}: {passed} passed, {asked} asked again, {blocked} blocked"
        y, bars = base, ""
        for kind, count in (("pass", passed), ("ask", asked), ("block", blocked)):
            height = count / most * (base - 8)
            y -= height
            if count:
                bars += (
                    f'<rect class="{kind}" x="{LEFT + number * step:.1f}" y="{y:.1f}" '
                    f'width="{max(step - 1, 0.8):.1f}" height="{height:.1f}"/>'
                )
        parts.append(f"<g><title>{told}</title>{bars}</g>")
    label = f"Answers a {'week' if weekly else 'day'}, {most} at most"
    return (
        '<ul class="legend"><li><span class="pass"></span>passed</li><li><span class="ask"></span>asked again</li>'
        '<li><span class="block"></span>blocked</li></ul>'
        + frame("".join(parts), label, str(sums[0][0]), str(sums[-1][0]), str(most))
        + f"<p class='soft'>{label}.</p>"
    )


def _accepted(days: Sequence[Day]) -> str:
    weeks = [
        (monday, sum(one.accepted for one in held), sum(one.answers for one in held)) for monday, held in _weeks(days)
    ]
    weeks = [week for week in weeks if week[2]][-_MOST_BARS:]
    if not weeks:
        return "<p>None yet.</p>"
    base = HEIGHT - BOTTOM
    step = (WIDTH - LEFT) / len(weeks)
    parts, rows = [], []
    for number, (monday, hits, n) in enumerate(weeks):
        low, high = interval(hits, n)
        x = LEFT + (number + 0.5) * step
        y_low, y, y_high = (base - share * (base - 12) for share in (low, hits / n, high))
        told = f"week of {monday}: {hits} of {n}"
        parts.append(
            f'<g><title>{told}</title><path class="whisker" d="M{x:.1f} {y_low:.1f}V{y_high:.1f}"/>'
            f'<circle class="pass" cx="{x:.1f}" cy="{y:.1f}" r="4"/></g>'
        )
        rows.append(
            f"<tr><td>{monday}</td><td>{n}</td><td>{_percent(hits / n)}</td><td>{_percent(low)} to {_percent(high)}"
            "</td></tr>"
        )
    return (
        "<p class='soft'>Share of words that the gate took for those of a person, by week, with the range in which it "
        "lies with 95\N{NO-BREAK SPACE}% confidence. A word of a television is rightly not accepted.</p>"
        + frame("".join(parts), "Share of accepted words by week", str(weeks[0][0]), str(weeks[-1][0]), "100 %")
        + "<details><summary>as a table</summary><div class='scroll'><table><thead><tr><th>week of</th><th>words</th>"
        f"<th>accepted</th><th>95 %</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div></details>"
    )


def _distributions(found: Figures) -> str:
    known = [name for name in OF_ANSWERS if name in found.references and found.recent[name]]
    if not known:
        return f"<p>What is normal here is not known yet: {_percent(found.learned)} of it is.</p>"
    return (
        '<ul class="legend"><li><span class="pass"></span>the last answers</li><li><span class="was"></span>normal</li>'
        "</ul>" + "".join(_distribution(name, found.references[name], found) for name in known)
    )


def _distribution(name: str, reference: Reference, found: Figures) -> str:
    recent = np.asarray(found.recent[name])
    rank = float(reference.ranks(recent).mean())
    limit = found.tolerance + reference.error
    index, index_limit = psi(reference, recent), psi_limit(reference, recent.size)
    state = "as it was" if abs(rank - 0.5) <= limit else "higher than it was" if rank > 0.5 else "lower than it was"
    points = np.asarray(reference.points)
    low, high = float(min(points[0], recent.min())), float(max(points[-1], recent.max()))
    high = high if high > low else low + 1.0
    bins = 2 if name == "accepted" else _BINS
    now = np.histogram(recent, bins, (low, high))[0] / recent.size
    was = np.histogram(points, bins, (low, high))[0] / points.size
    most = float(max(now.max(), was.max()))
    step, base = (WIDTH - LEFT) / bins, HEIGHT - BOTTOM
    height = base - 12
    bars = "".join(
        f'<rect class="pass" x="{LEFT + at * step + 1:.1f}" y="{base - share / most * height:.1f}" '
        f'width="{step - 2:.1f}" height="{share / most * height:.1f}"/>'
        for at, share in enumerate(now)
        if share
    )
    line = "".join(
        f"{'M' if at == 0 else 'V'}{f'{LEFT:.1f} ' if at == 0 else ''}{base - share / most * height:.1f}"
        f"H{LEFT + (at + 1) * step:.1f}"
        for at, share in enumerate(was)
    )
    ends = ("not accepted", "accepted") if name == "accepted" else (f"{low:.3g}", f"{high:.3g}")
    title = STATISTICS[name]
    told = (
        f"An answer of the last {recent.size} is above a normal one in {100 * rank:.0f} of 100 cases (50 if nothing "
        f"changed; from {100 * (0.5 - limit):.0f} to {100 * (0.5 + limit):.0f} is taken for nothing). Stability index "
        f"{index:.2f}; without a change it is below {index_limit:.2f} in 99 of 100 cases if answers do not depend on "
        "each other."
    )
    return (
        f"<h3>{escape(title[0].upper() + title[1:])}: {state}</h3>"
        + frame(f'{bars}<path class="was" d="{line}"/>', f"{title}: {state}", *ends, _percent(most))
        + f"<p class='soft'>{told}</p>"
    )


def _method(found: Figures) -> str:
    return (
        "<p>What is normal is learned from the first answers here, or comes with the models. An alarm is raised when "
        "answers have been so different for so long that chance does that more seldom than the settings say "
        "(<code>monitor.false_alarms_per_year</code>, 1 where they say nothing). It is no proof that something "
        "is broken, and no alarm is no proof that nothing is: a slow change, or one of few answers, takes weeks to be "
        "told. What is heard that is not the word is not counted here, nor is a word that was not heard.</p>"
        f"<p class='soft'>{len(found.answers)} answers are told of; those of the same minute are watched as one.</p>"
    )
