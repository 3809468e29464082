"""Run a Python script as an aarch64 board would, on any Linux machine: qemu-user, and what ``make arm`` installed.

    python tests/arm/emulator.py --cpu cortex-a53 --env NUMBA_DEBUG_CACHE=1 script.py its arguments

The script sees Debian 12 for arm64, its Python 3.11, the packages of constraints/device-litert.txt (or, for the other
interpreter, device-tflite.txt), pymicro-wakeword, and this checkout; the rest of the file system is the machine's own.
Programs tell a processor by its identification registers, which QEMU answers, and by /proc/cpuinfo, which is written
here as a Raspberry Pi shows it. What is computed, and with how many instructions, is that of a board; how fast is not.
"""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["CPUS", "QEMU", "RUNTIMES", "child_python", "parse_environment", "run_guest"]

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "arm"
SYSROOT = BUILD / "root"
PLUGIN = BUILD / "insn_count.so"
PYTHON = "python3.11"
QEMU = os.environ.get("QEMU_AARCH64", "qemu-aarch64")

# Part number and features as Linux lists them on a Raspberry Pi 3, 4 and 5.
CPUS = {
    "cortex-a53": ("0xd03", "fp asimd evtstrm crc32 cpuid"),
    "cortex-a72": ("0xd08", "fp asimd evtstrm crc32 cpuid"),
    "cortex-a76": (
        "0xd0b",
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
    ),
}

# Where the packages of each interpreter are, the first one first.
RUNTIMES = {"litert": ("site",), "tflite": ("site-tflite", "site")}

# One thread, so that what is counted is what was called; nothing that differs from run to run.
ENVIRONMENT = {
    "PYTHONHOME": str(SYSROOT / "usr"),
    "PYTHONHASHSEED": "0",
    "PYTHONPYCACHEPREFIX": str(BUILD / "pycache"),
    "VIVAVOCE_CACHE_DIR": str(BUILD / "images"),
    "NUMBA_CACHE_DIR": str(BUILD / "numba"),
    "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def board(cpu: str) -> Path:
    """Return the file system of a board: the links that all boards share, and a /proc/cpuinfo of its own."""
    part, features = CPUS[cpu]
    folder = BUILD / cpu
    (folder / "proc").mkdir(parents=True, exist_ok=True)
    for name in ("bin", "etc", "lib", "sbin", "usr"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..") / SYSROOT.name / name)
    core = (
        "processor\t: {}\nBogoMIPS\t: 108.00\n"
        f"Features\t: {features}\n"
        "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\n"
        f"CPU part\t: {part}\nCPU revision\t: 3\n\n"
    )
    _keep(folder / "proc" / "cpuinfo", "".join(core.format(i) for i in range(os.cpu_count() or 1)))
    return folder


def _keep(file: Path, text: str) -> None:
    """Write a file if it is another: a program that runs may be reading it."""
    if not file.is_file() or file.read_text() != text:
        file.write_text(text)


def child_python(cpu: str) -> Path:
    """Write a script that is to the emulated programs what Python is to a board: they may start it."""
    script = board(cpu) / "python"
    name = shlex.quote(str(SYSROOT / "usr" / "bin" / PYTHON))
    _keep(script, f'#!/bin/sh\nexec {QEMU} -cpu {cpu} -L {shlex.quote(str(BUILD / cpu))} {name} "$@"\n')
    script.chmod(0o755)
    return script


def run_guest(
    script: Path,
    *arguments: str,
    cpu: str = "cortex-a72",
    runtime: str = "litert",
    environment: dict[str, str] | None = None,
    sites: Sequence[str] = (),
    counts: Path | None = None,
    qemu_options: Sequence[str] = (),
    capture: bool = False,
) -> "subprocess.CompletedProcess[str]":
    """Run a Python script on an emulated board; return how it ended.

    Parameters
    ----------
    script : Path
    *arguments : str
        What the script is given.
    cpu : str
        One of ``CPUS``.
    runtime : str
        One of ``RUNTIMES``: the interpreter of networks that it finds, and is told to use.
    environment : dict, optional
        Variables for the script, beside or instead of ``ENVIRONMENT``. It sees no others of this machine.
    sites : sequence of str
        Folders of further packages, of those that ``make arm`` made.
    counts : Path, optional
        Where to write what the regions of the script counted; see ``insn_count.c``.
    qemu_options : sequence of str
        Further options of QEMU, such as ``-strace``.
    capture : bool
        Keep what it prints.
    """
    python = SYSROOT / "usr" / "bin" / PYTHON
    if not python.exists():
        raise SystemExit(f"{SYSROOT.relative_to(ROOT)}: expected an arm64 system, got none; build it with: make arm")
    command = [QEMU, "-cpu", cpu, "-L", str(board(cpu)), *qemu_options]
    if counts is not None:
        command += ["-plugin", f"{PLUGIN},out={counts}"]
    path = ":".join(map(str, (ROOT, *(BUILD / site for site in (*RUNTIMES[runtime], *sites)))))
    chosen = {"PYTHONPATH": path, "VIVAVOCE_INTERPRETER": runtime}
    for name, value in (ENVIRONMENT | chosen | (environment or {})).items():
        command += ["-E", f"{name}={value}"]
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "TERM") if name in os.environ}
    return subprocess.run([*command, str(python), str(script), *arguments], env=kept, text=True, capture_output=capture)


def parse_environment(settings: list[str]) -> dict[str, str]:
    """Return the variables that ``--env`` options name."""
    for setting in settings:
        if "=" not in setting:
            raise SystemExit(f"--env {setting}: expected NAME=VALUE")
    return dict(setting.split("=", 1) for setting in settings)


def main() -> int:
    """Run one script; end as it ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", choices=CPUS, default="cortex-a72")
    parser.add_argument("--runtime", choices=RUNTIMES, default="litert")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="a variable for the script")
    parser.add_argument("--counts", type=Path, help="write what its marked regions counted to this file")
    parser.add_argument(
        "--qemu", action="append", default=[], metavar="OPTION", help="a further option, as --qemu=-strace"
    )
    parser.add_argument("script", type=Path)
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    done = run_guest(
        args.script,
        *args.arguments,
        cpu=args.cpu,
        runtime=args.runtime,
        environment=parse_environment(args.env),
        counts=args.counts,
        qemu_options=args.qemu,
    )
    # A signal ends QEMU as it ends the script; a shell shows that as 128 and the signal's number.
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


if __name__ == "__main__":
    sys.exit(main())
