"""How exposed the service is, by systemd's own figure, and whether the daemon works under what the unit takes from it.

    python tests/bench/service_unit.py

systemd-analyze verifies each unit and says how exposed it is: 0 is nothing, 10 everything. What can be tried without
systemd is: the daemon judges the scene that ships under the unit's filter of system calls (seccomp, with the sets that
this systemd gives them), and with memory that is never both written and executed (PR_SET_MDWE, for which
MemoryDenyWriteExecute= has a filter of its own); a call of the microphone's library into Python (cffi) is tried under
that, too. Where PulseAudio is installed, the daemon listens to a virtual microphone under the filter as well. What
systemd does with name spaces, users and devices was not tried.
"""

import argparse
import ctypes
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from processes import ROOT, write_result

UNITS = {
    "microphone and network": [],
    "microphone, no network": ["--no-network"],
    "no microphone": ["--no-microphone"],
    "neither": ["--no-microphone", "--no-network"],
    "of a user": ["--user"],
}
CALLBACK = "import cffi; f = cffi.FFI().callback('int(int)', lambda x: x + 1); assert f(1) == 2"
_PR_SET_MDWE, _ALLOW, _EPERM = 65, 0x7FFF0000, 0x00050001


def refuse_write_and_execute() -> None:
    """Refuse memory that is written and executed, here and in what this process starts."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_MDWE, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_MDWE)")


def members(name: str) -> set[str]:
    """Return the system calls of a set of systemd's, with those of the sets in it."""
    done = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True)
    found: set[str] = set()
    for line in done.stdout.splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            found |= members(word)
        elif word and not word.startswith("#"):
            found.add(word)
    return found


def allowed_calls(unit: str) -> set[str]:
    """Return what the filter of a unit lets through: what a line with ~ names is taken out of what came before."""
    calls: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit, re.MULTILINE):
        for name in line.lstrip("~").split():
            calls = calls - members(name) if line.startswith("~") else calls | members(name)
    return calls


def install_filter(calls: set[str]) -> None:
    """Refuse all other system calls, here and in what this process starts."""
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(_EPERM)))
    known = 0
    # execve is let through by systemd as well: it starts the program under the filter.
    for name in calls | {"execve"}:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0 and seccomp.seccomp_rule_add(context, ctypes.c_uint32(_ALLOW), number, 0) == 0:
            known += 1
    if known < 100 or seccomp.seccomp_load(context) != 0:
        raise OSError("the filter cannot be installed")


def works(command: list[str], before: "object" = None) -> dict[str, object]:
    """Run a command after something in its process; return its exit code, and its last line where it failed."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, preexec_fn=before, timeout=300)
    last = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    answers = done.stderr.count(" source ")
    return {"exit_code": done.returncode, "answers": answers, **({"complaint": last[0][:200]} if last else {})}


def listens_to_a_microphone(command: list[str], before: "object") -> dict[str, object] | None:
    """Return whether the daemon opens a virtual microphone after something in its process; None if there is none."""
    sys.path.insert(0, str(ROOT / "tests"))
    from e2e.virtual_microphone import Room, missing, noise

    if missing():
        return None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = folder / "daemon.toml"
        settings.write_text('[source]\ndevice = "pulse"\n[store]\nenabled = false\n')
        room = Room(folder)
        try:
            room.play(noise(folder / "noise.wav", 60))
            with subprocess.Popen(
                [*command, str(settings)], stderr=subprocess.PIPE, text=True, cwd=ROOT, preexec_fn=before,
                env={**room.environment, "PYTHONPATH": str(ROOT)},
            ) as process:  # fmt: skip
                assert process.stderr is not None
                heard = False
                for line in process.stderr:
                    if " ERROR " in line or "the input" in line or ": level " in line:
                        heard = ": level " in line
                        process.terminate()
                        break
                process.stderr.read()
                return {"exit_code": process.wait(), "heard": heard}
        finally:
            room.close()


def main() -> int:
    """Measure, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "service_unit.json")
    args = parser.parse_args()
    vivavoce = [sys.executable, "-m", "edge"]
    units: dict[str, object] = {}
    text = ""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {**os.environ, "XDG_RUNTIME_DIR": name}
        for kind, options in UNITS.items():
            unit = folder / "vivavoce.service"
            said = subprocess.run(
                [*vivavoce, "install-service", "--print", *options],
                capture_output=True,
                text=True,
                cwd=ROOT,
                check=True,
            ).stdout
            text = text or said
            # The program of a checkout may not be installed: that it is not there is no fault of the unit.
            unit.write_text(re.sub(r"^ExecStart=.*$", "ExecStart=/bin/true", said, flags=re.MULTILINE))
            user = ["--user"] if "--user" in options else []
            verified = subprocess.run(
                ["systemd-analyze", "verify", *user, str(unit)], capture_output=True, text=True, env=environment
            )
            security = subprocess.run(
                ["systemd-analyze", "security", "--offline=true", str(unit)], capture_output=True, text=True, check=True
            ).stdout
            (exposure,) = re.findall(r"Overall exposure level for \S+: ([\d.]+) (\w+)", security)
            units[kind] = {
                "options": " ".join(options),
                "exposure": float(exposure[0]),
                "in_words": exposure[1],
                "verify": (verified.stdout + verified.stderr).strip() or "clean",
            }
        settings = folder / "daemon.toml"
        scene = ROOT / "edge" / "data" / "scene.flac"
        settings.write_text(f'[source]\nkind = "file"\npath = "{scene}"\n[store]\nenabled = false\n')
        daemon = [*vivavoce, "daemon", "--config", str(settings)]
        subprocess.run([*vivavoce, "doctor"], capture_output=True, cwd=ROOT, check=False)
        calls = allowed_calls(text)
        tried = {
            "daemon, nothing taken": works(daemon),
            "daemon, filter of system calls": works(daemon, lambda: install_filter(calls)),
            "daemon, no memory written and executed": works(daemon, refuse_write_and_execute),
            "daemon, both": works(daemon, lambda: (refuse_write_and_execute(), install_filter(calls))),
            "a callback of cffi, nothing taken": works([sys.executable, "-c", CALLBACK]),
            "a callback of cffi, filter of system calls": works(
                [sys.executable, "-c", CALLBACK], lambda: install_filter(calls)
            ),
            "a callback of cffi, no memory written and executed": works(
                [sys.executable, "-c", CALLBACK], refuse_write_and_execute
            ),
        }
        microphone = listens_to_a_microphone(daemon[:-1], lambda: install_filter(calls))
        if microphone is not None:
            tried["daemon at a microphone, filter of system calls"] = microphone
    version = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True)
    body = {
        "method": __doc__.split("\n\n", 2)[2].replace("\n", " ").strip(),
        "systemd": version.stdout.splitlines()[0],
        "system_calls_allowed": len(calls),
        "units": units,
        "tried": tried,
    }
    write_result(args.out, "python tests/bench/service_unit.py", body)
    for kind, figures in units.items():
        print(f"{kind:<24} {figures['exposure']} {figures['in_words']}, verify: {figures['verify']}")
    for what, found in tried.items():
        print(f"{what:<52} {found}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
