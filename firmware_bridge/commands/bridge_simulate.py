"""``vivavoce bridge simulate``: a device of this machine, which plays recordings over the link."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from edge.output import Output
    from firmware_bridge.simulated.process import SimulatedDevice

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "run the C code of a device on this machine, which plays recordings over the link"

_EPILOG = """\
Compiles the exported frontend, the link and the code of a device with the C compiler of this machine (once; kept in the
user's cache), opens a pseudoterminal in the place of a serial port, and plays the recordings when a host has connected.
The lines to put into the daemon's settings are printed first; then what the host tells: decisions, lights, mute.

With --hear the device detects the wake words itself: frontend and post-processing are its own, and what the network
says was computed beforehand, as there is no interpreter in plain C. --wake tells of words by script instead.

Lines on standard input: "switch" turns the mute switch of the device, "mute" and "unmute" set it, "quit" ends it. While
the switch is on no sound leaves it, whatever the host says. SIGUSR1 to its process turns the switch, too.

With --flash it takes models from "vivavoce bridge send"; the file outlives it, and what was activated is named at the
next start.

examples:
  vivavoce bridge simulate edge/data/scene.flac
  vivavoce bridge simulate --once --hear --pty /tmp/device kitchen.wav hall.wav
  vivavoce bridge simulate --flash /tmp/flash --pty /tmp/device scene.flac
  vivavoce bridge simulate --wake 24000:alexa --json scene.flac

exit code: 0, or 2 with the reason
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("audio", nargs="+", type=Path, metavar="AUDIO", help="recording, of any rate and format")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="whose frontend and words it has [the shipped one]")
    parser.add_argument("--channel", type=int, metavar="N", help="channel to play, from 0 [the mean of all]")
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="N",
        help="times real time; 0 as fast as the host takes it, which a daemon may not hear in time [1]",
    )
    parser.add_argument("--once", action="store_true", help="end when a host has taken the recordings [begin again]")
    parser.add_argument("--pty", type=Path, metavar="LINK", help="symbolic link to make to its pseudoterminal")
    parser.add_argument("--hear", action="store_true", help="the device detects wake words [it sends sound only]")
    parser.add_argument(
        "--wake",
        action="append",
        default=[],
        metavar="INDEX:WORD",
        help="tell of a word that ends at this sample (16 kHz) of the recordings; repeat it",
    )
    parser.add_argument("--rate", type=float, default=0.0, metavar="BYTES", help="of the line, bytes/s [no limit]")
    parser.add_argument(
        "--flash", type=Path, metavar="FILE", help="keep its flash in this file, and take models into it [takes none]"
    )
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run it."""
    import sys
    import tempfile
    import threading

    from edge.bundle import open_bundle
    from edge.output import out
    from firmware_bridge.simulated.build import build_device
    from firmware_bridge.simulated.process import SimulatedDevice, readable
    from firmware_bridge.simulated.sound import prepare, read_sound

    wakes = _checked(args)
    output = out(args)
    pcm = read_sound(args.audio, channel=args.channel)
    bundle = open_bundle(args.bundle)
    program = build_device(bundle)
    with tempfile.TemporaryDirectory(prefix="vivavoce-simulate.") as folder:
        sound = prepare(bundle, pcm, Path(folder), hears=args.hear)
        device = SimulatedDevice(
            program, sound, speed=args.speed, once=args.once, wakes=wakes, rate=args.rate, flash=args.flash
        )
        link = None
        with device:
            try:
                if args.pty is not None:
                    link = _linked(args.pty, device.pty)
                _introduce(output, device.pid, device.pty, link, sound.seconds, words=bool(wakes or args.hear))
                if sys.stdin is not None:
                    threading.Thread(target=_forward, args=(sys.stdin, device), daemon=True).start()
                for event in device.events():
                    output.event(event, readable(event))
            finally:
                if link is not None:
                    _unlinked(link, device.pty)
    return 0


def _checked(args: argparse.Namespace) -> list[tuple[int, str]]:
    from edge.errors import UsageError
    from firmware_bridge.link.table import kind_named

    for name, value, most in (("--speed", args.speed, 1000), ("--rate", args.rate, 1e9)):
        if not 0 <= value <= most:
            raise UsageError(f"{name}: got {value:g}, expected a number from 0 to {most:g}; correct it")
    if args.flash is not None and (args.flash.is_dir() or not args.flash.absolute().parent.is_dir()):
        raise UsageError(f"--flash: {args.flash} is no file in a folder that is there; name one, which is made if new")
    longest = kind_named("wake").field("word").count
    wakes = []
    for text in args.wake:
        index, _, word = text.partition(":")
        digits = index.isascii() and index.isdigit() and len(index) < 13
        if not digits or not 0 < len(word.encode(errors="replace")) <= longest or not word.isprintable():
            raise UsageError(
                f"--wake: got {text!r}, expected INDEX:WORD with a word of up to {longest} bytes, e.g. 24000:alexa"
            )
        wakes.append((int(index), word))
    return sorted(wakes)


def _linked(link: Path, pty: str) -> Path:
    """Make the link, over one that was left behind, and over nothing else."""
    import os

    from edge.errors import UsageError

    try:
        if link.is_symlink() and os.readlink(link).startswith("/dev/pts/"):
            link.unlink()
        link.symlink_to(pty)
    except FileExistsError:
        raise UsageError(f"--pty: {link} is there and no link to a pseudoterminal; choose another name") from None
    except OSError as error:
        raise UsageError(f"--pty: {link} cannot be made ({error.strerror}); choose another name") from error
    return link


def _unlinked(link: Path, pty: str) -> None:
    import contextlib
    import os

    with contextlib.suppress(OSError):  # somebody has removed it already
        if os.readlink(link) == pty:
            link.unlink()


def _introduce(output: "Output", pid: int, pty: str, link: Path | None, seconds: float, *, words: bool) -> None:
    port = pty if link is None else str(link.absolute())
    lines = [
        f"A device at {port}, with {seconds:.1f} s of sound; it plays when a host is there. For the daemon:",
        "",
        "  [source]",
        '  kind = "firmware"',
        f'  port = "{port}"',
        *(['  words = "device"'] if words else []),
        "",
        "  [sinks.firmware]",
        f'  port = "{port}"',
        "",
        f'"switch" and return, or kill -USR1 {pid}, turns its mute switch.',
    ]
    record = {"event": "ready", "pty": pty, "port": port, "pid": pid, "seconds": seconds}
    output.event(record, "\n".join(lines))


def _forward(stdin: TextIO, device: "SimulatedDevice") -> None:
    for line in stdin:
        device.tell(line.strip())
