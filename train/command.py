"""``vivavoce train STEP``: everything that fits weights or makes data to fit them on."""

import argparse
import importlib.util

from edge.cli import add_commands, run_chosen
from edge.errors import MissingExtraError
from edge.output import warn

__all__ = ["NEED_NO_TENSORFLOW", "STEPS", "SUMMARY", "configure", "require_tensorflow", "run"]

SUMMARY = "train the networks and fix their cut-offs (workstation only)"

STEPS = {
    "frame": "train.steps.frame",
    "import": "train.steps.import_corpus",
    "check": "train.steps.check",
    "explore": "train.steps.explore",
    "render": "train.steps.render",
    "teacher": "train.steps.teacher",
    "wake": "train.steps.wake",
    "verifier": "train.steps.verifier",
    "join": "train.steps.join",
    "word": "train.steps.word",
    "overfit": "train.steps.overfit",
    "liveness": "train.steps.liveness",
    "search": "train.steps.search",
    "ablate": "train.steps.ablate",
    "seeds": "train.steps.seeds",
    "compress": "train.steps.compress",
    "cutoffs": "train.steps.cutoffs",
    "evaluate": "train.steps.evaluate",
    "baseline": "train.steps.baseline",
    "informed": "train.steps.informed",
    "protocol": "train.steps.protocol",
    "reference": "train.steps.reference",
    "decay": "train.steps.decay",
    "report": "train.steps.report",
    "scene": "train.steps.scene",
}
"""Steps by name, in the order in which they are usually run."""

NEED_NO_TENSORFLOW = frozenset({"frame", "import", "check", "explore", "render", "report"})
"""Steps that need no TensorFlow: what is recorded on a device can be described and verified there, what a bundle has to
reach be read, results be told, and clips be rendered where only the simulator is installed."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the steps."""
    add_commands(parser, STEPS, guard=require_tensorflow, unguarded=NEED_NO_TENSORFLOW)


def require_tensorflow() -> None:
    """Check that this is a workstation, without the seconds that importing TensorFlow takes.

    Raises
    ------
    MissingExtraError
        TensorFlow is not installed: this is a device installation.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise MissingExtraError("training", "train")


def run(args: argparse.Namespace) -> int:
    """Run the chosen step; without one, list them.

    Raises
    ------
    MissingExtraError
        No step was chosen, and TensorFlow is not installed: this is a device installation. A step that needs it has
        been refused before its arguments were read.
    """
    if not args._chosen:
        require_tensorflow()
    try:
        return run_chosen(args)
    except KeyboardInterrupt:
        warn("interrupted; what was finished is kept, and the same command goes on from there")
        raise
