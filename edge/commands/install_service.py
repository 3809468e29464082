"""``vivavoce install-service``: let systemd run the daemon."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.service_unit import Service

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "write a unit for systemd, and settings to begin with, so that the daemon runs from the start of the device"

_EPILOG = """\
Two files are written: the unit, anew every time, and settings with comments, only where there are none. Nothing is
started, and nothing that runs is touched; what is to be done next is printed. Change the unit with
'systemctl edit vivavoce', which keeps your changes apart from it.

The unit runs the daemon as a user of its own, which is made when it starts, and takes from it what it does not need.
Say what it does not need on your device, and more is taken: --no-microphone where sound comes through a pipe or a
socket, --no-network where all who are told listen at sockets in the file system.

examples:
  sudo vivavoce install-service
  vivavoce install-service --user
  vivavoce install-service --print --no-network
  vivavoce install-service --root build/image

exit code: 0, or 2 with the reason; what was there before still is
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.paths import named_path
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("--user", action="store_true", help="for your own session, without root")
    parser.add_argument(
        "--config",
        type=named_path,
        metavar="FILE",
        help="settings of the daemon [/etc/vivavoce/daemon.toml; with --user ~/.config/vivavoce/daemon.toml]",
    )
    parser.add_argument("--print", action="store_true", help="print the unit, and write nothing")
    parser.add_argument(
        "--root", type=named_path, metavar="DIR", help="write below this folder, e.g. of an image that is built [/]"
    )
    parser.add_argument(
        "--command", type=named_path, metavar="FILE", help="the program that the unit starts [this one, where it is]"
    )
    parser.add_argument(
        "--no-microphone", action="store_true", help="sound does not come from a microphone of this device"
    )
    parser.add_argument("--no-network", action="store_true", help="nobody is told through the network")
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Write the files, or print one."""
    import os

    from edge.errors import DataError, UsageError
    from edge.output import Output, out
    from edge.service_unit import NAME, unit_text

    if args.print and args.root is not None:
        raise UsageError("--root: got a folder beside --print, expected one of the two; --print writes nothing")
    service = _service(args)
    text = unit_text(service)
    if args.print:
        Output(as_json=False).text(text.rstrip("\n"))
        return 0
    unit = _units(service.user) / f"{NAME}.service"
    root: Path = args.root or Path("/")
    written, kept = [], []
    for path, content in ((service.config, _settings(service)), (unit, text)):
        target = root / path.relative_to(path.anchor)
        if path == service.config and os.path.lexists(target):
            kept.append(target)
            continue
        try:
            _put(target, content)
        except OSError as error:
            what = "run it with sudo, or with --user" if isinstance(error, PermissionError) else "check the folder"
            raise DataError(f"{target}: cannot be written ({error.strerror}); {what}") from error
        written.append(target)
    output = out(args)
    steps = _next_steps(service, at_once=args.root is None)
    record = {
        "unit": str(unit),
        "config": str(service.config),
        "written": [str(path) for path in written],
        "kept": [str(path) for path in kept],
        "next": steps,
    }
    lines = [*(f"written: {path}" for path in written), *(f"kept as it was: {path}" for path in kept)]
    output.event(record, "\n".join([*lines, "next:", *(f"  {step}" for step in steps)]))
    return 0


def _put(target: Path, content: str) -> None:
    from edge.files import write_whole

    write_whole(target, lambda file: file.write(content.encode()), durable=True)
    # The daemon reads its settings as a user that is only made when it starts.
    target.chmod(0o644)


def _service(args: argparse.Namespace) -> "Service":
    import os
    import sys

    from edge.service_unit import NAME, Service

    home = Path("~/.config").expanduser()
    given = os.environ.get("XDG_CONFIG_HOME", "")
    folder = (Path(given) if os.path.isabs(given) else home) if args.user else Path("/etc")
    beside = Path(sys.executable).with_name("vivavoce")
    if args.command is not None:
        command: tuple[str, ...] = (os.path.abspath(args.command),)
    elif beside.is_file():
        command = (str(beside),)
    else:
        command = (sys.executable, "-m", "edge")
    return Service(
        command=command,
        config=Path(os.path.abspath(args.config)) if args.config else folder / NAME / "daemon.toml",
        user=args.user,
        microphone=not args.no_microphone,
        network=not args.no_network,
        write_execute=not args.no_microphone or not _kernels_are_kept(),
    )


def _kernels_are_kept() -> bool:
    from edge import native
    from edge.kernel_form import wanted_form

    return wanted_form() != "numba" and native.find() is not None


def _units(user: bool) -> Path:
    import os

    if not user:
        return Path("/etc/systemd/system")
    given = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(given) if os.path.isabs(given) else Path("~/.config").expanduser()) / "systemd" / "user"


def _settings(service: "Service") -> str:
    import os
    from importlib.resources import files

    from edge.service_unit import NAME

    runtime = f"/run/user/{os.getuid()}/{NAME}" if service.user else f"/run/{NAME}"
    text = files("edge").joinpath("data/daemon.toml").read_text(encoding="utf-8").replace("@RUNTIME@", runtime)
    if service.microphone:
        return text
    kind = 'kind = "microphone"           # or "pipe", "file"'
    pipe = f'kind = "pipe"                 # or "microphone", "file"\npath = "{runtime}/sound"   # make it with mkfifo'
    return text.replace(kind, pipe, 1)


def _next_steps(service: "Service", *, at_once: bool) -> list[str]:
    from edge.service_unit import NAME, quoted

    program = " ".join(quoted(one) for one in service.command)
    control = f"systemctl{' --user' if service.user else ''}"
    steps = [f"{program} doctor --warm", f"{program} daemon --config {quoted(str(service.config))} --check"]
    if not at_once:
        return [*steps, f"{control} --root DIR enable {NAME}"]
    steps += [f"{control} daemon-reload", f"{control} enable --now {NAME}", f"{control} status {NAME}"]
    return [*steps, "loginctl enable-linger   (to listen while nobody is logged in)"] if service.user else steps
