"""What an event says, in sentences and in one line, for people."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edge.event_rows import StoredEvent
from edge.moments import shown_moment
from edge.policy import REASONS
from edge.quality import FLAGS

__all__ = ["line_of", "safe", "story_of"]

_FOLLOWED = {
    "pass": "the command passed",
    "block": "the command was blocked",
    "ask": "the person was asked to say it again",
}
_FOUND = {"accept": "a person who is here", "reject": "a loudspeaker", "unsure": "not to be told"}
_SOURCE = {
    "opening": "the source was being opened",
    "listening": "the daemon listened",
    "lost": "the source was lost",
    "ended": "the source had ended",
}


def safe(text: object) -> str:
    """Return text of a record for a terminal: what it would act on, or not show, is written as in JSON."""
    return text if isinstance(text, str) and text.strip() and text.isprintable() else json.dumps(text)


def line_of(event: StoredEvent) -> str:
    """Return an event as a line of a list."""
    record = event.record
    head = f"{shown_moment(event.at_s)}  {safe(event.id):16}"
    if event.kind != "answer":
        told = f"{_SOURCE.get(str(record.get('source')), 'its state')}: {safe(record.get('source_name', ''))}"
        return f"{head}  status {told}{', muted' if record.get('muted') else ''}"
    live = _number(record.get("live_probability"), "{:.2f}", "-")
    wake = _number(record.get("wake_score"), "{:.2f}", "-")
    marks = "".join(f"  [{mark}]" for mark in (event.label, "sound" if event.audio else "") if mark)
    reasons = " ".join(safe(one) for one in _listed(record, "reasons"))
    return (
        f"{head}  {safe(record.get('action')):6} {safe(record.get('phrase')):16}  wake {wake}  live {live:>4}  "
        f"{reasons}{marks}"
    )


def story_of(event: StoredEvent) -> list[str]:
    """Return all that is known of an event, as sentences."""
    return _answer_story(event) if event.kind == "answer" else _status_story(event)


def _answer_story(event: StoredEvent) -> list[str]:
    record = event.record
    reasons = list(_listed(record, "reasons"))
    followed = _FOLLOWED.get(str(record.get("action")), f"what followed was {safe(record.get('action'))}")
    told = [f"{shown_moment(event.at_s)}: {safe(record.get('phrase'))!r} was heard, and {followed}."]
    told += [f"Why: {_because(reason)}." for reason in reasons[:1]]
    told += [f"Also: {_because(reason)}." for reason in reasons[1:]]
    told.append(_evidence(record))
    told.append(_word(record))
    quality = record.get("quality")
    if isinstance(quality, Mapping):
        told += _quality(quality, reasons)
    told.append(_origin(record))
    stages = record.get("stage_ms")
    if isinstance(stages, Mapping) and stages:
        told.append("It took " + ", ".join(f"{_ms(took)} ms for {safe(name)}" for name, took in stages.items()) + ".")
    told.append(_kept(event.audio))
    if event.label:
        note = f" ({safe(event.note)})" if event.note else ""
        told.append(f"You said that it was {event.label}{note}.")
    else:
        told.append(f"If you know better: vivavoce label {safe(event.id)} live (or replay).")
    return told


def _kept(path: str) -> str:
    if not path:
        return "Its sound was not kept."
    try:
        Path(path).stat()
    except FileNotFoundError:
        return f"Its sound was kept, and is deleted by now: {safe(path)}."
    except OSError as error:
        return f"Its sound was kept, and cannot be looked for ({error.strerror}): {safe(path)}."
    return f"Its sound is kept: {safe(path)}."


def _because(reason: str) -> str:
    return f"{REASONS[reason]} ({reason})" if reason in REASONS else safe(reason)


def _evidence(record: Mapping[str, Any]) -> str:
    found = _FOUND.get(str(record.get("decision")), safe(record.get("decision")))
    if record.get("live_probability") is None:
        return f"By its sound alone it was {found}; it could not be judged."
    probability = _number(record["live_probability"], "{:.3f}", "?")
    score = _number(record.get("live_score"), "{:.2f}", "?")
    return (
        f"By its sound alone it was {found}: a mouth spoke with probability {probability} (the network said {score})."
    )


def _word(record: Mapping[str, Any]) -> str:
    score = _number(record.get("wake_score"), "{:.3f}", "?")
    start, end, decided = (record.get(name) for name in ("start_s", "end_s", "decided_s"))
    if not all(isinstance(one, (int, float)) for one in (start, end, decided)):
        return f"The wake word scored {score}."
    assert start is not None
    assert end is not None
    assert decided is not None
    return (
        f"The wake word scored {score}; it lasted {end - start:.2f} s, from {start:.2f} s of the stream on, and the "
        f"answer came with {decided - end:.2f} s of sound after it."
    )


def _quality(quality: Mapping[str, Any], reasons: Iterable[str]) -> list[str]:
    told = [
        f"Its sound: {_number(quality.get('level_dbfs'), '{:.1f}', '?')} dBFS at its loudest, "
        f"{_number(quality.get('snr_db'), '{:.0f}', '?')} dB above the noise, "
        f"{_number(quality.get('speech_s'), '{:.2f}', '?')} s of speech, up to "
        f"{_number(quality.get('bandwidth_hz'), '{:.0f}', '?')} Hz, "
        f"{_number(quality.get('clipped_fraction'), '{:.1%}', '?')} of its samples at full scale."
    ]
    flags = [flag for flag in _listed(quality, "flags") if flag not in reasons]
    return told + [f"Beside: {FLAGS.get(flag, safe(flag))} ({safe(flag)})." for flag in flags]


def _origin(record: Mapping[str, Any]) -> str:
    origin = record.get("origin")
    heard = "the daemon's own source" if origin == "source" else safe(origin)
    return f"It was heard by {heard}, and judged with bundle {safe(record.get('bundle') or 'of no version')}."


def _status_story(event: StoredEvent) -> list[str]:
    record = event.record
    source = _SOURCE.get(str(record.get("source")), f"its source was {safe(record.get('source'))}")
    told = [f"{shown_moment(event.at_s)}: {source} ({safe(record.get('source_name', ''))})."]
    told.append("It was muted: nothing was heard." if record.get("muted") else "It was not muted.")
    words = ", ".join(safe(word) for word in _listed(record, "words")) or "none"
    told.append(f"Words that were listened for: {words}; bundle {safe(record.get('bundle') or 'of no version')}.")
    return told


def _listed(record: Mapping[str, Any], name: str) -> list[str]:
    found = record.get(name)
    return [str(one) for one in found] if isinstance(found, list) else []


def _number(value: object, form: str, missing: str) -> str:
    return form.format(value) if isinstance(value, (int, float)) else missing


def _ms(value: object) -> str:
    return _number(value, "{:.1f}", "?")
