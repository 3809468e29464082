"""What machine this is, and in what state: a latency without them says little. Linux tells; elsewhere much is null."""

import importlib.metadata
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.interpreter import installed_runtimes

__all__ = ["cores_in_order", "energy_uj", "environment", "machine", "peak_rss_kib", "pinned", "state"]

_ROOT = Path("/")
_LIBRARIES = ("vivavoce", "numpy", "numba", "soundfile", "soxr")
_FIRMWARE = ("soc", "scb")
"""Where a Raspberry Pi's firmware is, by its model."""


def machine(root: Path = _ROOT) -> dict[str, Any]:
    """Describe the machine.

    Parameters
    ----------
    root : Path, optional
        Where ``proc`` and ``sys`` are.

    Returns
    -------
    dict
        ``machine`` (the architecture), ``processor``, ``board``, ``cores``, ``memory_kib``, ``kernel``, ``system``;
        null for what the kernel does not tell.
    """
    cpu = _fields(root / "proc/cpuinfo")
    memory = _fields(root / "proc/meminfo").get("MemTotal", "").partition(" ")[0]
    return {
        "machine": platform.machine(),
        "processor": cpu.get("model name") or _arm_core(cpu) or platform.processor() or None,
        "board": _text(root / "proc/device-tree/model") or _text(root / "sys/class/dmi/id/product_name"),
        "cores": os.cpu_count(),
        "memory_kib": int(memory) if memory.isdecimal() else None,
        "kernel": platform.release(),
        "system": platform.system(),
    }


def environment() -> dict[str, Any]:
    """Describe what this process runs on: ``python``, and ``versions`` of the interpreters and libraries."""
    versions = dict(installed_runtimes())
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"python": f"{platform.python_implementation()} {platform.python_version()}", "versions": versions}


def state(root: Path = _ROOT) -> dict[str, Any]:
    """Return what may slow a machine down at this moment.

    Returns
    -------
    dict
        ``governors`` and ``frequencies_khz`` of the cores, ``temperatures_c`` by the name of the sensor, ``throttled``
        (how often the cores were slowed down since the start, in all), ``firmware_throttled`` (what the firmware of a
        Raspberry Pi tells, in its bits: 0 for never since the start) and ``load_1min``; null or empty for what the
        kernel does not tell.
    """
    cores = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*"))
    frequencies = [_number(core / "cpufreq/scaling_cur_freq") for core in cores]
    counts = [_number(core / "thermal_throttle/core_throttle_count") for core in cores]
    known = [count for count in counts if count is not None]
    temperatures = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        value = _number(zone / "temp")
        if value is not None:
            temperatures[f"{zone.name} {_text(zone / 'type') or ''}".strip()] = value / 1000
    return {
        "governors": sorted({name for core in cores if (name := _text(core / "cpufreq/scaling_governor"))}),
        "frequencies_khz": [value for value in frequencies if value is not None],
        "temperatures_c": temperatures,
        "throttled": sum(known) if known else None,
        "firmware_throttled": _firmware_throttled(root),
        "load_1min": round(os.getloadavg()[0], 2),
    }


def energy_uj(root: Path = _ROOT) -> dict[str, tuple[int, int]]:
    """Return the counters of energy: of every package of processors the uJ, and where the counter begins again.

    It is the energy of the whole package, whoever used it. Most kernels tell it root only; then there is none.
    """
    found = {}
    for zone in sorted((root / "sys/class/powercap").glob("*:[0-9]*")):
        value, most = _number(zone / "energy_uj"), _number(zone / "max_energy_range_uj")
        # Parts of a package (core, uncore) are counted in the package already.
        if value is not None and most and zone.name.count(":") == 1:
            found[f"{zone.name} {_text(zone / 'name') or ''}".strip()] = (value, most)
    return found


def peak_rss_kib(root: Path = _ROOT) -> int | None:
    """Return the most memory that this process has had resident, KiB."""
    value = _fields(root / "proc/self/status").get("VmHWM", "").partition(" ")[0]
    return int(value) if value.isdecimal() else None


def cores_in_order(first: int | None = None) -> tuple[int, ...]:
    """Return the cores that this process may use, in the order in which they are taken; none where nobody may choose.

    Parameters
    ----------
    first : int, optional
        The one to take first; by default the last of them, which is seldom the one that serves interrupts.
    """
    if not hasattr(os, "sched_getaffinity"):
        return ()
    allowed = sorted(os.sched_getaffinity(0), reverse=True)
    return tuple(sorted(allowed, key=lambda core: core != first))


@contextmanager
def pinned(cores: Sequence[int]) -> Iterator[bool]:
    """Keep this thread, and the threads that it starts, on these cores meanwhile; yield whether that could be had."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        yield False
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cores)
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        os.sched_setaffinity(0, before)


def _firmware_throttled(root: Path) -> int | None:
    for bus in _FIRMWARE:
        text = _text(root / f"sys/devices/platform/{bus}/soc:firmware/get_throttled")
        try:
            return int(text or "", 16)
        except ValueError:
            continue
    return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text is not None and text.lstrip("-").isdecimal() else None


def _fields(path: Path) -> dict[str, str]:
    """Read lines of ``name: value``; of a name that comes again, the first."""
    found: dict[str, str] = {}
    for line in (_text(path) or "").splitlines():
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    return found


def _arm_core(cpu: dict[str, str]) -> str | None:
    """Name an ARM core by its numbers, where the kernel gives no name: lscpu knows them."""
    if "CPU part" not in cpu:
        return None
    return f"implementer {cpu.get('CPU implementer', '?')}, part {cpu['CPU part']}"
