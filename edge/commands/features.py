"""``vivavoce features``: what the networks are shown, as arrays for NumPy."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge.commands.paths import named_path
from edge.commands.sourcing import add_source_arguments
from edge.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edge.bundle import Bundle

    _Blocks = Iterable[npt.NDArray[np.int16]]
    _Array = npt.NDArray[np.uint16] | npt.NDArray[np.float32]

__all__ = ["SUMMARY", "configure", "run", "targets"]

SUMMARY = "write what the networks are shown, one NumPy file a recording: to look at, or to train elsewhere"

_STDIN = "-"
_STDIN_STEM = "stdin"
_PROGRESS_S = 1.0

_EPILOG = """\
kinds:
  features  (n, 40) uint16. The frontend's output, a row every 10 ms; row i covers the samples 160 i to 160 i + 480 at
            16 kHz. Integers, equal to those of the audio frontend of TensorFlow Lite for Microcontrollers
  cues      (100, 96) float32, 0 to 1. What the liveness network sees of the loudest second of the recording, as
            'vivavoce score liveness' judges it: 3 rows of summary, then a spectrum every 10 ms; 64 bands of 125 Hz,
            then 32 of 31.25 Hz from 0 Hz
  void      (97,) float32. The features of the paper "Void" (USENIX Security 2020), of the same second: 48 LFP, 2 LDF,
            35 HPF, 12 LPCC. No network of vivavoce uses them
Shapes are those of the bundle that ships; features and cues follow the settings in --bundle.

names:
  kitchen.wav becomes DIR/kitchen.npy, and - becomes DIR/stdin.npy. Where two recordings would become the same file,
  nothing is written; --root keeps the folders below it. A file that is there already is kept, unless --force is given.

With --json one object a file:
  {"file","out","kind","shape":[498,40],"dtype":"uint16","seconds":5.0}

examples:
  vivavoce features kitchen.wav hall.flac -o features
  vivavoce features --kind cues --root corpus -o cues corpus/*/*.flac
  python -c "import numpy; print(numpy.load('features/kitchen.npy').shape)"

exit code: 0, or 2 if a file could not be used to its end (the others still are)
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    add_source_arguments(parser, networks=False)
    parser.add_argument(
        "-o", "--out", type=named_path, required=True, metavar="DIR", help="folder to write into; is made"
    )
    parser.add_argument(
        "--kind",
        choices=("features", "cues", "void"),
        default="features",
        help="what to write, see below [%(default)s]",
    )
    parser.add_argument(
        "--root", type=named_path, metavar="DIR", help="keep the folders of the recordings below this one"
    )
    parser.add_argument("--force", action="store_true", help="replace files that are there already")
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Write one array for every file."""
    from edge.cli import process_files
    from edge.commands.bundle_options import open_chosen
    from edge.commands.sourcing import open_source, warn_of_rate
    from edge.output import out, warn
    from edge.sample_time import SAMPLE_RATE_HZ, seconds

    where = targets(args.files, args.out, args.root)
    compute = _computer(args.kind, open_chosen(args, args.bundle))
    output = out(args)
    width = max(len(name) for name in args.files)

    def extract(name: str) -> None:
        target = where[name]
        # Before the work of hours, and not after it.
        if not args.force and _is_there(target):
            raise UsageError(
                f"{name}: got {target} as its output, which is there already, expected none; "
                "choose another folder with -o, or replace it with --force"
            )
        source = open_source(args, name)
        if args.kind != "features":
            warn_of_rate(source)
        heard = _Counted(source.blocks(), name)
        array = compute(heard)
        _write(target, array)
        shape = list(array.shape)
        output.event(
            {
                "file": name,
                "out": str(target),
                "kind": args.kind,
                "shape": shape,
                "dtype": str(array.dtype),
                "seconds": seconds(heard.samples),
            },
            f"{name:<{width}}  {heard.samples / SAMPLE_RATE_HZ:9.2f} s  {' x '.join(map(str, shape)):>11} {array.dtype}"
            f"  {target}",
        )
        source.raise_fault()
        if not array.size:
            warn("shorter than the window of a frame: the array has no row", file=name)

    return process_files(args.files, extract)


def targets(files: Sequence[str], folder: Path, root: Path | None) -> dict[str, Path]:
    """Say where the array of every recording goes.

    Parameters
    ----------
    files : sequence of str
        As the user named them; ``-`` is standard input.
    folder : Path
        Where all arrays go.
    root : Path, optional
        What is below this folder keeps its sub-folders.

    Returns
    -------
    dict
        For each name its file.

    Raises
    ------
    UsageError
        If two recordings would have the same file, or one is not below `root`.
    """
    found: dict[str, Path] = {}
    taken: dict[Path, str] = {}
    for name in files:
        target = folder / _below(name, root)
        if target in taken:
            raise UsageError(
                f"{name}: would be written to {target}, as {taken[target]} would, expected one file a recording; "
                f"nothing was written: {_remedy(taken[target], name, root)}"
            )
        found[name], taken[target] = target, name
    return found


def _below(name: str, root: Path | None) -> Path:
    """Return where an array goes, relative to the folder of all arrays."""
    if name == _STDIN:
        return Path(f"{_STDIN_STEM}.npy")
    path = Path(name)
    file = f"{path.stem}.npy"
    if root is None:
        return Path(file)
    try:
        # Without following links: what the user sees are the names.
        return _absolute(path).parent.relative_to(_absolute(root)) / file
    except ValueError as error:
        raise UsageError(
            f"{name}: lies outside of {root}, expected only recordings below it; nothing was written: "
            "choose a folder that holds all with --root"
        ) from error


def _absolute(path: Path) -> Path:
    import os

    return Path(os.path.abspath(path))


def _remedy(one: str, other: str, root: Path | None) -> str:
    if one == other:
        return "name it once"
    if root is None and _absolute(Path(one)).parent != _absolute(Path(other)).parent:
        return "keep their folders with --root"
    return "give them in two calls, with different folders after -o"


def _computer(kind: str, bundle: "Bundle") -> "Callable[[_Blocks], _Array]":
    """Return what turns the blocks of a recording into its array, with the settings of a bundle."""
    from edge.cues import CueSettings, liveness_cues
    from edge.endpoint import loudest_stretch, loudest_window
    from edge.frontend import Frontend
    from edge.frontend_tables import FrontendSettings
    from edge.liveness import judged_window
    from edge.void import VoidSettings, void_features

    frontend = Frontend(FrontendSettings.from_dict(bundle.frontend))
    settings = CueSettings.from_dict(bundle.liveness.cues)

    def features(blocks: "_Blocks") -> "_Array":
        import numpy as np

        frontend.reset()
        frames = [frontend.push(np.zeros(0, np.int16)), *(frontend.push(block) for block in blocks)]
        return np.concatenate(frames)

    def cues(blocks: "_Blocks") -> "_Array":
        heard, _ = loudest_stretch(blocks, settings.window_samples)
        return liveness_cues(judged_window(heard, settings), settings)

    def void(blocks: "_Blocks") -> "_Array":
        heard, _ = loudest_stretch(blocks, settings.window_samples)
        span = loudest_window(heard, settings.window_samples)
        return void_features(heard[span.start : span.stop], VoidSettings())

    return {"features": features, "cues": cues, "void": void}[kind]


class _Counted:
    """Blocks that are counted; on a terminal, those of a long recording are told of as they pass."""

    def __init__(self, blocks: "_Blocks", name: str) -> None:
        self.samples = 0
        """Samples that have passed."""
        self._blocks = blocks
        self._name = name

    def __iter__(self) -> "Iterator[npt.NDArray[np.int16]]":
        import sys
        import time

        from edge.sample_time import SAMPLE_RATE_HZ

        terminal = sys.stderr is not None and sys.stderr.isatty()
        told, shown = time.monotonic(), False
        try:
            for block in self._blocks:
                self.samples += block.size
                yield block
                if terminal and time.monotonic() - told >= _PROGRESS_S:
                    told, shown = time.monotonic(), True
                    sys.stderr.write(f"\r{self._name}: {self.samples / SAMPLE_RATE_HZ / 60:.1f} min")
                    sys.stderr.flush()
        finally:
            if shown:
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()


def _is_there(target: Path) -> bool:
    import os

    try:
        return os.path.lexists(target)
    except (OSError, ValueError) as error:
        raise _not_writable(target, error) from error


def _write(target: Path, array: "_Array") -> None:
    """Write an array so that the file is either whole or not there.

    Raises
    ------
    UsageError
        If it cannot be written.
    """
    import numpy as np

    from edge.files import write_whole

    try:
        write_whole(target, lambda file: np.save(file, array, allow_pickle=False))
    except OSError as error:
        raise _not_writable(target, error) from error


def _not_writable(target: Path, error: Exception) -> UsageError:
    reason = error.strerror if isinstance(error, OSError) else error
    return UsageError(
        f"{target}: cannot be written ({reason}), expected a folder with room that may be written to; "
        "choose another with -o"
    )
