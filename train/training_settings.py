"""What the settings of both trainings have, each with defaults of its own; and settings as plain data and back."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, Self

from edge.strict_toml import Within, from_tables

__all__ = ["Batch", "Decay", "Epochs", "PlainSettings", "Rate", "Share", "TrainingSettings"]

Epochs = Annotated[int, Within(1, 10_000)]
Rate = Annotated[float, Within(1e-7, 10.0)]
Batch = Annotated[int, Within(1, 100_000)]
Share = Annotated[float, Within(0, 0.99)]
Decay = Annotated[float, Within(0, 0.999999)]


@dataclass(frozen=True, slots=True)
class PlainSettings:
    """Settings that can be written as JSON or TOML, and read again."""

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any], where: str = "settings") -> Self:
        """Return settings from plain data; what is left out is as it is by default.

        Raises
        ------
        UsageError
            If an entry is unknown, of another type, or out of its limits.
        """
        return from_tables(cls, json.loads(json.dumps(given)), where)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings(PlainSettings):
    """How long, how fast, pruned and averaged how far."""

    budget: ClassVar[tuple[str, ...]]
    """What a study makes small, so that many trainings are affordable: what it finds is trained without that."""

    epochs: Epochs
    rate: Rate = 2e-3
    """Peak learning rate."""
    batch: Batch
    sparsity: Share = 0.5
    """Share of the weights that is pruned to zero; 0 trains without pruning."""
    ema: Decay
    """Decay of the running mean of the weights; 0: the weights of the last step."""
