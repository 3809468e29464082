"""The sections that lay out evidence: where it is weakest, limits, curves, and whether figures can be believed.

What comes from files is escaped; simulated and real figures have tables of their own.
"""

from collections.abc import Sequence
from html import escape

from edge.judgement import EVIDENCE, LimitVerdict, by_evidence
from train.clip import Clip
from train.det_curve import det_curve
from train.report.day import percent
from train.report.drawing import det_chart
from train.report.markup import Section, bullets, cards, groups_table, made, missing
from train.report.results_folder import Part, Results
from train.report.scores import SCORES_FILE, ClipScores
from train.report.weakest import (
    FEWEST,
    kinds,
    loudspeakers,
    people,
    talkers_missed,
    talkers_refused,
    words,
)
from train.set_state import compares
from train.verdicts import count_verdicts

__all__ = ["believable", "curves", "limits", "weakest_real", "weakest_simulated"]

_WORST = 6
"""Talkers or loudspeakers that are named."""

_SITUATIONS = (
    (("slices", "near_and_quiet"), "near (at most 1.5 m) and quiet"),
    (("one_room",), "in one room, recorded nowhere else"),
    (("two_rooms_no_loudspeaker",), "heard through two rooms, no loudspeaker"),
    (("live_over_television",), "while a television plays"),
    (("slices", "live_over_television_at_5_db"), "while a television plays 5 dB below them"),
)
"""Where 'vivavoce train evaluate' writes each within ``simulated``, and what it is."""

_REPLAYED = (
    ("near_and_quiet", "near (at most 1.5 m) and quiet"),
    ("near_and_quiet_without_standalone", "the same, from phones, laptops and televisions"),
    ("near_and_quiet_standalone", "the same, from loudspeakers that stand alone"),
)
"""Slices of replays."""

_BASELINES = {
    "majority": "always the same answer: chance",
    "f70": "one number: below it lies 70 % of the power (f70)",
    "void": "97 numbers and a support vector machine (Void)",
    "lfcc-gmm": "cepstra and Gaussian mixtures (LFCC-GMM)",
}

_STATES = {"met": "\N{CHECK MARK} met", "missed": "\N{BALLOT X} missed", "not measured": "\N{EN DASH} not measured"}


def weakest_real(results: Results, clips: Sequence[Clip] | str) -> Section:
    """Say for which words and people it is weakest, on real recordings."""
    wake, liveness = results.of("wake_test.json"), results.of("liveness_test.json")
    body = ""
    if not isinstance(wake, str):
        found = words(wake)
        body += groups_table("Wake words, the least heard first", "word", "not heard", found)
        if isinstance(clips, str):
            why = clips or "give --data, the folder that was measured on, to see who is heard least."
            body += f'<p class="soft">Talkers: {escape(why)}</p>'
        else:
            talkers = talkers_missed(wake, clips)
            shown = min(_WORST, len(talkers))
            told = f"Talkers, the least heard: {shown} of {len(talkers)} with at least {FEWEST} recordings"
            body += groups_table(told, "talker", "not heard", talkers[:_WORST])
    if not isinstance(liveness, str):
        body += groups_table(
            "Groups of people, those first who are most often taken for a loudspeaker, or for unsure", "recordings",
            "refused", people(liveness),
        )  # fmt: skip
    note = (
        "Real recordings of people; no loudspeaker is among them. Where clips are few, the interval says more than the "
        "figure."
    )
    return made("weakest-real", "Weakest: words and people", note, body + missing(wake) + missing(liveness))


def weakest_simulated(results: Results, scores: ClipScores | None, *, stray: bool = False) -> Section:
    """Say with which loudspeakers and in which situations it is weakest, in simulated homes."""
    liveness = results.of("liveness_test.json")
    note = "All simulated: measured responses of loudspeakers, and modelled phones, laptops, televisions and rooms."
    title = "Weakest: loudspeakers and situations"
    if isinstance(liveness, str):
        return made("weakest-simulated", title, note, missing(liveness))
    body = groups_table(
        "Kinds of loudspeakers, the most often taken for a person first", "kind", "replays accepted", kinds(liveness)
    )
    simulated = liveness.part("simulated")
    rows = []
    for keys, told in _SITUATIONS:
        part = simulated.part(*keys)
        if part.count("live"):
            rows.append((told, percent(part.share("bpcer", "bpcer_interval_95")), f"{part.count('live'):,}"))
    body += cards("People, by situation", ("situation", "people refused (95 % interval)", "clips"), rows)
    rows = []
    for name, told in _REPLAYED:
        part = simulated.part("slices", name)
        if part.count("replay"):
            rows.append((told, percent(part.share("apcer", "apcer_interval_95")), f"{part.count('replay'):,}"))
    body += cards("Replays, near and quiet", ("situation", "replays accepted (95 % interval)", "clips"), rows)
    body += '<p class="soft">Where there is no interval, the results hold none.</p>'
    if scores is None:
        body += f'<p class="soft">{_no_scores(results, stray)}</p>'
    else:
        for told, what, wrong, found in (
            ("Talkers, the most often refused", "talker", "refused", talkers_refused(scores)),
            ("Single loudspeakers, the most often accepted", "loudspeaker", "accepted", loudspeakers(scores)),
        ):
            caption = f"{told}: {min(_WORST, len(found))} of {len(found)} with at least {FEWEST} clips"
            body += groups_table(caption, what, wrong, found[:_WORST])
        body += '<p class="soft">The worst of many look a little worse than they are: some had bad luck.</p>'
    return made("weakest-simulated", title, note, body)


def _no_scores(results: Results, stray: bool) -> str:
    name = f"{SCORES_FILE.format(split='test')} in {escape(str(results.folder))}"
    remedy = "<code>vivavoce train evaluate</code> leaves it beside its results."
    if stray:
        return f"{name} is of another measurement than liveness_test.json, and is not told. {remedy}"
    return f"There is no {name}, and so no score of single clips. {remedy}"


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
        body += cards(
            f"On {escape(EVIDENCE[evidence])}", ("what", "must be", "reached", "measured on", "verdict"), rows
        )
    note = (
        "Each limit and its reason are in the task (<code>vivavoce train frame</code>). Some were chosen when a first "
        "figure was known, and say so there."
    )
    return made("limits", "What it had to reach", note, body)


def curves(results: Results, scores: ClipScores | None, *, stray: bool = False) -> Section:
    """Draw what other cut-offs would give."""
    title = "Stricter or more lenient?"
    if scores is None:
        return made("curves", title, _no_scores(results, stray), "")
    names = {"network": "the network", "void": "Void's features", "f70": "f70, one number"}
    drawn = {
        names[name]: det_curve(values[scores.live], values[~scores.live]) for name, values in scores.scores.items()
    }
    note = (
        "Simulated. Who refuses fewer people accepts more replays: each line holds all that one method can choose from "
        "(a DET curve; further down and left is better). The other lines are simple methods, for comparison."
    )
    return made("curves", title, note, det_chart(drawn, works_at=(scores.bpcer, scores.apcer)))


def believable(results: Results) -> Section:
    """Say what was done so that the figures can be believed, and what that found."""
    protocol, liveness = results.of("protocol.json"), results.of("liveness_test.json")
    items = []
    if not isinstance(liveness, str):
        items.append("The people, loudspeakers and rooms of these figures took no part in training.")
        state = liveness.part("set").text("state") if "set" in liveness else ""
        items.append(
            "Simulated figures were measured on the set of clips that is fixed for all of them."
            if compares(state)
            else "<strong>Simulated figures were not measured on the set that is fixed for them</strong> "
            f"({escape(state or 'none is named')}): they compare with no others."
        )
    if results.openings is not None:
        items.append(
            f"The recordings that are kept for the end were opened {results.openings} times. Each look makes the next "
            "choice a little less blind."
        )
    body = ""
    if not isinstance(protocol, str):
        if about := results.elsewhere.get("protocol.json"):
            items.append(
                "The checks of the recordings and simulated replays, which follow, were made with another bundle "
                f"({escape(about)}). No bundle takes part in what is told of them"
                + ("." if _same_clips(protocol, liveness) else ", but they looked at other clips than these figures.")
            )
        items += _checks(protocol)
        body = _beside(protocol, liveness)
    note = "Figures of a laboratory are easily too good. These checks look for the usual reasons."
    return made("believe", "Can the figures be believed?", note, bullets(items) + body + missing(protocol))


def _checks(protocol: Part) -> list[str]:
    probes = protocol.part("probes")
    judged = [
        probes.part(group, name) for group in ("judged", "strata") if group in probes
        for name in probes.part(group).names()
    ]  # fmt: skip
    found = [probe.flag("at_chance") for probe in judged]
    bad, few = found.count(False), found.count(None)
    items = [
        "Simulated replays could differ from live speech by something that is no loudspeaker. Of "
        f"{len(found)} searches for such a thing {bad or 'none'} found one"
        + (f"; {few} had too few clips to tell." if few else ".")
    ]
    alike = probes.flag("alike")
    told = {
        True: "Silence, level and length are alike in live and replayed clips.",
        False: "<strong>Silence, level or length differ more</strong> between live and replayed clips than was "
        f"allowed{_by_how_much(probes)}: a part of what it does well may be that.",
        None: "Whether silence, level and length are alike in both was not judged: there are too few clips.",
    }
    return [*items, told[alike]]


def _same_clips(protocol: Part, liveness: Part | str) -> bool:
    """Tell whether both were measured on the same set of clips."""
    if isinstance(liveness, str) or not all("set" in part for part in (protocol, liveness)):
        return False
    return protocol.part("set").text("sha256") == liveness.part("set").text("sha256")


def _by_how_much(probes: Part) -> str:
    """Tell which distances are too large, and what was allowed; nothing where the results do not hold them."""
    if "distances" not in probes:
        return ""
    most, distances = probes.part("limits").number("most_distance", 1.0), probes.part("distances")
    far = [
        f"{escape(name)} ({escape(measure)}) {value:.4f}"
        for name in distances.names()
        for measure in distances.part(name).names()
        if (value := distances.part(name).number(measure, 1.0)) > most
    ]
    return f" (distance at most {most:g}; {', '.join(far)})"


def _beside(protocol: Part, liveness: Part | str) -> str:
    """Compare with simple methods, if both were measured on the same clips."""
    if isinstance(liveness, str) or not _same_clips(protocol, liveness):
        return ""
    ours = liveness.part("simulated", "all")
    rows = [("<strong>this device</strong>", ours.share("eer", "interval_95"))]
    baselines = protocol.part("ladder", "all unseen", "baselines")
    rows += [
        (_BASELINES.get(name, escape(name)), baselines.part(name).share("eer", "eer_interval_95"))
        for name in baselines.names()
    ]
    return cards(
        "Simulated, the same clips: the error rate when as many people are refused as replays accepted",
        ("method", "equal error rate (95 % interval)"),
        [(name, percent(rate)) for name, rate in rows],
    )
