"""False accepts on long-form speech, corpus by corpus: where these are unlike, one rate of all is that of none."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from edge.errors import DataError
from train.clip import Clip
from train.metrics import poisson_upper

__all__ = ["FILE_NAME", "by_corpus", "false_accept_rate", "spoken"]

FILE_NAME = "longform_corpora_{split}.json"
"""What ``tests/bench/longform_corpora.py`` makes of results that were written before they told corpora apart."""

_SPOKEN = {
    "fillets-ng": "Dutch, acted dialogue of a game",
    "librispeech": "English audiobooks",
    "speechocean762": "English read by learners whose first language is Mandarin",
}
"""What the long-form streams of test hold. Streams of ``fillets-ng`` in train and dev are Czech."""


def spoken(corpus: str) -> str:
    """Return the name of a corpus, and who speaks what in its streams of test where that is known."""
    return f"{corpus} ({_SPOKEN[corpus]})" if corpus in _SPOKEN else corpus


def false_accept_rate(count: int, seconds: float) -> dict[str, Any]:
    """Return false accepts as results tell them; the bound is that of a Poisson process.

    Returns
    -------
    dict
        ``count``, ``hours``, ``per_hour`` and ``upper_95_per_hour``; the latter two are None where nothing was heard.
    """
    hours = seconds / 3600
    return {
        "count": count,
        "hours": round(hours, 3),
        "per_hour": count / hours if hours else None,
        "upper_95_per_hour": poisson_upper(count, hours) if hours else None,
    }


def by_corpus(streams: Iterable[tuple[Clip, float]], files: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the false accepts on long-form speech of each corpus.

    Parameters
    ----------
    streams : iterable of (Clip, float)
        What was heard, and how long each is, s.
    files : iterable of str
        The path of the stream of each false accept, as in the manifest.

    Returns
    -------
    dict
        By corpus, in alphabetical order, what :func:`false_accept_rate` returns.

    Raises
    ------
    DataError
        If a false accept is in none of the streams.
    """
    corpus_of: dict[str, str] = {}
    seconds: dict[str, float] = {}
    for clip, length in streams:
        corpus_of[clip.path] = clip.corpus
        seconds[clip.corpus] = seconds.get(clip.corpus, 0.0) + length
    counts: Counter[str] = Counter()
    for file in files:
        if file not in corpus_of:
            raise DataError(f"a false accept is in {file}, expected one of the long-form clips that were heard")
        counts[corpus_of[file]] += 1
    return {corpus: false_accept_rate(counts[corpus], seconds[corpus]) for corpus in sorted(seconds)}
