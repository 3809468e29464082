"""``vivavoce monitor reset``: what is heard from now on is what is normal."""

import argparse

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "take what is heard from now on for normal: after a new microphone, or a new place"

_EPILOG = """\
What was normal is forgotten, and learned anew from the next answers; alarms that are up are over. Their dates stay in
the report. The daemon may be running: it notices with the next answer.

example:
  vivavoce monitor reset --config /etc/vivavoce.toml

exit code: 0, or 2 if there is nothing to forget, or it cannot be written
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.monitor_options import add_state_argument
    from edge.commands.paths import named_path
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    add_state_argument(parser)
    parser.add_argument("--config", type=named_path, metavar="FILE", help="settings of the daemon")
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Forget what was normal."""
    from edge.commands.monitor_options import chosen_state, monitor_settings
    from edge.drift_monitor import read_state, write_state
    from edge.drift_watch import Watch
    from edge.errors import StoreError
    from edge.output import out, warn

    path, rules = chosen_state(args), monitor_settings(args).rules
    old, new = Watch(rules), Watch(rules)
    try:
        read_state(path, old)
        new.alarms = old.alarms
    except FileNotFoundError as error:
        raise StoreError(
            f"{path}: there is no state of a monitor, expected one; a daemon with [monitor] makes it, or name another "
            "with --state"
        ) from error
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    except StoreError as error:
        warn(str(error))
    try:
        write_state(path, new)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}); check the permissions of its folder"
        ) from error
    out(args).event({"event": "reset", "state": str(path)}, f"{path}: what is normal is learned anew")
    return 0
