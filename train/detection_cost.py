"""What errors cost when replays are rare and dear: the detection cost at the cut-off taken, and at the best one.

The normalised cost is 0 without errors and 1 for the better of the two devices that do not listen: one accepts
everybody, the other nobody.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edge.errors import DataError
from train.metrics import Floats, Scores, det_points, error_rates

__all__ = ["CostModel", "act_dcf", "min_dcf"]


@dataclass(frozen=True, slots=True)
class CostModel:
    """How often replays come, and what each error costs; the defaults are those of ASVspoof 5, track 1 [1]_.

    Attributes
    ----------
    replay_prior : float
        Share of replays among all that is heard, between 0 and 1.
    refuse_cost, accept_cost : float
        Costs of refusing a live user and of accepting a replay, positive, in any unit.

    Raises
    ------
    DataError
        If a value is outside its range.

    References
    ----------
    .. [1] X. Wang et al., "ASVspoof 5: crowdsourced speech data, deepfakes, and adversarial attacks at scale", 2024,
       and its evaluation package.
    """

    replay_prior: float = 0.05
    refuse_cost: float = 1.0
    accept_cost: float = 10.0

    def __post_init__(self) -> None:
        """Refuse values that are no cost model."""
        if not 0.0 < self.replay_prior < 1.0 or not all(0.0 < c < np.inf for c in (self.refuse_cost, self.accept_cost)):
            raise DataError(
                f"cost model: got a replay prior of {self.replay_prior} and costs of {self.refuse_cost} and "
                f"{self.accept_cost}; expected a prior between 0 and 1 and positive costs"
            )

    @property
    def bayes_cutoff(self) -> float:
        """Log-likelihood ratio from which on accepting costs less than refusing."""
        refusing = self.refuse_cost * (1.0 - self.replay_prior)
        return float(np.log(self.accept_cost * self.replay_prior / refusing))

    def normalised(self, bpcer: float | Floats, apcer: float | Floats) -> Floats:
        """Return the cost of error rates, re that of the better device that does not listen.

        ``(refuse_cost (1 - replay_prior) bpcer + accept_cost replay_prior apcer)`` over the smaller of the two factors.
        """
        refusing, accepting = self.refuse_cost * (1.0 - self.replay_prior), self.accept_cost * self.replay_prior
        return np.asarray((refusing * bpcer + accepting * apcer) / min(refusing, accepting))

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain data, for a result file."""
        return asdict(self)


def act_dcf(live: Scores, replay: Scores, model: CostModel) -> float:
    """Return the normalised cost of deciding by log-likelihood ratios as if they were true.

    Parameters
    ----------
    live, replay : (n,) float
        Log-likelihood ratios, natural logarithm.
    model : CostModel

    Raises
    ------
    DataError
        If a class is empty or holds what is not a number.
    """
    return float(model.normalised(*error_rates(live, replay, model.bayes_cutoff)))


def min_dcf(live: Scores, replay: Scores, model: CostModel) -> float:
    """Return the normalised cost at the cut-off that is best for these very scores; at most 1.

    Parameters
    ----------
    live, replay : (n,) float
        Finite scores of any scale, higher for live.
    model : CostModel

    Raises
    ------
    DataError
        If a class is empty or a score is not finite.
    """
    _, bpcer, apcer = det_points(live, replay)
    return float(model.normalised(bpcer, apcer).min())
