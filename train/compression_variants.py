"""The ways to make a network smaller that are compared, as data; without TensorFlow."""

from dataclasses import dataclass

__all__ = ["DENSE", "GIVEN", "VARIANTS", "Variant", "chosen_variants"]

GIVEN = "given"
"""Name of the network as it was given, converted without any fine-tuning."""

DENSE = "dense"
"""Name of the variant that the others are compared with."""


@dataclass(frozen=True, slots=True)
class Variant:
    """What is done to the weights while they are fine-tuned; all are converted to 8-bit integers in the end."""

    name: str
    told: str
    """What it is, in a few words."""
    sparsity: float = 0.0
    """Share of the weights that is pruned to zero."""
    pattern: tuple[int, int] | None = None
    """So many zeros in every so many weights, instead of a share."""
    aware: bool = False
    """Whether training sees the rounding of the integers (quantisation-aware training)."""
    begins_with: str | None = None
    """The variant whose weights it begins with, and whose zeros it keeps; those that were given if None."""


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant(DENSE, "nothing pruned, quantised after training"),
        Variant("magnitude50", "50 % pruned by magnitude, quantised after training", sparsity=0.5),
        Variant("magnitude80", "80 % pruned by magnitude, quantised after training", sparsity=0.8),
        Variant("two_of_four", "2 of every 4 pruned, quantised after training", sparsity=0.5, pattern=(2, 4)),
        Variant("qat", "nothing pruned, quantisation-aware training", aware=True),
        Variant(
            "pqat",
            "quantisation-aware training that keeps the zeros of magnitude50",
            sparsity=0.5,
            aware=True,
            begins_with="magnitude50",
        ),
    )
}
"""By name, each behind what it begins with."""


def chosen_variants(names: list[str] | None) -> list[Variant]:
    """Return the variants that were asked for, with those that they begin with and the one that all are compared with.

    Parameters
    ----------
    names : list of str, optional
        Keys of :data:`VARIANTS`; all by default.
    """
    wanted = set(VARIANTS if names is None else names) | {DENSE}
    wanted |= {begun for name in wanted if (begun := VARIANTS[name].begins_with) is not None}
    return [variant for name, variant in VARIANTS.items() if name in wanted]
