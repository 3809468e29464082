"""Runs on the emulated board: marks what ``count_frontend.py`` counts, and prints what it is; see ``guest_marks.py``.

Both frontends take the same signal, 10 ms at a time through their public interface, and what they return must be equal
before anything is counted.
"""

import argparse
import hashlib
import json
import sys

import numpy as np
import numpy.typing as npt
from guest_marks import Regions, kernels, quiet, versions
from pymicro_features import MicroFrontend
from signals import HOP, make_signal

from edge.frontend import Frontend

WARM_UP_HOPS = 100


def check_equal(signal: npt.NDArray[np.int16]) -> None:
    """Refuse to compare the costs of two frontends that do not do the same."""
    ours = Frontend().push(signal)
    micro = MicroFrontend()
    rows = [micro.process_samples(signal[at : at + HOP].tobytes()).features for at in range(0, signal.size, HOP)]
    # It returns integers times 10/256.
    theirs = np.rint(np.array([row for row in rows if row]) * 25.6).astype(np.uint16)
    if not np.array_equal(ours, theirs):
        raise SystemExit("the two frontends return different features; their costs cannot be compared")


def main() -> int:
    """Mark the regions and print their names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hops", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    signal = make_signal((WARM_UP_HOPS + args.rounds * args.hops) * HOP, args.seed)
    check_equal(signal)
    arrays = [signal[at : at + HOP] for at in range(0, signal.size, HOP)]
    texts = [array.tobytes() for array in arrays]
    push, offline, process = Frontend().push, Frontend().push, MicroFrontend().process_samples
    for array, text in zip(arrays[:WARM_UP_HOPS], texts[:WARM_UP_HOPS], strict=True):
        push(array)
        process(text)
    offline(signal[: WARM_UP_HOPS * HOP])

    regions = Regions()
    quiet()
    for i in range(args.rounds + 1):
        # Round 0 is not counted, and its blocks come again: the interpreter specialises a loop and the loader binds a
        # call when they first come there.
        regions.round = i
        first = WARM_UP_HOPS + max(0, i - 1) * args.hops
        part = slice(first, first + args.hops)
        many = [signal[first * HOP : (first + args.hops) * HOP]]
        regions.count_nothing("empty_loop", arrays[part], args.hops)
        regions.count("push", push, arrays[part], args.hops)
        regions.count("peer", process, texts[part], args.hops)
        regions.count_nothing("empty_offline", many, args.hops)
        regions.count("offline_push", offline, many, args.hops)
    body = {
        "regions": regions.found,
        "signal_sha256": hashlib.sha256(signal.tobytes()).hexdigest(),
        "versions": versions("numpy", "numba", "llvmlite", "pymicro-features"),
        "kernels": kernels(),
    }
    print(json.dumps(body))
    return 0


if __name__ == "__main__":
    sys.exit(main())
