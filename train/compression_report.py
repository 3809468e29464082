"""Which variant wins, and the table; without TensorFlow."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from train.compression_variants import DENSE, GIVEN
from train.paired import paired_differences

__all__ = ["RULE", "differences", "table", "winner"]

MARGIN = 0.001
"""How much worse than the best variant one may be and still win, equal error rate."""

RULE = (
    f"the smallest gzip of the int8 file whose int8 EER is within {100 * MARGIN:g} points of that of the best "
    "fine-tuned variant"
)
"""What wins, in words."""

_ROUNDING = 1e-9


def winner(variants: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the name of the variant that wins by :data:`RULE`.

    Parameters
    ----------
    variants : mapping
        ``eer_int8`` and ``gzip_bytes`` of each by name. What was given is not among those that can win: it was
        trained for another time.
    """
    tuned = {name: figures for name, figures in variants.items() if name != GIVEN}
    best = min(figures["eer_int8"] for figures in tuned.values())
    near = [name for name, figures in tuned.items() if figures["eer_int8"] <= best + MARGIN + _ROUNDING]
    return min(near, key=lambda name: (tuned[name]["gzip_bytes"], tuned[name]["eer_int8"]))


def differences(
    logits: Mapping[str, Mapping[str, npt.NDArray[np.float32]]],
    equal_error: Callable[[npt.NDArray[np.float32], npt.NDArray[np.intp]], float],
    clusters: Sequence[str],
    *,
    rounds: int = 500,
) -> dict[str, dict[str, Any]]:
    """Tell how far the int8 network of each variant is from the dense one, on the same examples.

    Parameters
    ----------
    logits : mapping
        By variant, what its ``int8`` network says.
    equal_error : callable
        Takes such logits and the indices of examples.
    clusters : sequence of str
        The talker of each example: talkers are resampled, and both variants are judged on the same ones.
    rounds : int
        Resamples.

    Returns
    -------
    dict
        By variant ``points`` (of the equal error rate; negative is better than dense) and ``interval_95``.
    """
    return paired_differences(
        {name: said["int8"] for name, said in logits.items()},
        DENSE,
        equal_error,
        [clusters],
        rounds=rounds,
    )


def table(body: Mapping[str, Any]) -> str:
    """Return a Markdown table of what was measured, and the sentence that says what wins.

    Parameters
    ----------
    body : mapping
        Of a results file of ``vivavoce train compress``.
    """
    interpreters = sorted({name for entry in body["variants"].values() for name in entry["speed"]})
    head = [
        "variant", "EER int8", "against dense (95 %)", "EER float", "int8 file", "gzip", "zeros", "rms int8-float",
        *(f"{name}, us (ratio)" for name in interpreters),
    ]  # fmt: skip
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name, entry in body["variants"].items():
        apart = entry.get("against_dense")
        cells = [
            f"**{name}**" if name == body["winner"] else name,
            f"{100 * entry['eer_int8']:.2f} %",
            "-" if apart is None else "{:+.2f} ({:+.2f} to {:+.2f})".format(apart["points"], *apart["interval_95"]),
            f"{100 * entry['eer_float']:.2f} %",
            f"{entry['bytes'] / 1000:.1f} kB",
            f"{entry['gzip_bytes'] / 1000:.1f} kB",
            f"{100 * entry['zeros']:.1f} %",
            f"{100 * entry['parity']['rms_share']:.1f} %",
        ]
        for interpreter in interpreters:
            timed = entry["speed"].get(interpreter)
            cells.append("-" if timed is None else f"{timed['fastest_us']:.1f} ({timed['ratio']:.2f})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"{body['winner']} wins: {body['rule']}."]) + "\n"
