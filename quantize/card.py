"""The model card of a bundle: what people should know before they rely on it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from edge.judgement import (
    CARD_BEGIN,
    CARD_END,
    EVIDENCE,
    Judgement,
    by_evidence,
    card_without_limits,
    limit_rows,
)

__all__ = ["card_with_limits", "model_card"]

_MAX_ROWS = 60

_CARD = """\
---
license: apache-2.0
library_name: vivavoce
pipeline_tag: audio-classification
tags: [wake-word, keyword-spotting, liveness, replay-detection, tflite, int8, tinyml]
{language}datasets: {materials}
metrics: [recall, false_accepts_per_hour, false_rejection_rate, false_acceptance_rate, equal_error_rate]
version: {version}
words: {words}
---

# vivavoce bundle {version}

{networks}

{words_table}

Liveness: from {accept:g} on the speech counts as live, below {reject:g} as played; the answer between the
two is *unsure*.{provisional}

| network | bytes | compressed | zero weights |
|---|---|---|---|
{network_rows}

Made by: {author}. Languages in which its words were said: {languages}.

## Data and licences

| material | licence |
|---|---|
{licence_rows}

None of the recordings is in the bundle.

## Protocol

{provenance}

Networks were fitted on the split `train`{fitted_elsewhere}, and cut-offs, calibration and settings chosen on `dev`; the
splits share no speaker within a corpus, and no brand of loudspeaker. Pruning and quantisation come before the
cut-offs, which therefore belong to exactly these files.

## Results

{results}

## Limits

* **All replays were simulated**: measured loudspeaker responses and modelled rooms stand for loudspeakers in
  rooms. Nobody has tried this bundle against a real recording that a real device plays.
* **Whose voices**: adults who recorded themselves. Untested on children and on most accents; expect more
  refusals there.
* **Synthetic voice**: whether a voice belongs to a person is not what is judged, but whether a loudspeaker
  played it. Synthetic speech that gets into the signal in another way is not recognised.
* **Loudspeakers that are even over the whole band**, such as good ones that stand alone and those of televisions, leave
  little evidence; expect most of them to be accepted. Figures are above, where the bundle was measured.
* **An adaptive attacker** who knows the networks can shape the sound to pass. This is one obstacle, not an
  authentication: do not let it alone guard anything of value.
* Sound without content above 4 kHz, too short, clipped, or drowned in noise is answered with *unsure*.
"""

_TWO_NETWORKS = """\
Two networks of 8-bit integers for small devices. The first hears a wake word in a stream of 16 kHz mono
sound, the second judges from the second that holds the word whether a mouth spoke it or a loudspeaker
played it."""

_THREE_NETWORKS = """\
Three networks of 8-bit integers. The first runs all the time, and finds in a stream of 16 kHz mono sound what may be a
wake word. The second, the *verifier*, is larger: it listens again to each such candidate, {delay_ms} ms later, and its
score decides. The third judges from the second that holds the word whether a mouth spoke it or a loudspeaker played it.
On a device that has no verifier, such as a microcontroller, the first network decides alone, by cut-offs of its own."""

_NO_RESULTS = """\
Results files were not given when the bundle was packed. Where it was judged since, what it reached is below, beside
what it had to reach; `vivavoce train evaluate` measures it."""

_FITTED_ELSEWHERE = """\
 (but not the speech embedding that the verifier begins with: it was
trained elsewhere, by Google, on recordings that are not named here)"""

_PROVISIONAL = " **These cut-offs are provisional**: no results of a choice on `dev` were given."


def model_card(
    *,
    manifest: Mapping[str, Any],
    conversions: Mapping[str, Mapping[str, Any]],
    provisional: bool,
    results: Sequence[tuple[str, Mapping[str, Any]]] = (),
) -> str:
    """Write the card: Markdown, with the front matter of model cards on the Hugging Face Hub.

    Parameters
    ----------
    manifest : mapping
        The manifest of the bundle.
    conversions : mapping of role to mapping
        The ``convert.json`` of each network.
    provisional : bool
        Whether the cut-offs are placeholders.
    results : sequence of (title, mapping), optional
        Result files of the evaluation.

    Returns
    -------
    str
        Markdown with YAML front matter.
    """
    words, liveness, licences = manifest["words"], manifest["liveness"], manifest["licences"]
    verifier = manifest.get("verifier")
    version, spoken = manifest["bundle_version"], manifest.get("trained_languages", [])
    author = manifest.get("author") or "not said"
    return _CARD.format(
        # Strings of JSON are strings of YAML.
        version=json.dumps(version) if "---" in version else version,
        words=json.dumps([word["phrase"] for word in words]),
        materials=json.dumps([entry["material"] for entry in licences]),
        language=f"language: {json.dumps(list(spoken))}\n" if spoken else "",
        languages=", ".join(spoken) or "not said",
        author=f"{author}, {manifest['website']}" if manifest.get("website") else author,
        networks=_TWO_NETWORKS if verifier is None else _THREE_NETWORKS.format(delay_ms=verifier["delay_ms"]),
        words_table=_words_table(words, verifier),
        accept=liveness["accept_cutoff"],
        reject=liveness["reject_cutoff"],
        provisional=_PROVISIONAL if provisional else "",
        network_rows=_rows(
            (
                role,
                str(entry["models"]["int8"]["bytes"]),
                str(entry["models"]["int8"]["gzip_bytes"]),
                f"{entry['sparsity']:.0%}",
            )
            for role, entry in conversions.items()
        ),
        licence_rows=_rows((entry["material"], entry["licence"]) for entry in licences),
        fitted_elsewhere="" if verifier is None else _FITTED_ELSEWHERE,
        provenance="\n".join(_provenance(role, entry) for role, entry in manifest["training"].items()),
        results="\n\n".join(_result(title, body) for title, body in results) or _NO_RESULTS,
    )


_LIMITS_HEADING = "## Limits\n"

_LIMITS = """\
## What it had to reach

By the task {task} {version} (sha256 `{sha256}`): {met} limits met, {missed} missed,
{open} not measured. Intervals are 95 % intervals, and the range of the runs where a machine was measured; a limit is
met or missed by the value itself. The manifest names the results file of each.

{tables}

"""


def card_with_limits(card: bytes, judgement: Judgement) -> bytes:
    """Return a card that says which limits are met, and which are missed.

    Parameters
    ----------
    card : bytes
        A card, with such a section or without; nothing else in it changes, and
        :func:`edge.judgement.card_without_limits` gives it back.
    judgement : Judgement
        What it is to say.
    """
    section = _LIMITS.format(
        task=judgement.task,
        version=judgement.task_version,
        sha256=judgement.task_sha256,
        met=len(judgement.of_state("met")),
        missed=len(judgement.of_state("missed")),
        open=len(judgement.of_state("not measured")),
        tables="\n\n".join(
            "\n".join([f"On {EVIDENCE[evidence]}:", "", *limit_rows(found)])
            for evidence, found in by_evidence(judgement.verdicts).items()
        ),
    )
    written = (CARD_BEGIN + section + CARD_END).encode()
    plain = card_without_limits(card)
    # In front of what the gate is not good for, which is about all bundles; at the end of a card made elsewhere.
    before, heading, after = plain.rpartition(f"\n{_LIMITS_HEADING}".encode())
    return before + b"\n" + written + heading[1:] + after if heading else plain + written


def _words_table(words: Sequence[Mapping[str, Any]], verifier: Mapping[str, Any] | None) -> str:
    heads = ["word", "phrase", "cut-off"]
    cells = [[f"`{word['id']}`", word["phrase"], f"{word['cutoff']:g}"] for word in words]
    if verifier is not None:
        heads[2:] = ["cut-off of the verifier", "it listens from", "cut-off without a verifier"]
        for row, word in zip(cells, words, strict=True):
            of = verifier["words"][word["id"]]
            row[2:2] = [f"{of['cutoff']:g}", f"{of['candidate']:g}"]
    return f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n{_rows(cells)}"


def _rows(rows: Any) -> str:
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)


def _provenance(role: str, record: Mapping[str, Any]) -> str:
    parts = [f"{name.replace('_', ' ')} `{record[name]}`" for name in ("commit", "seed", "data_hash") if name in record]
    return f"* {role}: {', '.join(parts) or 'nothing was recorded'}"


def _result(title: str, body: Mapping[str, Any]) -> str:
    rows = list(_leaves(body))
    shown = _rows((f"`{name}`", value) for name, value in rows[:_MAX_ROWS])
    more = f"\n\n{len(rows) - _MAX_ROWS} more in the file." if len(rows) > _MAX_ROWS else ""
    return f"### {title}\n\n| figure | value |\n|---|---|\n{shown}{more}"


def _leaves(value: object, name: str = "") -> Any:
    """Yield the dotted name and the text of every value; short lists of numbers (intervals) stay together."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _leaves(below, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        if len(value) <= 3 and all(isinstance(item, (int, float)) for item in value):
            yield name, " to ".join(f"{item:.4g}" for item in value)
    else:
        yield name, f"{value:.4g}" if isinstance(value, float) else str(value)
