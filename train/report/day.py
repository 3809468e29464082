"""What a day with it is like: sentences for each place of the sliders, from real and from simulated figures apart."""

from dataclasses import dataclass

from train.longform_corpora import spoken
from train.report.home import COMMANDS, HOURS, PLAYED, Habit, expected, has_to_repeat, in_words
from train.report.results_folder import Part, Rate
from train.report.weakest import kinds

__all__ = ["Saying", "percent", "real_day", "simulated_day"]


@dataclass(frozen=True, slots=True)
class Saying:
    """One kind of error in a day.

    Attributes
    ----------
    name : str
        Identifies it in the page.
    title : str
    habit : Habit
        What it depends on.
    says : tuple of str
        A sentence for each place of the habit's slider.
    basis : str
        What was measured, in one or two sentences.
    """

    name: str
    title: str
    habit: Habit
    says: tuple[str, ...]
    basis: str

    @property
    def assumed(self) -> str:
        """The sentence for what is assumed at first."""
        return self.says[self.habit.places.index(self.habit.assumed)]


def percent(rate: Rate) -> str:
    """Return e.g. ``15.2 % (10.2 to 23.8 %)``."""
    text = f"{100 * rate.value:.1f} %"
    if rate.low is not None and rate.high is not None:
        text += f" ({100 * rate.low:.1f} to {100 * rate.high:.1f} %)"
    return text


_HEARD = "that it hears people say"
"""Which wake words the gate judges."""


def _of_words(name: str, title: str, habit: Habit, rate: Rate, words: str, done: str, basis: str) -> Saying:
    """Tell how many of some wake words meet an error."""
    says = tuple(
        f"Of wake words {words} {habit.shown(place)}, {in_words(expected(place, rate), done)}."
        for place in habit.places
    )  # fmt: skip
    return Saying(name, title, habit, says, basis)


def real_day(wake: Part | None, liveness: Part | None, corpora: Part | None = None) -> list[Saying]:
    """Return what real recordings say of a day, as far as they were measured.

    Parameters
    ----------
    wake, liveness : Part or None
        ``wake_test.json`` and ``liveness_test.json``.
    corpora : Part, optional
        ``longform_corpora_test.json``, where ``wake_test.json`` may not tell corpora apart itself.

    Raises
    ------
    DataError
        If an entry is missing or wrong.
    """
    found = []
    heard = refused = None
    if wake is not None:
        recall = wake.part("int8", "mean_recall")
        heard = recall.share("rate", "interval_95")
        found.append(
            _of_words(
                "missed", "It does not hear the wake word", COMMANDS, heard.rest(), "that are said", "missed",
                f"Not heard: {percent(heard.rest())} of {recall.count('clips')} recordings of "
                f"{recall.count('talkers')} people, each word with the same weight.",
            )
        )  # fmt: skip
    if liveness is not None and "wake_words" in liveness.part("raw"):
        words = liveness.part("raw", "wake_words")
        refused = words.share("refused", "interval_95")
        found.append(
            _of_words(
                "refused", "It takes a person for a loudspeaker, or is not sure", COMMANDS, refused, _HEARD, "refused",
                f"Refused: {percent(refused)} of {words.count('clips')} recordings of wake words, which people made on "
                "their own devices. At a distance and in noise it is harder: see the simulated figures.",
            )
        )  # fmt: skip
    if heard is not None and refused is not None:
        found.append(
            _of_words(
                "repeat", "People have to say it again, for either reason", COMMANDS, has_to_repeat(heard, refused),
                "that are said", "missed or refused, and must be said again",
                f"Both of the above together: {percent(has_to_repeat(heard, refused))}, if one does not depend on the "
                "other. In brackets: both at their best, or at their worst.",
            )
        )  # fmt: skip
    if wake is not None:
        streams = wake.part("int8", "false_accepts_longform")
        if "per_hour" in streams:
            found.append(_woken(streams, _by_corpus(wake, streams, corpora)))
    return found


def _by_corpus(wake: Part, streams: Part, corpora: Part | None) -> dict[str, Part]:
    """Return false accepts by corpus, the most an hour first; nothing where no results tell them."""
    told = None
    if "by_corpus" in streams:
        told = streams.part("by_corpus")
    elif corpora is not None and corpora.text("data_hash") == wake.text("data_hash"):
        told = corpora.part("by_corpus")
    found = {} if told is None else {name: told.part(name) for name in told.names()}
    return dict(sorted(found.items(), key=lambda entry: -entry[1].number("per_hour")))


def _an_hour(found: Part) -> Rate:
    return Rate(found.number("per_hour"), None, found.number("upper_95_per_hour"))


def _woken(streams: Part, by_corpus: dict[str, Part]) -> Saying:
    """Tell how much else is taken for a wake word: on average, and as in the corpus with the most."""

    def basis(found: Part, what: str, digits: int) -> str:
        rate, count = _an_hour(found), found.count("count")
        return (
            f"{'once' if count == 1 else f'{count} times'} in {found.number('hours'):.{digits}f} hours of {what}: "
            f"{rate.value:.1f} an hour, at most {rate.high:.1f}"
        )

    rate, worst = _an_hour(streams), next(iter(by_corpus.items()), None)
    if len(by_corpus) < 2 or worst is None or not _an_hour(worst[1]).value:
        worst = None  # it would say the same again

    def say(place: float) -> str:
        told = (
            f"Of other words that are said in {HOURS.shown(place)} of talk or television, "
            + in_words(expected(place, rate), "taken for a wake word")
        )  # fmt: skip
        if worst is not None:
            told += (
                f"; if all of it is like {spoken(worst[0])}, which has the most of them, "
                + in_words(expected(place, _an_hour(worst[1])), "taken for one")
            )  # fmt: skip
        return f"{told}."

    apart = (
        f"By corpus: {'; '.join(basis(one, spoken(name), 2) for name, one in by_corpus.items())}."
        if by_corpus
        else "The results do not tell one kind of speech from another; their rates may differ much."
    )
    return Saying(
        "woken", "It wakes without having been called", HOURS, tuple(say(place) for place in HOURS.places),
        f"{basis(streams, 'speech and radio plays', 1)} (95 %). {apart} The gate then still judges the sound, and "
        "refuses some of what comes from a loudspeaker; how many of these was not measured.",
    )  # fmt: skip


def simulated_day(liveness: Part | None) -> list[Saying]:
    """Return what simulated homes say of a day; the parameter is as of :func:`real_day`."""
    if liveness is None:
        return []
    everything, clips = liveness.part("simulated", "all"), liveness.part("simulated", "clips")
    refused = everything.share("bpcer", "bpcer_interval_95")
    accepted = everything.share("apcer", "apcer_interval_95")
    found = [
        _of_words(
            "simulated-refused", "It takes a person for a loudspeaker, or is not sure", COMMANDS, refused, _HEARD,
            "refused",
            f"Refused: {percent(refused)} of {clips.count('live')} simulated utterances, in rooms, at distances and in "
            "noise of many kinds.",
        ),
        _of_words(
            "simulated-accepted", "It takes a loudspeaker for a person", PLAYED, accepted,
            "that a loudspeaker says", "obeyed",
            f"Accepted: {percent(accepted)} of {clips.count('replay')} simulated replays by "
            f"{clips.count('loudspeakers')} loudspeakers, a mix of phones, laptops, televisions and loudspeakers that "
            "stand alone.",
        ),
    ]  # fmt: skip
    by_kind = kinds(liveness)
    if by_kind:
        worst = by_kind[0]
        found.append(
            _of_words(
                "simulated-worst", f"The same, from the worst kind of loudspeaker ({worst.name})", PLAYED, worst.wrong,
                "that a loudspeaker of this kind says", "obeyed",
                f"Accepted: {percent(worst.wrong)} of {worst.clips} simulated replays.",
            )
        )  # fmt: skip
    return found
