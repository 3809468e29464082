"""What programs on the emulated board use to be counted: regions between two marks.

A region is begun and ended by a system call that no kernel has; ``insn_count.c`` sees it, and knows each region by its
number.
"""

import ctypes
import gc
import importlib.metadata
import platform
import sys
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["Regions", "hardware", "kernels", "quiet", "versions"]

MARKER, MAGIC = 4000, 0x76766D6B

_AT_HWCAP, _AT_HWCAP2 = 16, 26

_libc = ctypes.CDLL(None)
_syscall = _libc.syscall
_syscall.argtypes = [ctypes.c_long] * 4


class Regions:
    """Numbers the regions as they come, and remembers what each is: its name, its round and how much it did."""

    def __init__(self) -> None:
        self.round = 0
        self.found: list[dict[str, Any]] = []

    def _add(self, name: str, units: int) -> int:
        self.found.append({"name": name, "round": self.round, "units": units})
        return len(self.found) - 1

    def count(self, name: str, function: Callable[[Any], object], blocks: Iterable[Any], units: int) -> None:
        """Mark a region that calls a function for every block; it does so many units of what is counted."""
        label = self._add(name, units)
        _syscall(MARKER, MAGIC, 1, label)
        for block in blocks:
            function(block)
        _syscall(MARKER, MAGIC, 0, label)

    def count_nothing(self, name: str, blocks: Iterable[Any], units: int) -> None:
        """Mark a region that goes through the blocks and calls nothing: what the counting itself takes."""
        label = self._add(name, units)
        _syscall(MARKER, MAGIC, 1, label)
        for _ in blocks:
            pass
        _syscall(MARKER, MAGIC, 0, label)


def quiet() -> None:
    """Keep the collector of garbage out of the counts: when it runs depends on all that was made before."""
    gc.collect()
    gc.disable()


def versions(*packages: str) -> dict[str, str]:
    """Return the versions that the counts depend on: Python, the C library, and packages."""
    found = {"python": platform.python_version(), "libc": "-".join(platform.libc_ver())}
    for package in packages:
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


def hardware() -> dict[str, str]:
    """Return the bits by which a kernel tells programs what the processor can do, as the emulator answers them."""
    getauxval = _libc.getauxval
    getauxval.restype, getauxval.argtypes = ctypes.c_ulong, [ctypes.c_ulong]
    return {"hwcap": f"{getauxval(_AT_HWCAP):#x}", "hwcap2": f"{getauxval(_AT_HWCAP2):#x}"}
