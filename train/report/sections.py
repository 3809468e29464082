"""The sections in words: what it does, what a day is like, what it cannot do. What comes from files is escaped."""

from collections.abc import Sequence
from html import escape

from edge.bundle import Bundle
from edge.bundle_identity import bundle_hash
from edge.judgement import LimitVerdict
from train.report.day import Saying
from train.report.examples import SPLIT, Example
from train.report.home import COMMANDS, HOURS, PLAYED
from train.report.markup import Section, bullets, cards, made, missing
from train.report.results_folder import Results
from train.verdicts import count_verdicts

__all__ = ["abilities", "day", "heard_examples", "in_short", "inability", "origins", "terms"]


def in_short(
    bundle: Bundle, verdicts: Sequence[LimitVerdict], real: Sequence[Saying], simulated: Sequence[Saying]
) -> Section:
    """Tell the verdict, and the errors of a day that is assumed."""
    asked = {
        "missed": "On real recordings", "woken": "On real recordings", "simulated-refused": "In simulated homes",
        "simulated-accepted": "In simulated homes",
    }  # fmt: skip
    items = [
        f"{asked[saying.name]}: {escape(saying.assumed[0].lower() + saying.assumed[1:])}"
        for saying in (*real, *simulated)
        if saying.name in asked
    ]
    missed = [verdict.title for verdict in verdicts if verdict.met is False]
    told = f"<strong>{escape(count_verdicts(verdicts))}.</strong>"
    if missed:
        # A home reads this first: nineteen names in a row would hide the line below them.
        told += f" <details><summary>What it missed</summary>{bullets([escape(title) for title in missed])}</details>"
    items += [
        told,
        "<strong>No real loudspeaker was ever tried:</strong> everything that is said here of loudspeakers was "
        "simulated.",
        "Do not let it alone guard a door, a payment or anything else of value.",
    ]
    listened = ", ".join(escape(word.phrase) for word in bundle.words)
    note = f"It listens for: {listened}. It is meant to react to people, and not to loudspeakers."
    return made("in-short", "In short", note, bullets(items))


def abilities(bundle: Bundle, results: Results) -> Section:
    """Say what it does, and what that costs."""
    cost = results.of("runtime.json")
    told = (
        "<p>A small program on the device listens for a few wake words. When it hears one, it looks back at the "
        "second of sound that held the word, and judges whether a person in the room spoke it or a loudspeaker played "
        "it. It answers <em>accept</em> (a person), <em>reject</em> (a loudspeaker) or <em>unsure</em>; on this page "
        "a person who is not accepted counts as <em>refused</em>. While it listens, no sound leaves the "
        "device or is kept.</p>"
    )
    if not isinstance(cost, str):
        ours = cost.part("results", "vivavoce")
        share, memory = (ours.part(name).number("median") for name in ("real_time_factor", "peak_rss_mb"))
        machine = escape(cost.part("machine").text("processor"))
        told += (
            f"<p>It takes {100 * share:.1f} % of one core of a computer ({machine}) and {memory:.0f} MB of memory.</p>"
        )
    return made(
        "what",
        "What it does",
        f"{len(bundle.words)} wake words, and a judgement of each that is heard.",
        told + missing(cost),
    )


def day(results: Results, real: Sequence[Saying], simulated: Sequence[Saying]) -> Section:
    """Say how often it is wrong in a day."""
    used = {saying.habit.name for saying in (*real, *simulated)}
    sliders = "".join(
        f'<div><label for="set-{habit.name}">{escape(habit.label)}: </label>'
        f'<output id="shown-{habit.name}" for="set-{habit.name}">{escape(habit.shown(habit.assumed))}</output>'
        f'<input type="range" id="set-{habit.name}" min="0" max="{len(habit.places) - 1}" step="1" '
        f'value="{habit.places.index(habit.assumed)}" aria-valuetext="{escape(habit.shown(habit.assumed))}" hidden>'
        "</div>"
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
        "".join(missing(results.of(name)) for name in ("wake_test.json", "liveness_test.json"))
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
    return made("day", "A day in your home", note, body)


def inability() -> Section:
    """Say what it cannot do, and what nobody tried."""
    body = (
        "<h3>It does not stop</h3>"
        + bullets(
            [
                "<strong>an attacker who knows how it works</strong> and prepares sound or loudspeaker for it",
                "<strong>a very good loudspeaker</strong> close to the device, or one that is built like a mouth",
                "<strong>a synthetic or cloned voice as such</strong>: it asks whether the word was played, and not "
                "whose voice it is",
                "sound that does not come through the air (a cable, a laser on the microphone, ultrasound)",
                "<strong>any person in the room</strong>: it does not know its owner",
                "<strong>what follows the wake word</strong>: a television may say the rest of the command",
            ]
        )
        + "<h3>Nobody tried</h3>"
        + bullets(
            [
                "<strong>real loudspeakers</strong> in real homes: all replays are simulated. Systems that learned "
                "from simulated replays alone did much worse on real ones (ASVspoof 2021)",
                "<strong>children</strong>, most accents, whispered or shouted speech, people with a voice disorder; "
                "speech aids are loudspeakers, and will be refused",
                "languages other than English, for wake words and for the people who say them; long speech that must "
                "not wake it was in English and Dutch where it was measured, and in English, German and Czech where "
                "it learned and was set",
                "devices with other microphones, echo cancellation or noise suppression",
            ]
        )
        + "<p>Whom it refuses more often, it treats worse. Measure it on your own users before you rely on it.</p>"
    )
    return made("cannot", "What it cannot do", "Reasons not to use it, or not for that.", body)


def heard_examples(examples: Sequence[Example] | None) -> Section:
    """Let errors be heard."""
    title = "Errors to listen to"
    if examples is None:
        note = (
            "None in this page. <code>vivavoce train report --data DATA</code> renders a few; such a page holds "
            "recordings of people and must not be passed on."
        )
        return made("examples", title, note, "")
    items = "".join(
        f"<li><strong>{'A person, refused' if one.live else 'A loudspeaker, accepted'}</strong><br>"
        f"Answer: {one.decision}; probability of a person {100 * one.probability:.0f} %; {escape(one.conditions)}.<br>"
        f'<span class="soft">From {escape(one.source)}; licence {escape(one.licence)}</span>'
        f'<audio controls preload="none" src="{one.address}" aria-label="Example {number}"></audio></li>'
        for number, one in enumerate(examples, 1)
    )
    note = (
        f"Simulated clips of {SPLIT}, not of those that figures are measured on: who has heard those would choose by "
        "them. What the device looked back on, the plainest errors first."
    )
    return made(
        "examples", title, note, f'<ol class="examples">{items}</ol>' if examples else "<p>No error among them.</p>"
    )


def origins(bundle: Bundle, results: Results) -> Section:
    """Name the files that the page was made from."""
    rows = []
    for name, part in results.parts.items():
        if not isinstance(part, str):
            about = f" (of the bundle {results.elsewhere[name]})" if name in results.elsewhere else ""
            rows.append((escape(name + about), *(escape(part.text(key)) for key in ("date", "commit", "made_by"))))
    body = cards("Results files", ("file", "date", "commit", "made by"), rows) if rows else ""
    note = f"Bundle {escape(bundle.bundle_version)}, <code>{bundle_hash(bundle.path)}</code>."
    return made("origins", "Where this comes from", note, body)


def terms() -> Section:
    """Say what the words of the tables mean."""
    told = {
        "clip": "one short recording; a rendering is a clip that was simulated",
        "live": "spoken by a person in the room",
        "replay": "played by a loudspeaker, whatever it plays",
        "refused": "not accepted: called a replay, or unsure",
        "false accept": "a wake word is heard where nobody said one",
        "interval": "where the true figure lies with 95 % certainty; a wide one says that little was measured",
        "equal error rate": "the share of errors if the device were set so that as many people are refused as replays "
        "are accepted: a measure of how well the two are told apart",
        "f70, Void, LFCC-GMM": "simpler methods, for comparison",
    }
    items = "".join(f"<dt>{escape(word)}</dt><dd>{escape(text)}</dd>" for word, text in told.items())
    return made(
        "terms", "Words on this page", "In the order in which they are needed.", f'<dl class="facts">{items}</dl>'
    )
