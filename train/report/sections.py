"""The sections of the report. What comes from files is escaped; simulated and real figures have tables of their own."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from edge.bundle import Bundle, bundle_hash
from edge.judgement import EVIDENCE, LimitVerdict, by_evidence
from train.clip import Clip
from train.det_curve import det_curve
from train.exploration.parts import section, table
from train.report.day import Saying, percent
from train.report.drawing import det_chart
from train.report.examples import SPLIT, Example
from train.report.home import COMMANDS, HOURS, PLAYED
from train.report.results_folder import Part, Results
from train.report.scores import SCORES_FILE, ClipScores
from train.report.weakest import (
    FEWEST,
    Group,
    kinds,
    loudspeakers,
    people,
    talkers_missed,
    talkers_refused,
    words,
)
from train.verdicts import count_verdicts

__all__ = [
    "Section",
    "abilities",
    "believable",
    "curves",
    "day",
    "heard_examples",
    "in_short",
    "inability",
    "limits",
    "origins",
    "weakest_real",
    "weakest_simulated",
]

_WORST = 6
"""Talkers or loudspeakers that are named."""

_SITUATIONS = (
    ("near_and_quiet", "near (at most 1.5 m) and quiet"),
    ("one_room", "in one room, recorded nowhere else"),
    ("two_rooms_no_loudspeaker", "heard through two rooms, no loudspeaker"),
    ("live_over_television", "while a television plays"),
)


class Section(NamedTuple):
    """One section."""

    name: str
    """Identifies it in the page."""
    title: str
    """Its heading, which leads to it, too."""
    html: str
    """All of it."""


def _made(name: str, title: str, note: str, body: str) -> Section:
    return Section(name, title, section(name, title, note, body))


def _missing(part: Part | str) -> str:
    return f'<p class="warn">{escape(part)}</p>' if isinstance(part, str) else ""


def _list(items: Sequence[str]) -> str:
    return f'<ul class="plain">{"".join(f"<li>{item}</li>" for item in items)}</ul>'


def _cards(caption: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose rows are cards on a phone; the first cell of a row heads it. All is HTML, escaped."""
    head = "<tr>" + "".join(f'<th scope="col">{name}</th>' for name in names) + "</tr>"
    lines = [
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(f'<td data-of="{name}">{cell}</td>' for name, cell in zip(names[1:], row[1:], strict=True))
        + "</tr>"
        for row in rows
    ]
    made = table(head, lines).replace("<table>", f'<table class="cards"><caption>{caption}</caption>', 1)
    return made.replace('<div class="scroll">', '<div class="scroll" tabindex="0" role="group">', 1)


def _groups(caption: str, what: str, wrong: str, groups: Sequence[Group]) -> str:
    rows = [(escape(group.name), percent(group.wrong), f"{group.clips:,}") for group in groups]
    return _cards(caption, (what, f"{wrong} (95 % interval)", "clips"), rows)


def in_short(
    bundle: Bundle, verdicts: Sequence[LimitVerdict], real: Sequence[Saying], simulated: Sequence[Saying]
) -> Section:
    """Tell the verdict, and the errors of a day that is assumed."""
    asked = {
        "missed": "On real recordings", "woken": "On real recordings", "simulated-refused": "In simulated homes",
        "simulated-accepted": "In simulated homes",
    }  # fmt: skip
    items = [
        f"{asked[saying.name]}: {escape(saying.assumed)}" for saying in (*real, *simulated) if saying.name in asked
    ]
    missed = [verdict.title for verdict in verdicts if verdict.met is False]
    told = f"<strong>{escape(count_verdicts(verdicts))}.</strong>"
    if missed:
        told += f" Missed: {escape('; '.join(missed))}."
    items += [
        told,
        "<strong>No real loudspeaker was ever tried:</strong> everything that is said here of loudspeakers was "
        "simulated.",
        "Do not let it alone guard a door, a payment or anything else of value.",
    ]
    listened = ", ".join(escape(word.phrase) for word in bundle.words)
    note = f"It listens for: {listened}. It is meant to react to people, and not to loudspeakers."
    return _made("in-short", "In short", note, _list(items))


def abilities(bundle: Bundle, results: Results) -> Section:
    """Say what it does, and what that costs."""
    cost = results.of("runtime.json")
    told = (
        "<p>A small program on the device listens for a few wake words. When it hears one, it looks back at the "
        "second of sound that held the word, and judges whether a person in the room spoke it or a loudspeaker played "
        "it. It answers <em>accept</em> (a person), <em>reject</em> (a loudspeaker) or <em>unsure</em>; on this page "
        "a person who is not accepted counts as <em>refused</em>. No sound leaves the device or is kept.</p>"
    )
    if not isinstance(cost, str):
        ours = cost.part("results", "vivavoce")
        share, memory = (ours.part(name).number("median") for name in ("real_time_factor", "peak_rss_mb"))
        machine = escape(cost.part("machine").text("processor"))
        told += (
            f"<p>It takes {100 * share:.1f} % of one core of a computer ({machine}) and {memory:.0f} MB of memory.</p>"
        )
    return _made("what", "What it does", f"{len(bundle.words)} words.", told + _missing(cost))


def day(results: Results, real: Sequence[Saying], simulated: Sequence[Saying]) -> Section:
    """Say how often it is wrong in a day."""
    used = {saying.habit.name for saying in (*real, *simulated)}
    sliders = "".join(
        f'<div><label for="set-{habit.name}">{escape(habit.label)}: </label>'
        f'<output id="shown-{habit.name}" for="set-{habit.name}">{escape(habit.shown(habit.assumed))}</output>'
        f'<input type="range" id="set-{habit.name}" min="0" max="{len(habit.places) - 1}" step="1" '
        f'value="{habit.places.index(habit.assumed)}" aria-valuetext="{escape(habit.shown(habit.assumed))}" hidden></div>'
        for habit in (COMMANDS, HOURS, PLAYED)
        if habit.name in used
    )

    def block(name: str, title: str, sayings: Sequence[Saying]) -> str:
        if not sayings:
            return ""
        told = "".join(
            f'<h4>{escape(saying.title)}</h4><p class="say" id="say-{saying.name}">{escape(saying.assumed)}</p>'
            f'<p class="basis">{escape(saying.basis)}</p>'
            for saying in sayings
        )
        return f'<div class="day {name}"><h3>{title}</h3>{told}</div>'

    body = (
        "".join(_missing(results.of(name)) for name in ("wake_test.json", "liveness_test.json"))
        + f'<div class="sliders">{sliders}</div><div aria-live="polite">'
        + block("real", "Measured on real recordings of people", real)
        + block("simulated", "Measured in simulated homes", simulated)
        + "</div>"
    )
    note = (
        "How often depends on the home: set what is true of yours. Numbers are averages over many days; single days "
        "differ. In brackets: where the true average lies with 95 % certainty, for people, rooms and loudspeakers like "
        "those that were tried. Real and simulated figures are not multiplied with each other."
    )
    return _made("day", "A day in your home", note, body)


def weakest_real(results: Results, clips: Sequence[Clip] | None) -> Section:
    """Say for which words and people it is weakest, on real recordings."""
    wake, liveness = results.of("wake_test.json"), results.of("liveness_test.json")
    body = ""
    if not isinstance(wake, str):
        found = words(wake)
        body += _groups("Wake words, the least heard first", "word", "not heard", found)
        if clips is None:
            body += (
                '<p class="soft">Talkers: give <code>--data</code>, the folder that was measured on, to see who is heard '
                "least.</p>"
            )
        else:
            talkers = talkers_missed(wake, clips)
            told = f"Talkers with at least {FEWEST} recordings, the {min(_WORST, len(talkers))} least heard of {len(talkers)}"
            body += _groups(told, "talker", "not heard", talkers[:_WORST])
    if not isinstance(liveness, str):
        body += _groups(
            "Groups of people, those first who are most often taken for a loudspeaker, or for unsure", "recordings",
            "refused", people(liveness),
        )  # fmt: skip
    note = (
        "Real recordings of people; no loudspeaker is among them. Where clips are few, the interval says more than the "
        "figure."
    )
    return _made("weakest-real", "Weakest: words and people", note, body + _missing(wake) + _missing(liveness))


def weakest_simulated(results: Results, scores: ClipScores | None) -> Section:
    """Say with which loudspeakers and in which situations it is weakest, in simulated homes."""
    liveness = results.of("liveness_test.json")
    note = "All simulated: measured responses of loudspeakers, and modelled phones, laptops, televisions and rooms."
    title = "Weakest: loudspeakers and situations"
    if isinstance(liveness, str):
        return _made("weakest-simulated", title, note, _missing(liveness))
    body = _groups(
        "Kinds of loudspeakers, the most often taken for a person first", "kind", "replays accepted", kinds(liveness)
    )
    simulated = liveness.part("simulated")
    rows = []
    for name, told in _SITUATIONS:
        if name in simulated and simulated.part(name).count("live"):
            part = simulated.part(name)
            rows.append((told, percent(part.share("bpcer", "bpcer_interval_95")), f"{part.count('live'):,}"))
    body += _cards("People, by situation", ("situation", "people refused (95 % interval)", "clips"), rows)
    body += '<p class="soft">Where there is no interval, the results hold none.</p>'
    if scores is None:
        body += f'<p class="soft">{_no_scores(results)}</p>'
    else:
        for told, what, wrong, found in (
            ("Talkers, the most often refused", "talker", "refused", talkers_refused(scores)),
            ("Single loudspeakers, the most often accepted", "loudspeaker", "accepted", loudspeakers(scores)),
        ):
            caption = f"{told}: {min(_WORST, len(found))} of {len(found)} with at least {FEWEST} clips"
            body += _groups(caption, what, wrong, found[:_WORST])
    return _made("weakest-simulated", title, note, body)


def _no_scores(results: Results) -> str:
    name = SCORES_FILE.format(split="test")
    return (
        f"There is no {name} in {escape(str(results.folder))}, and so no score of single clips. "
        "<code>vivavoce train evaluate</code> leaves it beside its results."
    )


def inability() -> Section:
    """Say what it cannot do, and what nobody tried."""
    body = (
        "<h3>It does not stop</h3>"
        + _list(
            [
                "<strong>an attacker who knows how it works</strong> and prepares the sound, or the loudspeaker, for it",
                "<strong>a very good loudspeaker</strong> close to the device, or one that is built like a mouth",
                "<strong>a synthetic or cloned voice as such</strong>: it asks whether the word was played, and not whose "
                "voice it is",
                "sound that does not come through the air (a cable, a laser on the microphone, ultrasound)",
                "<strong>any person in the room</strong>: it does not know its owner",
                "<strong>what follows the wake word</strong>: only the word is judged, and a television may say the rest",
            ]
        )
        + "<h3>Nobody tried</h3>"
        + _list(
            [
                "<strong>real loudspeakers</strong> in real homes: all replays are simulated. Systems that learned from "
                "simulated replays alone did much worse on real ones (ASVspoof 2021)",
                "<strong>children</strong>, most accents, whispered or shouted speech, people with a voice disorder; "
                "speech aids are loudspeakers, and will be refused",
                "languages other than English",
                "devices with other microphones, echo cancellation or noise suppression",
            ]
        )
        + "<p>Whom it refuses more often, it treats worse. Measure it on your own users before you rely on it.</p>"
    )
    return _made("cannot", "What it cannot do", "Reasons not to use it, or not for that.", body)


_STATES = {"met": "\N{CHECK MARK} met", "missed": "\N{BALLOT X} missed", "not measured": "\N{EN DASH} not measured"}


def limits(verdicts: Sequence[LimitVerdict]) -> Section:
    """Tell each limit and how it stands."""
    body = f"<p><strong>{escape(count_verdicts(verdicts))}.</strong></p>"
    for evidence, found in by_evidence(verdicts).items():
        rows = []
        for verdict in found:
            state = f'<span class="{verdict.state.replace(" ", "-")}">{_STATES[verdict.state]}</span>'
            if verdict.certain is False:
                state += "; may be otherwise: the limit lies within the interval"
            reached = verdict.shown_value() if verdict.measured is not None else verdict.reason
            rows.append((escape(verdict.title), escape(verdict.shown_limit()), escape(reached),
                         escape(verdict.shown_n()) or "-", state))  # fmt: skip
        body += _cards(
            f"On {escape(EVIDENCE[evidence])}", ("what", "must be", "reached", "measured on", "verdict"), rows
        )
    note = "What it had to reach was written down before; <code>vivavoce train frame</code> gives the reason of each limit."
    return _made("limits", "What it had to reach", note, body)


def curves(results: Results, scores: ClipScores | None) -> Section:
    """Draw what other cut-offs would give."""
    title = "Stricter or more lenient?"
    if scores is None:
        return _made("curves", title, _no_scores(results), "")
    names = {"network": "the network", "void": "Void's features", "f70": "f70, one number"}
    drawn = {
        names[name]: det_curve(values[scores.live], values[~scores.live]) for name, values in scores.scores.items()
    }
    note = (
        "Simulated. Who refuses fewer people accepts more replays: each line holds all that one method can choose from "
        "(a DET curve; further down and left is better). The other lines are simple methods, for comparison."
    )
    return _made("curves", title, note, det_chart(drawn, works_at=(scores.bpcer, scores.apcer)))


def believable(results: Results) -> Section:
    """Say what was done so that the figures can be believed, and what that found."""
    protocol, liveness = results.of("protocol.json"), results.of("liveness_test.json")
    items = []
    if not isinstance(liveness, str):
        state = liveness.part("set").text("state") if "set" in liveness else "not named"
        items.append(
            "The people, loudspeakers and rooms of these figures took no part in training. The simulated clips are a "
            f"fixed set: {escape(state)}."
        )
    if results.openings is not None:
        items.append(
            f"The recordings that are kept for the end were opened {results.openings} times. Each look makes the next "
            "choice a little less blind."
        )
    body = ""
    if not isinstance(protocol, str):
        items += _checks(protocol)
        body = _beside(protocol, liveness)
    note = "Figures of a laboratory are easily too good. These checks look for the usual reasons."
    return _made("believe", "Can the figures be believed?", note, _list(items) + body + _missing(protocol))


def _checks(protocol: Part) -> list[str]:
    probes = protocol.part("probes")
    judged = [
        probes.part(group, name) for group in ("judged", "strata") if group in probes
        for name in probes.part(group).names()
    ]  # fmt: skip
    found = [probe.flag("at_chance") for probe in judged]
    few = f", {found.count(None)} had too few clips" if found.count(None) else ""
    items = [
        f"Simulated replays could differ from live speech by something that is no loudspeaker. Of {len(found)} searches "
        f"for such a thing {found.count(True)} found none, {found.count(False)} found one{few}."
    ]
    alike = probes.flag("alike")
    told = {
        True: "Silence, level and length are alike in live and replayed clips.",
        False: "<strong>Silence, level or length differ more</strong> between live and replayed clips than they should.",
        None: "Whether silence, level and length are alike in both was not judged: there are too few clips.",
    }
    return [*items, told[alike]]


def _beside(protocol: Part, liveness: Part | str) -> str:
    """Compare with simple methods, if both were measured on the same clips."""
    if isinstance(liveness, str) or not all("set" in part for part in (protocol, liveness)):
        return ""
    if protocol.part("set").text("sha256") != liveness.part("set").text("sha256"):
        return ""
    ours = liveness.part("simulated", "all")
    rows = [("<strong>this</strong>", ours.share("eer", "interval_95"))]
    baselines = protocol.part("ladder", "all unseen", "baselines")
    rows += [(escape(name), baselines.part(name).share("eer", "eer_interval_95")) for name in baselines.names()]
    return _cards(
        "Simulated, the same clips: the error rate when as many people are refused as replays accepted",
        ("method", "equal error rate (95 % interval)"),
        [(name, percent(rate)) for name, rate in rows],
    )


def heard_examples(examples: Sequence[Example] | None) -> Section:
    """Let errors be heard."""
    title = "Errors to listen to"
    if examples is None:
        note = (
            "None in this page. <code>vivavoce train report --data DATA</code> renders a few; such a page holds recordings "
            "of people and must not be passed on."
        )
        return _made("examples", title, note, "")
    items = "".join(
        f"<li><strong>{'A person, refused' if one.live else 'A loudspeaker, accepted'}</strong><br>"
        f"Answer: {one.decision}; a person by {100 * one.probability:.0f} %. {escape(one.conditions)}.<br>"
        f'<span class="soft">From {escape(one.source)}; licence {escape(one.licence)}</span>'
        f'<audio controls preload="none" src="{one.address}" aria-label="Example {number}"></audio></li>'
        for number, one in enumerate(examples, 1)
    )
    note = (
        f"Simulated clips of {SPLIT}, not of those that figures are measured on: who has heard those would choose by "
        "them. What the device looked back on, the plainest errors first."
    )
    return _made(
        "examples", title, note, f'<ol class="examples">{items}</ol>' if examples else "<p>No error among them.</p>"
    )


def origins(bundle: Bundle, results: Results) -> Section:
    """Name the files that the page was made from."""
    rows = []
    for name, part in results.parts.items():
        if not isinstance(part, str):
            rows.append((escape(name), *(escape(part.text(key)) for key in ("date", "commit", "made_by"))))
    body = _cards("Results files", ("file", "date", "commit", "made by"), rows) if rows else ""
    note = f"Bundle {escape(bundle.bundle_version)}, <code>{bundle_hash(bundle.path)}</code>."
    return _made("origins", "Where this comes from", note, body)
