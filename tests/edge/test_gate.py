from types import SimpleNamespace

import pytest

from edge.gate import UNSURE_FLAGS, Gate
from edge.liveness import LivenessScore
from edge.quality import FLAGS


def _evidence(probability, *flags):
    # Of the quality the gate reads the flags alone.
    return LivenessScore(probability, 0.0, SimpleNamespace(flags=flags))


@pytest.mark.parametrize(
    ("probability", "flags", "decision", "reasons"),
    [
        (1.0, (), "accept", ("live",)),
        (0.8, (), "accept", ("live",)),  # the cut-off itself accepts ...
        (0.7999, (), "unsure", ("near_cutoff",)),
        (0.3, (), "unsure", ("near_cutoff",)),  # ... and the other does not reject
        (0.2999, (), "reject", ("loudspeaker",)),
        (0.0, (), "reject", ("loudspeaker",)),
        (0.99, ("quiet",), "accept", ("live",)),  # a remark, and no lack of evidence
        (0.99, ("noisy",), "unsure", ("noisy",)),
        (0.01, ("noisy",), "unsure", ("noisy",)),  # nobody is refused for a noisy room
        (0.99, ("silent", "too_short", "quiet"), "unsure", ("silent", "too_short")),
    ],
)
def test_table(probability, flags, decision, reasons):
    assert Gate(0.8, 0.3).rule(_evidence(probability, *flags)) == (decision, reasons)


@pytest.mark.parametrize("flag", UNSURE_FLAGS)
def test_missing_evidence_is_neither_accepted_nor_rejected(flag):
    assert flag in FLAGS
    for probability in (0.0, 0.5, 1.0):
        assert Gate(0.5, 0.5).rule(_evidence(probability, flag)) == ("unsure", (flag,))


def test_equal_cutoffs_leave_no_band_between():
    gate = Gate(0.5, 0.5)
    assert {gate.rule(_evidence(i / 100)).decision for i in range(101)} == {"accept", "reject"}
