"""Measure: repetitions of everything that there is to compare, in turn, and what a file of results says of them."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from edge.bench.elsewhere import Elsewhere
from edge.bench.machine import cores_in_order, energy_uj, environment, machine, pinned, state
from edge.bench.networks import benches_here, float_twin
from edge.bench.stages import FORMAT, STAGES, Round, WakeRunner, sound_of_scene
from edge.bench.statistics import described
from edge.bundle import Bundle, networks_of
from edge.bundle_identity import bundle_hash
from edge.interpreter import Runtime

__all__ = ["REPETITIONS", "Measured", "Plan", "measure"]

REPETITIONS = 20
"""How often everything is measured, where that does not take too long."""
_LEAST = 3
"""The same where it does."""
_ROOM_S = 45.0
"""Time that repetitions have together where nobody says how many: with starts, the whole stays within two minutes."""


class Measured(Protocol):
    """One interpreter with networks of one kind of numbers, here or elsewhere."""

    @property
    def interpreter(self) -> str:
        """Which."""

    @property
    def numbers(self) -> str:
        """What its networks compute with, e.g. ``int8``."""

    @property
    def wake_run_by(self) -> WakeRunner:
        """Who runs its wake network."""

    def once(self) -> Round:
        """Measure everything once."""


class Plan(NamedTuple):
    """What is about to be measured, told after a round that does not count."""

    runs: tuple[str, ...]
    """Interpreters and their numbers."""
    threads: tuple[int, ...]
    """Threads with which liveness is judged."""
    repetitions: int
    seconds: float
    """How long the repetitions will take, s."""


def measure(
    bundle: Bundle,
    *,
    runtimes: Sequence[Runtime],
    floats: Path | None = None,
    pythons: Sequence[Path] = (),
    threads: Sequence[int] = (),
    repetitions: int | None = None,
    core: int | None = None,
    planned: Callable[[Plan], object] = lambda plan: None,
    progress: Callable[[int, int], object] = lambda done, of: None,
) -> dict[str, Any]:
    """Measure the stages on this machine, all interpreters in turn, after one round that does not count.

    Parameters
    ----------
    bundle : Bundle
    runtimes : sequence of {"litert", "tflite"}
        Interpreters of this environment.
    floats : Path, optional
        Folder of the checkpoints whose float networks are measured beside the bundle's.
    pythons : sequence of Path
        Pythons of other environments, whose interpreters are measured, too.
    threads : sequence of int
        Numbers of threads, above 1, with which liveness is judged beside the one that everything runs on.
    repetitions : int, optional
        At least 1; by default :data:`REPETITIONS`, or as many as there is time for.
    core : int, optional
        The core to stay on; the last one that is allowed by default.
    planned : callable, optional
        Called with the :class:`Plan` before the repetitions.
    progress : callable, optional
        Called with the repetitions that are done, and all.

    Returns
    -------
    dict
        What a file of results holds, without starts.

    Raises
    ------
    DataError, UsageError, ModelAbiError
        If float networks or another environment cannot be used.
    """
    cores = cores_in_order(core)
    twin = None if floats is None else float_twin(bundle, floats)
    with ExitStack() as stack:
        benches: list[Measured] = [*benches_here(bundle, runtimes, floats=twin, cores=cores, threads=threads)]
        places = [0] * len(benches)
        environments = [environment()]
        for python in pythons:
            known = [bench.interpreter for bench in benches]
            there = Elsewhere(python, bundle, floats=floats, cores=cores, threads=threads, known=known)
            stack.callback(there.close)
            places += [len(environments)] * len(there.benches)
            benches += there.benches
            environments.append(there.environment)
        is_pinned = stack.enter_context(pinned(cores[:1]))
        began = time.perf_counter()
        for bench in benches:
            bench.once()
        one_s = time.perf_counter() - began
        if repetitions is None:
            repetitions = max(_LEAST, min(REPETITIONS, int(_ROOM_S / one_s)))
        names = tuple(f"{bench.interpreter} {bench.numbers}" for bench in benches)
        planned(Plan(names, (1, *threads), repetitions, repetitions * one_s))
        before, energy, began = state(), energy_uj(), time.perf_counter()
        kept: list[list[Round]] = [[] for _ in benches]
        for number in range(repetitions):
            # Each goes first as often as last: what heats up or slows down over time does that to all alike.
            order = range(len(benches)) if number % 2 == 0 else range(len(benches) - 1, -1, -1)
            for at in order:
                kept[at].append(benches[at].once())
            progress(number + 1, repetitions)
        took, used, after = time.perf_counter() - began, _used(energy, energy_uj()), state()
    sound = sound_of_scene()
    for place, described_there in enumerate(environments):
        peaks = [held[-1]["peak_rss_kib"] for at, held in zip(places, kept, strict=True) if at == place]
        described_there["peak_rss_kib"] = max((peak for peak in peaks if peak is not None), default=None)
    return {
        "format": FORMAT,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "environments": environments,
        "core": cores[0] if is_pinned else None,
        "before": before,
        "after": after,
        "bundle": {
            "version": bundle.bundle_version,
            "sha256": bundle_hash(bundle.path),
            "bytes": bundle.size,
            "files": {name: entry.bytes for name, entry in bundle.files.items()},
            "networks": networks_of(bundle),
        },
        "float_bytes": None
        if twin is None
        else {name: len(twin.content(name)) for name in networks_of(bundle).values()},
        "sound": sound,
        "repetitions": repetitions,
        "measuring_s": round(took, 3),
        "energy_j": used,
        "runs": [
            {
                "environment": place,
                "interpreter": bench.interpreter,
                "numbers": bench.numbers,
                "wake_run_by": bench.wake_run_by,
                **_run(held, sound["seconds"]),
            }
            for place, bench, held in zip(places, benches, kept, strict=True)
        ],
    }


def _run(held: Sequence[Round], sound_s: float) -> dict[str, Any]:
    """Describe the repetitions of one interpreter."""
    numbers = sorted(held[0]["threads"], key=int)
    return {
        "stages": _stages([one["durations"] for one in held]),
        "threads": [{"threads": int(n), "stages": _stages([one["threads"][n] for one in held])} for n in numbers],
        "real_time_factors": [round(one["wall_s"] / sound_s, 6) for one in held],
        "cpu_percent": round(100 * float(np.median([one["cpu_s"] for one in held])) / sound_s, 4),
        "pushes_us": [
            round(float(median), 1) for median in np.median([one["durations"]["push"] for one in held], axis=0) / 1e3
        ],
        "decisions": _decisions(held),
    }


def _stages(of_repetitions: Sequence[dict[str, list[int]]]) -> dict[str, Any]:
    stages = {}
    for name in STAGES:
        parts = [durations[name] for durations in of_repetitions if name in durations]
        if parts:
            stages[name] = described(parts)
    return stages


def _decisions(held: Sequence[Round]) -> list[dict[str, Any]]:
    """Join the repetitions: the sound gives the same decisions every time, and only the computing differs."""
    found = []
    for same in zip(*(one["decisions"] for one in held), strict=True):
        took = {
            key: round(float(np.median([one[key] for one in same])), 3)
            for key in ("judging_ms", "compute_ms", "delay_ms")
        }
        found.append({**same[0], **took})
    return found


def _used(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> dict[str, float]:
    """Return the energy of each package, J; a counter begins again once at most in two minutes."""
    return {
        name: round(((after[name][0] - value) % (most + 1)) / 1e6, 3)
        for name, (value, most) in before.items()
        if name in after
    }
