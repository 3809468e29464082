"""Error rates as people meet them: how many in a day, in sentences, for the habits of a household.

The arithmetic is :func:`expected`. A page holds what it gives for each place of a slider, made here, and computes
nothing itself. Rates of simulated and of real recordings are never multiplied with each other.
"""

from dataclasses import dataclass

from train.report.results_folder import Rate

__all__ = ["COMMANDS", "HOURS", "PLAYED", "Expected", "Habit", "expected", "has_to_repeat", "how_many", "in_words"]


@dataclass(frozen=True, slots=True)
class Habit:
    """Something that happens in a household, and a slider for it.

    Attributes
    ----------
    name : str
        Identifies it in the page.
    label : str
        What the slider is called.
    unit : str
        What stands behind its number: ``times a day`` or ``hours a day``.
    places : tuple of float
        What it can be set to, ascending.
    assumed : float
        Where it stands at first; one of the places.
    """

    name: str
    label: str
    unit: str
    places: tuple[float, ...]
    assumed: float

    def shown(self, value: float) -> str:
        """Return e.g. ``10 times a day``."""
        if value == 1:
            return {"times a day": "once a day", "hours a day": "1 hour a day"}[self.unit]
        return f"{value:g} {self.unit}"


COMMANDS = Habit(
    "commands",
    "How often somebody says a wake word to the device",
    "times a day",
    (1, 2, 3, 5, 8, 10, 15, 20, 30, 40, 60, 80, 100),
    10,
)
HOURS = Habit(
    "hours",
    "How long people talk, or a television or radio talks, where the device hears it",
    "hours a day",
    (0.5, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24),
    4,
)
PLAYED = Habit(
    "played",
    "How often a loudspeaker says a wake word that the device hears",
    "times a day",
    (1, 2, 3, 5, 8, 10, 20, 50),
    2,
)


@dataclass(frozen=True, slots=True)
class Expected:
    """Events a day, on average, and the ends of the 95 % interval of the rate behind them; None where not known."""

    mean: float
    low: float | None
    high: float | None


def expected(times: float, rate: Rate) -> Expected:
    """Return how many events a day there will be on average.

    Parameters
    ----------
    times : float
        Occasions a day (of a share), or hours a day (of a rate an hour).
    rate : Rate
        Share of the occasions that go wrong, or events an hour.
    """
    return Expected(
        times * rate.value,
        None if rate.low is None else times * rate.low,
        None if rate.high is None else times * rate.high,
    )


def has_to_repeat(heard: Rate, refused: Rate) -> Rate:
    """Return the share of attempts that fail, since the word is not heard or the speaker is taken for a loudspeaker.

    Parameters
    ----------
    heard : Rate
        Share of the words that are heard.
    refused : Rate
        Share of those that the gate refuses, measured on recordings of the same kind.

    Notes
    -----
    One error is taken not to depend on the other. The ends are those of both rates at their worst or best at once,
    which is wider than 95 %.
    """
    passes = heard.value * (1 - refused.value)
    best = None if heard.high is None or refused.low is None else heard.high * (1 - refused.low)
    worst = None if heard.low is None or refused.high is None else heard.low * (1 - refused.high)
    return Rate(1 - passes, None if best is None else 1 - best, None if worst is None else 1 - worst)


def how_many(per_day: float) -> str:
    """Return a number of events a day in words, e.g. ``21 a day`` or ``one every 12 days``.

    Parameters
    ----------
    per_day : float
        From 0.
    """
    if per_day <= 0:
        return "none"
    if per_day >= 9.5:
        return f"{per_day:.0f} a day"
    if per_day >= 1.05:  # less would be rounded to 1
        return f"{per_day:.1f}".removesuffix(".0") + " a day"
    a_week = round(7 * per_day)
    if a_week >= 2:
        return "one a day" if a_week >= 7 else f"{a_week} a week"
    days = 1 / per_day
    for length, longest, unit in ((1.0, 13.5, "days"), (7.0, 8.5, "weeks"), (30.44, 23.5, "months")):
        if days / length < longest:
            return f"one every {round(days / length)} {unit}"
    return f"one every {round(days / 365.25)} years"


def in_words(events: Expected, done: str) -> str:
    """Return e.g. ``about 2 a day are missed (between one a day and 3 a day)``; an open end is told as such.

    What happens is the verb, so that no number can be read as how often all is well: "it is not heard once in 4 weeks"
    may mean both.

    Parameters
    ----------
    events : Expected
    done : str
        What happens to each of them, e.g. ``missed``.
    """
    mean = "0 a day" if events.mean <= 0 else how_many(events.mean)
    told = f"about {mean} {'is' if mean.startswith('one ') else 'are'} {done}"
    low, high = (None if end is None else how_many(end) for end in (events.low, events.high))
    if high is None or low == high:
        return told
    return f"{told} (up to {high})" if low is None else f"{told} (between {low} and {high})"
