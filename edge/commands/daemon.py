"""``vivavoce daemon``: listen for months, and tell everybody in the home who should know."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "listen to the microphone of this device, and gate its wake words, until it is stopped"

_EPILOG = """\
The file of settings is TOML; everything may be left out. This much is enough for a device with one microphone:

  [sinks.socket]
  path = "/run/vivavoce/answers.sock"

'vivavoce daemon --example' prints them all; 'vivavoce install-service' writes them, and a unit for systemd.

signals: HUP reads bundle, words and cut-offs again without losing a sample; TERM and INT end it cleanly

examples:
  vivavoce daemon --config /etc/vivavoce/daemon.toml
  vivavoce daemon --config daemon.toml --check
  vivavoce daemon --config daemon.toml --log debug

exit code: 0 stopped, or at the end of a source that has one; 1 something broke that should not, and is in the log;
2 the settings cannot work, told in one line
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.paths import named_path

    parser.epilog = _EPILOG
    parser.add_argument("--config", type=named_path, metavar="FILE", help="settings in TOML; see below")
    parser.add_argument("--example", action="store_true", help="print every setting, with its default, and leave")
    parser.add_argument("--check", action="store_true", help="say whether the settings can work, and leave")
    parser.add_argument(
        "--log",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="least level of log entries, which go to stderr [%(default)s]",
    )
    parser.add_argument("--log-json", action="store_true", help="log entries as JSON, an object a line, answers whole")


def run(args: argparse.Namespace) -> int:
    """Run the daemon until it is stopped."""
    import logging
    import signal

    from edge.capture import leave
    from edge.daemon import Daemon
    from edge.daemon_settings import load
    from edge.errors import UsageError
    from edge.logs import begin_logging

    if args.example:
        from edge.output import out
        from edge.settings_example import commented_settings

        out(args).text(commented_settings().rstrip())
        return 0
    if args.config is None:
        raise UsageError(
            "--config: got no file, expected settings in TOML; 'vivavoce daemon --example' prints them all"
        )
    path: Path = args.config
    begin_logging("error" if args.check else args.log, as_json=args.log_json)
    daemon = Daemon(load(path), checking=args.check)
    if args.check:
        from edge.output import out

        out(args).text(f"{path}: can work; words: {', '.join(daemon.status.words)}")
        return 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.stop())
    signal.signal(signal.SIGHUP, lambda *_: daemon.reload())
    try:
        daemon.run()
    except Exception:
        # A bug, or a network that fails: a service manager starts it again. A source that hangs must not keep it.
        logging.getLogger(__name__).exception("the daemon ends")
        return leave(1)
    return leave(0)
