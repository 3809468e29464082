"""What every command of ``vivavoce`` has in common: how it is found and called, and how it ends.

A command is a module with three names, listed under the entry point group ``vivavoce.commands``::

    SUMMARY: str                              one line for the list of commands
    def configure(parser) -> None             adds its arguments; may set description and epilog
    def run(args) -> int | None               does the work; returns the exit code, None for 0

Only the module of the command that was asked for is imported, and a command imports what is heavy
inside ``run``, so that ``vivavoce --help`` answers at once on a small device. A command may have steps
of its own (``vivavoce train wake``): :func:`add_commands` serves both levels. What commands print is in
:mod:`edge.output`.

Exit codes: 0 done; 2 a fault of the call or of its input, told in one line on stderr for each; 130
interrupted; 141 the reader of the output went away.
"""

import argparse
import difflib
import importlib
import importlib.metadata
import io
import os
import sys
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, NoReturn, Protocol, cast

from edge.errors import MissingExtraError, UsageError, VivavoceError
from edge.output import PROGRAM, OutputError, columns, flush, report_error

__all__ = [
    "COMMAND_GROUP",
    "EXIT_FAULT",
    "EXIT_INTERRUPTED",
    "EXIT_PIPE",
    "Command",
    "Parser",
    "add_commands",
    "installed_commands",
    "main",
    "plain_text",
    "process_files",
    "run_chosen",
]

COMMAND_GROUP = "vivavoce.commands"
"""Entry point group in which sub-commands are found."""

EXIT_FAULT = 2
"""A fault of the call or of its input; the number that argparse uses, too."""
EXIT_INTERRUPTED = 130
"""Stopped by the user: 128 + SIGINT."""
EXIT_PIPE = 141
"""The reader of our output went away: 128 + SIGPIPE."""

_MAX_TEXT_BYTES = 200
"""Of an argument that may become the name of a file, which has room for 255."""


class Command(Protocol):
    """What a command module offers."""

    SUMMARY: str
    """One line for the list of commands."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments to `parser`."""

    def run(self, args: argparse.Namespace) -> int | None:
        """Do the work; return the exit code, None for 0."""


def plain_text(text: str) -> str:
    """Return an argument that is kept in files, as argparse's ``type``: it must be text, and not bytes in disguise."""
    if "\0" in text or not _encodes(text):
        raise argparse.ArgumentTypeError("got bytes that are not UTF-8, expected text")
    if len(text.encode()) > _MAX_TEXT_BYTES:
        raise argparse.ArgumentTypeError(f"got {len(text.encode())} bytes, expected at most {_MAX_TEXT_BYTES}")
    return text


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def process_files(files: Iterable[str | os.PathLike[str]], handle: Callable[[str], object]) -> int:
    """Run `handle` for each file; a file that fails is told of and the next one is taken.

    Parameters
    ----------
    files : iterable of path
        In the order of processing.
    handle : callable
        Called with the path as a string; what it printed before it failed stays printed.

    Returns
    -------
    int
        0, or :data:`EXIT_FAULT` if any file failed.

    Raises
    ------
    MissingExtraError
        A part that is not installed is missing for every file alike: told once, not per file.
    """
    code = 0
    for file in files:
        name = os.fspath(file)
        try:
            handle(name)
        except MissingExtraError:
            raise
        except VivavoceError as error:
            report_error(error, file=name)
            code = EXIT_FAULT
    return code


# ---------------------------------------------------------------------------------------- commands


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of descriptions and examples, and leaves room for option names."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)


class Parser(argparse.ArgumentParser):
    """An argument parser that can hold commands which are not imported before they are needed.

    Parameters
    ----------
    prog : str
        What the user typed to get here, e.g. ``vivavoce train``.
    """

    def __init__(self, prog: str, **settings: Any) -> None:
        # No abbreviations: an option added later must not change what an existing call means.
        super().__init__(prog=prog, formatter_class=_Formatter, allow_abbrev=False, **settings)
        self.commands: dict[str, Callable[[], Command]] = {}
        self.guard: Callable[[], None] | None = None
        self.unguarded: Container[str] = ()

    def format_help(self) -> str:
        """Return the help text, with each command's summary where the parser holds commands."""
        text = super().format_help()
        if not self.commands:
            return text
        rows = [(f"  {name}", _summary(load)) for name, load in self.commands.items()]
        more = f"{self.prog} COMMAND --help tells more about a command."
        return "\n".join([text.rstrip(), "", "commands:", *columns(rows), "", more, ""])


class _Choose(argparse.Action):
    """Loads the chosen command and lets it parse the rest of the line."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        assert isinstance(parser, Parser)
        name, *rest = cast("list[str]", values)
        if name not in parser.commands:
            close = difflib.get_close_matches(name, parser.commands, n=1)
            hint = f"did you mean '{parser.prog} {close[0]}'?" if close else f"there are: {', '.join(parser.commands)}"
            raise UsageError(f"there is no command '{parser.prog} {name}'; {hint} (see: {parser.prog} --help)")
        guarded = name not in parser.unguarded and not {"-h", "--help"}.intersection(rest)
        if parser.guard is not None and guarded:
            parser.guard()
        command = parser.commands[name]()
        below = Parser(f"{parser.prog} {name}", description=command.SUMMARY)
        command.configure(below)
        # Innermost last: run() of a group finds its step behind its own entry. A namespace of its own,
        # because argparse sets no default where the level above already has an attribute of that name.
        start = argparse.Namespace(_chosen=[*namespace._chosen, command], _help=below.format_help)
        for key, value in vars(below.parse_args(rest, start)).items():
            # What was said before the command's name holds, unless it was said again behind it.
            said = hasattr(namespace, key) and getattr(namespace, key) != parser.get_default(key)
            if not said or value != below.get_default(key):
                setattr(namespace, key, value)


def add_commands(
    parser: argparse.ArgumentParser,
    commands: Mapping[str, str | Callable[[], Command]],
    *,
    guard: Callable[[], None] | None = None,
    unguarded: Container[str] = (),
) -> None:
    """Give `parser` commands, each loaded only when it is chosen (or for the list in ``--help``).

    Parameters
    ----------
    parser : Parser
        As handed to ``configure``.
    commands : mapping
        Name to dotted module name, or to a function that loads the module.
    guard : callable, optional
        Called before a command parses its arguments, unless its help is asked for; raises what makes
        all of them pointless (a missing extra), so that this is said first.
    unguarded : container of str
        Names of commands that work without what the guard looks for.
    """
    assert isinstance(parser, Parser), "commands are configured with the parser of edge.cli"
    parser.guard = guard
    parser.unguarded = unguarded
    for name, target in commands.items():
        parser.commands[name] = _importer(target) if isinstance(target, str) else target
    action = parser.add_argument(
        "command", nargs=argparse.PARSER, action=_Choose, metavar="COMMAND", help="one of those below"
    )
    action.required = False  # without one, run_chosen() prints the help


def run_chosen(args: argparse.Namespace) -> int:
    """Run the next command that the line named; without one, print the help of this level.

    Returns
    -------
    int
        The exit code.
    """
    if not args._chosen:
        sys.stdout.write(args._help())
        return 0
    command: Command = args._chosen.pop(0)
    return command.run(args) or 0


def _importer(module: str) -> Callable[[], Command]:
    return lambda: cast(Command, importlib.import_module(module))


def _summary(load: Callable[[], Command]) -> str:
    try:
        return load().SUMMARY
    except (ImportError, AttributeError) as error:  # a foreign or broken command must not hide the others
        return f"(cannot be loaded: {error})"


def installed_commands() -> dict[str, Callable[[], Command]]:
    """Find the commands of all installed distributions.

    Returns
    -------
    dict
        Name to a function that imports the command's module.

    Raises
    ------
    UsageError
        None is found, because the program runs from a folder in which it was never installed.
    """
    found: dict[str, Callable[[], Command]] = {}
    for point in importlib.metadata.entry_points(group=COMMAND_GROUP):
        found.setdefault(point.name, cast("Callable[[], Command]", point.load))
    if not found:
        raise UsageError(f"no commands are installed here; install the distribution first: pip install {PROGRAM}")
    return found


class _Version(argparse.Action):
    """Prints the installed version; looked up only when asked for, as it costs a search of the disk."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        try:
            version = importlib.metadata.version(PROGRAM)
        except importlib.metadata.PackageNotFoundError:
            version = "(not installed)"
        sys.stdout.write(f"{PROGRAM} {version}\n")
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; by default those of the process.

    Returns
    -------
    int
        The exit code. argparse leaves by ``SystemExit`` after ``--help`` (0) and for a call that it
        cannot parse (2).
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file name that is not valid UTF-8 must not stop the output.
        sys.stdout.reconfigure(errors="backslashreplace")
    if sys.stderr is None:
        # Closed from the start: complaints go nowhere, and the exit code still tells. This takes its number, or a file
        # would, and get what C libraries complain of.
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    try:
        parser = Parser(
            PROGRAM,
            description="Hears a wake word and says whether a person or a loudspeaker spoke it.",
        )
        parser.add_argument("--version", action=_Version, nargs=0, help="print the version and leave")
        add_commands(parser, installed_commands())
        start = argparse.Namespace(_chosen=[], _help=parser.format_help)
        code = run_chosen(parser.parse_args(argv, start))
        flush(sys.stdout)
    except VivavoceError as error:
        report_error(error)
        return EXIT_FAULT
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes stdout once more at exit; give it a place where that succeeds.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    except OutputError as error:
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # as above
        report_error(f"standard output: cannot be written ({error}), expected room for results; send them elsewhere")
        return EXIT_FAULT
    return code
