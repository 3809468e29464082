"""The unit by which systemd runs the daemon: as its own user, with no more rights than listening takes.

What is left out of the sandbox has its reason beside it: a unit that looks safer than it works is switched off by the
first owner whose microphone is silent. tests/bench/service_unit.py runs the daemon under what can be tried without
systemd: the filter of system calls, and memory that is never both written and executed.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from edge.errors import UsageError

__all__ = ["NAME", "Service", "quoted", "unit_text"]

NAME = "vivavoce"
"""Of the unit, its folders and its user."""

_WATCHDOG_S = 180
"""The longest time from one sign of progress to the next, s: a microphone that is gone is tried every 30 s,
and PortAudio waits two minutes for a sound server that hangs."""
_HOMES = ("/home", "/root", "/run/user")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What the unit depends on."""

    command: tuple[str, ...]
    """The program, by its full path, and its first arguments."""
    config: Path
    """Settings of the daemon."""
    user: bool = False
    """Whether it is the service of one user's session, not of the system."""
    microphone: bool = True
    """Whether the daemon listens to a microphone of this device."""
    network: bool = True
    """Whether it talks to anything but sockets in the file system."""
    write_execute: bool = True
    """Whether memory may be both written and executed: the library that opens microphones, and numba, need it."""


def quoted(argument: str) -> str:
    """Return an argument as a line ``ExecStart=`` takes it.

    Raises
    ------
    UsageError
        If it has a line break or another control character in it.
    """
    if any(ord(one) < 32 for one in argument):
        raise UsageError(f"got {argument!r}, expected a path without control characters; rename it")
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if any(one in " \t\"'\\;#" for one in argument) or not argument else escaped


def unit_text(service: Service) -> str:
    """Write the unit.

    Raises
    ------
    UsageError
        If a path cannot be written into one.
    """
    command = " ".join(quoted(one) for one in (*service.command, "daemon", "--config", os.fspath(service.config)))
    control = "systemctl --user" if service.user else "systemctl"
    lines = [
        "# Written by 'vivavoce install-service', which writes it anew: change it with",
        f"# '{control} edit {NAME}', which keeps what you change in a file of its own.",
        "",
        "[Unit]",
        "Description=Voice-liveness gate for wake words",
        "After=" + ("pipewire.service pulseaudio.service" if service.user else "sound.target network.target"),
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=main",
        f"ExecStart={command}",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "# Fed by sound, and by attempts to open the microphone, not by a timer: a daemon that hangs is started anew.",
        f"WatchdogSec={_WATCHDOG_S}",
        f"TimeoutStartSec={_WATCHDOG_S}",
        "TimeoutStopSec=15",
        "Restart=on-failure",
        "RestartSec=2",
        "# 2: the settings cannot work, and will not the next time.",
        "RestartPreventExitStatus=2",
        "",
        f"StateDirectory={NAME}",
        "StateDirectoryMode=0700",
        f"CacheDirectory={NAME}",
        f"RuntimeDirectory={NAME}",
        f"Environment=VIVAVOCE_CACHE_DIR=%C/{NAME}",
        "LimitNOFILE=1024",
        "TasksMax=128",
        "UMask=0077",
        "",
        *_of_any_manager(service),
        *([] if service.user else _of_the_system(service)),
        "",
        "[Install]",
        f"WantedBy={'default' if service.user else 'multi-user'}.target",
    ]
    return "\n".join(lines) + "\n"


def _of_any_manager(service: Service) -> list[str]:
    """Return what the manager of a user's session can enforce, too: it may make no namespaces of its own."""
    families = ["AF_UNIX", *(["AF_INET", "AF_INET6", "AF_NETLINK"] if service.network else [])]
    lines = [
        "NoNewPrivileges=yes",
        f"RestrictAddressFamilies={' '.join(families)}",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "LockPersonality=yes",
        "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged @resources",
        "# What is refused fails; nothing is killed for having asked.",
        "SystemCallErrorNumber=EPERM",
    ]
    if service.write_execute:
        return [
            *lines,
            "# Not MemoryDenyWriteExecute=yes: the library that opens microphones (cffi) makes its callback in memory",
            "# that is written and executed, and numba compiles there where no kernels are kept.",
        ]
    return [*lines, "# Needs the kernels that 'vivavoce doctor --warm' keeps.", "MemoryDenyWriteExecute=yes"]


def _of_the_system(service: Service) -> list[str]:
    lines = [
        "",
        "DynamicUser=yes",
        "PrivateUsers=yes",
        "CapabilityBoundingSet=",
        "AmbientCapabilities=",
        "ProtectSystem=strict",
        *_home(service),
        "PrivateTmp=yes",
        "ProtectProc=invisible",
        "# Not ProcSubset=pid: the interpreter of the networks looks into /proc/cpuinfo to choose its kernels.",
        "ProtectClock=yes",
        "ProtectControlGroups=yes",
        "ProtectHostname=yes",
        "ProtectKernelLogs=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelTunables=yes",
        "RemoveIPC=yes",
        "KeyringMode=private",
        "DevicePolicy=closed",
    ]
    if service.microphone:
        lines += [
            "# Sound devices, and nothing else. Not PrivateDevices=yes, which hides these as well.",
            "SupplementaryGroups=audio",
            "DeviceAllow=char-alsa rw",
        ]
    else:
        lines.append("PrivateDevices=yes")
    if not service.network:
        lines += ["PrivateNetwork=yes", "IPAddressDeny=any"]
    return lines


def _home(service: Service) -> list[str]:
    places = (*service.command, os.fspath(service.config))
    if any(Path(one).is_relative_to(home) for one in places if os.path.isabs(one) for home in _HOMES):
        return ["# The program or its settings are in somebody's home.", "ProtectHome=read-only"]
    return ["ProtectHome=yes"]
