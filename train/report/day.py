"""What a day with it is like: sentences for each place of the sliders, from real and from simulated figures apart."""

from collections.abc import Callable
from dataclasses import dataclass

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


def _saying(name: str, title: str, habit: Habit, rate: Rate, say: Callable[[str, str], str], basis: str) -> Saying:
    says = tuple(say(habit.shown(place), in_words(expected(place, rate))) for place in habit.places)
    return Saying(name, title, habit, says, basis)


def _refused(times: str, often: str) -> str:
    return f"If a person says a wake word and is heard {times}, the person is refused {often}."


def real_day(wake: Part | None, liveness: Part | None) -> list[Saying]:
    """Return what real recordings say of a day, as far as they were measured.

    Parameters
    ----------
    wake, liveness : Part or None
        ``wake_test.json`` and ``liveness_test.json``.

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
            _saying(
                "missed", "It does not hear the wake word", COMMANDS, heard.rest(),
                lambda times, often: f"If a wake word is said {times}, it is not heard {often}.",
                f"Not heard: {percent(heard.rest())} of {recall.count('clips')} recordings of "
                f"{recall.count('talkers')} people, each word with the same weight.",
            )
        )  # fmt: skip
    if liveness is not None and "wake_words" in liveness.part("raw"):
        words = liveness.part("raw", "wake_words")
        refused = words.share("refused", "interval_95")
        found.append(
            _saying(
                "refused", "It takes a person for a loudspeaker, or is not sure", COMMANDS, refused,
                _refused,
                f"Refused: {percent(refused)} of {words.count('clips')} recordings of wake words, which people made on "
                "their own devices. At a distance and in noise it is harder: see the simulated figures.",
            )
        )  # fmt: skip
    if heard is not None and refused is not None:
        found.append(
            _saying(
                "repeat", "People have to say it again, for either reason", COMMANDS, has_to_repeat(heard, refused),
                lambda times, often: f"If a wake word is said {times}, it has to be said again {often}.",
                f"Both of the above together: {percent(has_to_repeat(heard, refused))}, if one does not depend on the "
                "other. In brackets: both at their best, or at their worst.",
            )
        )  # fmt: skip
    if wake is not None:
        streams = wake.part("int8", "false_accepts_longform")
        if "per_hour" in streams:
            rate = Rate(streams.number("per_hour"), None, streams.number("upper_95_per_hour"))
            found.append(
                _saying(
                    "woken", "It wakes without having been called", HOURS, rate,
                    lambda times, often: f"With {times} of talk or television, it hears a wake word that nobody said "
                    f"{often}.",
                    f"{streams.count('count')} times in {streams.number('hours'):.1f} hours of speech and radio plays: "
                    f"{rate.value:.1f} an hour, at most {rate.high:.1f} (95 %). The gate then still judges the sound, "
                    "and refuses some of what comes from a loudspeaker; how many of these was not measured.",
                )
            )  # fmt: skip
    return found


def simulated_day(liveness: Part | None) -> list[Saying]:
    """Return what simulated homes say of a day; the parameter is as of :func:`real_day`."""
    if liveness is None:
        return []
    everything, clips = liveness.part("simulated", "all"), liveness.part("simulated", "clips")
    refused = everything.share("bpcer", "bpcer_interval_95")
    accepted = everything.share("apcer", "apcer_interval_95")
    found = [
        _saying(
            "simulated-refused", "It takes a person for a loudspeaker, or is not sure", COMMANDS, refused,
            _refused,
            f"Refused: {percent(refused)} of {clips.count('live')} simulated utterances, in rooms, at distances and in "
            "noise of many kinds.",
        ),
        _saying(
            "simulated-accepted", "It takes a loudspeaker for a person", PLAYED, accepted,
            lambda times, often: f"If a loudspeaker says a wake word {times}, it is obeyed {often}.",
            f"Accepted: {percent(accepted)} of {clips.count('replay')} simulated replays by "
            f"{clips.count('loudspeakers')} loudspeakers, a mix of phones, laptops, televisions and loudspeakers that "
            "stand alone.",
        ),
    ]  # fmt: skip
    by_kind = kinds(liveness)
    if by_kind:
        worst = by_kind[0]
        found.append(
            _saying(
                "simulated-worst", f"The same, from the worst kind of loudspeaker ({worst.name})", PLAYED, worst.wrong,
                lambda times, often: f"If a loudspeaker of this kind says a wake word {times}, it is obeyed {often}.",
                f"Accepted: {percent(worst.wrong)} of {worst.clips} simulated replays.",
            )
        )  # fmt: skip
    return found
