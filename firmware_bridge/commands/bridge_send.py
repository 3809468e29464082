"""``vivavoce bridge send``: a bundle over the link into the flash of a microcontroller."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "send a bundle over the link to a microcontroller"

_EPILOG = """\
The bundle is sent as one model image. The device receives it beside the model that runs, checks its hash over what is
in its flash, and only then makes it the next to run. A link that breaks is opened again, and what is stored is not sent
again; run the same command once more after an interruption. See docs/transfer.md.

examples:
  vivavoce bridge send edge/data/bundle --port /dev/ttyACM0
  vivavoce bridge send bundle --port tcp:192.168.1.20:7000 --public-key vendor.pub --require-signature
  vivavoce bridge send edge/data/bundle --image model.vvmodel          write the image, send nothing

exit code: 0 if the device has it, or 2 with the reason; then the device runs what it ran before
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.bundle_options import add_trust_arguments
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of a bundle")
    parser.add_argument("--port", metavar="PORT", help="serial port, tcp:HOST:PORT, or unix:/path")
    parser.add_argument(
        "--baud", type=int, default=921_600, metavar="RATE", help="rate of a serial port, bit/s [%(default)s]"
    )
    parser.add_argument("--image", type=Path, metavar="FILE", help="write the image into this file")
    parser.add_argument(
        "--patience", type=float, default=30.0, metavar="SECONDS",
        help="time without progress after which it is given up [%(default)s]",
    )  # fmt: skip
    add_trust_arguments(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Send it."""
    from edge.commands.bundle_options import open_chosen
    from edge.errors import DataError, UsageError
    from edge.files import write_whole
    from edge.output import out
    from firmware_bridge.link.bundle_image import image_bytes, image_of
    from firmware_bridge.link.bundle_sender import BundleSender
    from firmware_bridge.link.bundle_transfer import send_image
    from firmware_bridge.link_port import LinkSettings, opener

    if args.port is None and args.image is None:
        raise UsageError("--port: got none, expected the port of a device; name it, or give --image FILE")
    if not 0 < args.patience < float("inf"):
        raise UsageError(f"--patience: got {args.patience:g}, expected seconds above 0; correct it")
    if not 1200 <= args.baud <= 12_000_000:
        raise UsageError(f"--baud: got {args.baud}, expected 1200 to 12000000 bit/s; give the rate of the firmware")
    connect = None
    if args.port is not None:
        connect = opener(LinkSettings(port=_port(args.port), baud=args.baud), "--port")
    content = image_bytes(image_of(open_chosen(args, args.bundle)))
    if args.image is not None:
        try:
            write_whole(args.image, lambda file: file.write(content))
        except OSError as error:
            raise DataError(f"{args.image}: cannot be written ({error.strerror}); choose another file") from error
    sender = BundleSender(content)
    record = {"event": "send", "bytes": len(content), "sha256": sender.sha256.hex()}
    if connect is None:
        out(args).event(record | {"state": "written"}, f"{args.image}: {len(content)} bytes, {sender.sha256.hex()}")
        return 0
    with _progress(len(content)) as told:
        send_image(connect, sender, told, patience_s=args.patience)
    if sender.state == "refused":
        raise DataError(f"{args.port}: the device refused the model: {sender.reason}")
    said = {"active": "runs from the next start of the device on, or runs already"}.get(
        sender.state, "is whole on the device, which has not activated it yet"
    )
    record |= {"state": sender.state, "bytes_sent": sender.sent_bytes}
    out(args).event(record, f"{args.port}: the model {said} ({sender.sent_bytes} of {len(content)} bytes were sent)")
    return 0


def _port(name: str) -> str:
    """Return a port as the daemon names it; HOST:PORT and paths of sockets are known, too."""
    if Path(name).exists():
        path = Path(name).absolute()
        return f"unix:{path}" if path.is_socket() else str(path)
    host, _, number = name.rpartition(":")
    named = host.startswith("tcp:") or name.startswith(("unix:", "/"))
    return f"tcp:{name}" if host and number.isdecimal() and not named else name


class _progress:  # noqa: N801
    """A bar on a terminal, and nothing elsewhere."""

    def __init__(self, total: int) -> None:
        import sys

        self._total, self._shown = total, -1
        self._stream = sys.stderr if sys.stderr is not None and sys.stderr.isatty() else None

    def __enter__(self) -> "_progress":
        return self

    def __call__(self, sender: object) -> None:
        """Draw what the device has."""
        percent = 100 * getattr(sender, "stored", 0) // self._total
        if self._stream is not None and percent != self._shown:
            self._shown = percent
            self._stream.write(f"\r[{'#' * (percent // 4):25}] {percent:3} %")
            self._stream.flush()

    def __exit__(self, *_: object) -> None:
        if self._stream is not None and self._shown >= 0:
            self._stream.write("\r\033[K")
            self._stream.flush()
