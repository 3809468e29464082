"""Runs on the emulated board: marks the regions whose instructions ``count.py`` counts, and prints what they are.

The regions are begun and ended by a system call that no kernel has; ``insn_count.c`` sees it, and knows each region by
its number. Both frontends take the same signal, 10 ms at a time through their public interface, and what they return
must be equal before anything is counted.
"""

import argparse
import ctypes
import gc
import hashlib
import importlib.metadata
import json
import platform
import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from pymicro_features import MicroFrontend

from edge.frontend import Frontend

MARKER, MAGIC = 4000, 0x76766D6B
RATE, HOP = 16000, 160
WARM_UP_HOPS = 100

_syscall = ctypes.CDLL(None).syscall
_syscall.argtypes = [ctypes.c_long] * 4


def make_signal(n: int, seed: int) -> npt.NDArray[np.int16]:
    """Return a sound with the rise and fall of speech: voiced syllables, hiss and pauses above faint noise."""
    rng = np.random.default_rng(seed)
    sound = rng.normal(0, 20, n)
    at = RATE // 2
    while at < n:
        length = int(rng.integers(RATE // 12, RATE // 3))
        t = np.arange(min(length, n - at)) / RATE
        pitch, loudness = rng.uniform(90, 250), 10 ** rng.uniform(2.3, 3.9)
        if rng.random() < 0.7:
            voice = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 21))
        else:
            voice = rng.normal(0, 0.5, t.size)
        sound[at : at + t.size] += loudness * np.hanning(length)[: t.size] * voice
        at += length + int(rng.integers(0, RATE // 3))
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)


class Regions:
    """Numbers the regions as they come, and remembers what each is: its name, its round and how many hops it did."""

    def __init__(self, hops: int) -> None:
        self.hops = hops
        self.round = 0
        self.found: list[dict[str, Any]] = []

    def _add(self, name: str) -> int:
        self.found.append({"name": name, "round": self.round, "hops": self.hops})
        return len(self.found) - 1

    def count(self, name: str, function: Callable[[Any], object], blocks: Iterable[Any]) -> None:
        """Mark a region that calls a function for every block."""
        label = self._add(name)
        _syscall(MARKER, MAGIC, 1, label)
        for block in blocks:
            function(block)
        _syscall(MARKER, MAGIC, 0, label)

    def count_nothing(self, name: str, blocks: Iterable[Any]) -> None:
        """Mark a region that goes through the blocks and calls nothing: what the counting itself takes."""
        label = self._add(name)
        _syscall(MARKER, MAGIC, 1, label)
        for _ in blocks:
            pass
        _syscall(MARKER, MAGIC, 0, label)


def check_equal(signal: npt.NDArray[np.int16]) -> None:
    """Refuse to compare the costs of two frontends that do not do the same."""
    ours = Frontend().push(signal)
    micro = MicroFrontend()
    rows = [micro.process_samples(signal[at : at + HOP].tobytes()).features for at in range(0, signal.size, HOP)]
    # It returns integers times 10/256.
    theirs = np.rint(np.array([row for row in rows if row]) * 25.6).astype(np.uint16)
    if not np.array_equal(ours, theirs):
        raise SystemExit("the two frontends return different features; their costs cannot be compared")


def versions() -> dict[str, str]:
    """Return the versions that the counts depend on."""
    found = {"python": platform.python_version(), "libc": "-".join(platform.libc_ver())}
    for package in ("numpy", "numba", "llvmlite", "pymicro-features"):
        found[package] = importlib.metadata.version(package)
    return found


def kernels() -> dict[str, Any]:
    """Tell which code computed the features: the modules that were loaded, and the form of the machine code."""
    found: dict[str, Any] = {"modules": sorted(name for name in sys.modules if name.startswith("edge."))}
    found["numba_imported"] = "numba" in sys.modules
    if "llvmlite.binding" in sys.modules:
        found["llvm_cpu"] = sys.modules["llvmlite.binding"].get_host_cpu_name()
    native = sys.modules.get("edge.native")
    if native is not None:
        found["origin"] = native.kernels().origin
    return found


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

    regions = Regions(args.hops)
    gc.collect()
    gc.disable()
    for i in range(args.rounds + 1):
        # Round 0 is not counted, and its blocks come again: the interpreter specialises a loop and the loader binds a
        # call when they first come there.
        regions.round = i
        first = WARM_UP_HOPS + max(0, i - 1) * args.hops
        part = slice(first, first + args.hops)
        many = [signal[first * HOP : (first + args.hops) * HOP]]
        regions.count_nothing("empty_loop", arrays[part])
        regions.count("push", push, arrays[part])
        regions.count("peer", process, texts[part])
        regions.count_nothing("empty_offline", many)
        regions.count("offline_push", offline, many)
    body = {
        "regions": regions.found,
        "signal_sha256": hashlib.sha256(signal.tobytes()).hexdigest(),
        "versions": versions(),
        "kernels": kernels(),
    }
    print(json.dumps(body))
    return 0


if __name__ == "__main__":
    sys.exit(main())
