"""Options that say which bundle is used and whose signature is trusted, shared by the commands that open one."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import DataError, UsageError

if TYPE_CHECKING:
    from edge.bundle import Bundle

__all__ = [
    "add_bundle_arguments",
    "add_fitting_arguments",
    "add_password_argument",
    "add_trust_arguments",
    "ask_password",
    "open_chosen",
    "open_fitted",
    "shown",
]


def add_trust_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say whose signature is trusted."""
    group = parser.add_argument_group("signature of the bundle")
    group.add_argument(
        "--public-key",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="trust the key in this file (minisign's format); a bundle that another one signed is refused; repeat it",
    )
    group.add_argument(
        "--require-signature", action="store_true", help="refuse a bundle that none of these keys has signed"
    )


def add_bundle_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that :func:`open_chosen` takes, for a command that says what something means for a bundle."""
    from edge.commands.paths import named_path

    parser.add_argument(
        "--bundle", type=named_path, metavar="DIR", help="the bundle that is used [the one that ships with vivavoce]"
    )
    add_trust_arguments(parser)


def add_fitting_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that move the gate: how readily words are heard, and what a home was calibrated to."""
    from edge.commands.paths import named_path
    from edge.sensitivity import SENSITIVITIES

    parser.add_argument(
        "--sensitivity",
        choices=SENSITIVITIES,
        default="normal",
        help="how readily the words of the bundle are heard: more finds more, also by mistake [%(default)s]",
    )
    parser.add_argument(
        "--calibration",
        type=named_path,
        metavar="FILE",
        help="judge as 'vivavoce calibrate' found for this home [as the bundle shipped]",
    )


def open_chosen(args: argparse.Namespace, path: Path | None) -> "Bundle":
    """Open a bundle if those sign it whom the call trusts.

    Raises
    ------
    BundleError
        If it cannot be used; a :class:`~edge.errors.SignatureError` if it is not trusted, or a key cannot be read.
    UsageError
        If a signature is required and no key is given.
    MissingExtraError
        If keys are given, and what checks signatures is not installed.
    """
    from edge.bundle import open_bundle
    from edge.bundle_trust import BundleTrust

    trust = BundleTrust.from_files(args.public_key, require_signature=args.require_signature)
    return open_bundle(path, trust=trust)


def open_fitted(args: argparse.Namespace, path: Path | None) -> "Bundle":
    """Open a bundle as :func:`open_chosen` does, with the sensitivity and the calibration that the call names.

    Raises
    ------
    DataError
        If the calibration cannot be read.
    UsageError
        If it is for another bundle.
    """
    from edge.sensitivity import tuned

    bundle = open_chosen(args, path)
    if args.calibration is not None:
        from edge.calibration import calibrated, read_calibration

        bundle = calibrated(bundle, read_calibration(args.calibration), where=str(args.calibration))
    return tuned(bundle, args.sensitivity)


def add_password_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the password of a secret key."""
    parser.add_argument(
        "--password-file", type=Path, metavar="FILE", help="its first line is the password of the key [asks for it]"
    )


def ask_password(args: argparse.Namespace, *, twice: bool = False) -> Callable[[], str]:
    """Return what gives the password when it is needed: the file that was named, or the person at the terminal.

    Parameters
    ----------
    args : argparse.Namespace
    twice : bool
        For a new password, which nobody has seen as it was typed.

    Raises
    ------
    DataError
        When it is called: if the file cannot be read, or holds no password.
    UsageError
        When it is called: if there is no file and no terminal, or the two answers differ.
    """

    def ask() -> str:
        import getpass
        import sys

        from edge.files import read_file

        if args.password_file is not None:
            try:
                found = read_file(args.password_file).decode().partition("\n")[0].removesuffix("\r")
            except (OSError, UnicodeDecodeError) as error:
                why = getattr(error, "strerror", None) or "no text"
                raise DataError(
                    f"{args.password_file}: cannot be read ({why}), expected a password; check the path"
                ) from error
            if not found:
                raise DataError(f"{args.password_file}: got an empty first line, expected a password; write it there")
            return found
        if sys.stdin is None or not sys.stdin.isatty():
            raise UsageError(
                "password: got no terminal to ask on, expected one; give --password-file FILE, or run it in a terminal"
            )
        found = getpass.getpass("Password of the key: ")
        if twice and found != getpass.getpass("Once more: "):
            raise UsageError("password: got two different ones, expected the same twice; run it again")
        if not found:
            raise UsageError("password: got none, expected one; with --no-password the key has none")
        return found

    return ask


def shown(value: object) -> str:
    """Return a value of a manifest for people: text that a terminal would act on is quoted, as in JSON."""
    import json

    from edge.strict_json import is_line

    if isinstance(value, str) and is_line(value):
        return value
    return json.dumps(value)
