"""Calls of ``vivavoce bench`` for its tests, and what a repetition of a fake network looks like."""

import argparse
import os

from edge.bench.stages import STAGES
from edge.commands import bench

__all__ = ["TWO", "FakeBench", "call", "measured_into", "stages_of"]

TWO = "1,2" if len(os.sched_getaffinity(0)) > 1 else "1"
"""Threads that this machine has the cores for."""


def call(*words):
    """Call the command, and return its exit code."""
    parser = argparse.ArgumentParser()
    bench.configure(parser)
    return bench.run(parser.parse_args([str(word) for word in words]))


def stages_of(bundle):
    """Return the stages that are measured of a bundle, in their order."""
    return [name for name in STAGES if name != "verifier" or bundle.verifier is not None]


def measured_into(folder):
    """Measure two repetitions into ``a.json`` and ``a.html`` of a folder, and return the folder."""
    said = ("--repetitions", 2, "--no-starts", "--threads", TWO)
    assert call(*said, "-o", folder / "a.json", "--page", folder / "a.html") == 0
    return folder


class FakeBench:
    """One interpreter that measures nothing; what `then` does happens in every repetition."""

    numbers = "int8"
    wake_run_by = "kernel"

    def __init__(self, interpreter, then=lambda name: None, peak_rss_kib=None):
        self.interpreter, self.then, self.peak_rss_kib = interpreter, then, peak_rss_kib

    def once(self):
        """Return a repetition with one push."""
        self.then(self.interpreter)
        return {
            "durations": {"push": [1000]}, "threads": {}, "wall_s": 0.1, "cpu_s": 0.1, "decisions": [],
            "peak_rss_kib": self.peak_rss_kib,
        }  # fmt: skip
