"""Pages about studies: curves of what was learned by heart, and what mattered in a search; without TensorFlow."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from edge.html_page import BOTTOM, HEIGHT, LEFT, WIDTH, document, frame, section

__all__ = ["curve_page", "search_page"]

_RADIUS = 3.5


def curve_page(found: Mapping[str, Any], title: str) -> str:
    """Return a page with loss and error over the epochs.

    Parameters
    ----------
    found : mapping
        As :func:`train.overfitting.overfit_wake` returns it.
    title : str
    """
    epochs = [float(entry["epoch"]) for entry in found["curve"]]
    drawn = "".join(
        section(
            f"{name} after each epoch",
            _chart(epochs, [float(entry[key]) for entry in found["curve"]], name, "epoch", line=True),
        )
        for key, name in (("loss", "Loss"), ("error", "Share of examples got wrong"))
    )
    last = found["curve"][-1]
    said = (
        f"<p>{found['examples']} examples, without regularisation: {100 * last['error']:.1f} % wrong after "
        f"{last['epoch']} epochs, loss {last['loss']:.4f}.</p>"
    )
    return document(title, f"<h1>{escape(title)}</h1>{said}{drawn}")


def search_page(found: Mapping[str, Any], title: str) -> str:
    """Return a page about a search: the best trial, what mattered, every setting against the error, all trials.

    Parameters
    ----------
    found : mapping
        The entry ``search`` of a results file of ``vivavoce train search``.
    title : str
    """
    whole = [trial for trial in found["trials"] if trial["state"] == "complete"]
    parts = [f"<h1>{escape(title)}</h1><p>{escape(found['what'])}</p>", section("Best trial", _best(found))]
    shares = found["importances"]
    told = (
        "".join(
            f"<tr><td>{escape(name)}</td><td>{100 * share:.0f} %</td><td>{_bar(share, max(shares.values()))}</td></tr>"
            for name, share in shares.items()
        )
        or "<tr><td>too few trials were trained to their end</td></tr>"
    )
    note = f'<p class="soft">Share of the spread of errors, functional ANOVA over {len(whole)} trials: a hint.</p>'
    parts.append(section("What mattered", f'<div class="scroll"><table>{told}</table></div>{note}'))
    for name, dimension in found["space"].items():
        values = [trial["settings"][name] for trial in whole]
        errors = [100 * trial["error"] for trial in whole]
        log = bool(dimension["log"])
        labels = dimension["choices"] or None
        places = [float(labels.index(value)) for value in values] if labels else [float(value) for value in values]
        chart = (
            _chart(places, errors, "error on dev, %", name, log=log, labels=labels) if whole else "<p>no trial yet</p>"
        )
        parts.append(section(f"{name} against the error", chart))
    parts.append(section("All trials", _trials(found["trials"])))
    return document(title, "".join(parts))


def _best(found: Mapping[str, Any]) -> str:
    best = found["best"]
    if best is None:
        return "<p>no trial was trained to its end</p>"
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{_short(value)}</td></tr>" for name, value in best["settings"].items()
    )
    low, high = best["interval_95"]
    return (
        f"<p>Trial {best['number']}: {100 * best['error']:.2f} % ({100 * low:.2f} to {100 * high:.2f}). It is the "
        f"lowest of {len(found['trials'])} on the clips that it was chosen on, and so lower than on others.</p>"
        f'<div class="scroll"><table>{rows}</table></div>'
    )


def _trials(trials: Sequence[Mapping[str, Any]]) -> str:
    names = list(trials[0]["settings"]) if trials else []
    head = "".join(f"<th>{escape(name)}</th>" for name in ("trial", "state", "error", "minutes", *names))
    rows = []
    for trial in trials:
        error = "-" if trial.get("error") is None else f"{100 * trial['error']:.2f} %"
        cells = [trial["number"], trial["state"], error, _short(trial["minutes"])]
        cells += [_short(trial["settings"].get(name, "-")) for name in names]
        rows.append("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>")
    return f'<div class="scroll"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _bar(share: float, most: float) -> str:
    width = 200 * share / most if most else 0.0
    return f'<svg viewBox="0 0 200 10" style="width:200px"><rect class="pass" width="{width:.1f}" height="10"/></svg>'


def _chart(
    x: Sequence[float],
    y: Sequence[float],
    y_name: str,
    x_name: str,
    *,
    line: bool = False,
    log: bool = False,
    labels: Sequence[Any] | None = None,
) -> str:
    """Draw points, or a line through them, above 0."""
    scaled = [math.log(value) for value in x] if log else list(x)
    first, last = (min(scaled), max(scaled)) if scaled else (0.0, 1.0)
    if labels:
        first, last = 0.0, len(labels) - 1.0
    top = max(y, default=0.0) or 1.0
    base = HEIGHT - BOTTOM

    def at(across: float, up: float) -> tuple[float, float]:
        share = (across - first) / (last - first) if last > first else 0.5
        return LEFT + 8 + share * (WIDTH - LEFT - 16), base - up / top * (base - 10)

    places = [at(one, other) for one, other in zip(scaled, y, strict=True)]
    if line:
        parts = f'<path class="was" d="M{"L".join(f"{a:.1f} {b:.1f}" for a, b in places)}"/>'
    else:
        parts = "".join(f'<circle class="pass" cx="{a:.1f}" cy="{b:.1f}" r="{_RADIUS}"/>' for a, b in places)
    left, right = (labels[0], labels[-1]) if labels else (min(x, default=0.0), max(x, default=0.0))
    label = f"{y_name} against {x_name}"
    return frame(parts, label, f"{x_name} {_short(left)}", _short(right), _short(top))


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
