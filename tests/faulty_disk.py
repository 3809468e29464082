"""A disk that stops in the middle: processes killed at every point of their work, and power lost at every point.

What a process does to files is watched by wrapping the calls that do it: opening for writing, writing, flushing to the
disk, renaming, making and removing. :func:`killed` kills a child with SIGKILL at the n-th point of that, more than half
of which are inside a write. :class:`Journal` keeps what was done, and :meth:`Journal.outcomes` says what a file system
may hold after the power was lost: of what was not flushed, nothing, a part, zeros, or all.
"""

import builtins
import contextlib
import io
import os
import shutil
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["FRACTIONS", "LOSSES", "Journal", "killed", "watched"]

FRACTIONS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Parts of the bytes of a write that are there when it is stopped; at least one byte is."""
LOSSES = ("none", "half", "zeros", "all")
"""What is there of data that was not flushed."""


class Point(NamedTuple):
    """A moment at which a process can be stopped."""

    kind: str
    """The call; ``write`` is inside it, all others before it."""
    path: str


class _File:
    """A file without a buffer, of which every write is told."""

    def __init__(self, raw: Any, path: str, tell: "_Watch") -> None:
        self._raw, self._path, self._tell = raw, path, tell

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()

    def write(self, content: bytes) -> int:
        view = memoryview(content).cast("B")
        done = 0
        for fraction in self._tell.fractions:
            upto = max(done, min(len(view), max(1, int(fraction * len(view)))))
            self._raw.write(view[done:upto])
            self._tell.wrote(self._path, bytes(view[done:upto]))
            done = upto
            self._tell.point("write", self._path)
        return len(view)


class _Watch:
    """Takes what is done; a subclass acts on it."""

    fractions = FRACTIONS
    """Parts in which a write is made."""

    def point(self, kind: str, path: str) -> None:
        """Tell of a moment."""

    def wrote(self, path: str, content: bytes) -> None:
        """Tell of bytes at the end of a file."""

    def did(self, kind: str, path: str, other: str = "") -> None:
        """Tell of a call that was made."""


@contextlib.contextmanager
def watched(watch: _Watch) -> Iterator[None]:
    """Wrap the calls that change files."""
    real_open, real = (
        builtins.open,
        {name: getattr(os, name) for name in ("replace", "fsync", "mkdir", "unlink", "rmdir")},
    )

    def opened(file: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if not set(mode) & set("wxa"):
            return real_open(file, mode, *rest, **more)
        assert "b" in mode, "only bytes are written"
        path = os.path.abspath(os.fspath(file))
        watch.point("open", path)
        there = os.path.exists(path)
        raw = real_open(file, mode, buffering=0)
        if not there or "w" in mode:
            watch.did("create", path)
        return _File(raw, path, watch)

    def call(name: str) -> Callable[..., None]:
        def wrapped(path: Any, *rest: Any, **more: Any) -> None:
            shown = os.readlink(f"/proc/self/fd/{path}") if isinstance(path, int) else os.path.abspath(os.fspath(path))
            watch.point(name, shown)
            if name != "fsync":  # the page cache outlives a process, and the journal has its own idea of a disk
                real[name](path, *rest, **more)
            other = os.path.abspath(os.fspath(rest[0])) if name == "replace" else ""
            watch.did(name, shown, other)

        return wrapped

    def rmtree(path: Any, *_: Any, **__: Any) -> None:
        for name in sorted(os.listdir(path)):
            below = os.path.join(path, name)
            rmtree(below) if os.path.isdir(below) and not os.path.islink(below) else os.unlink(below)
        os.rmdir(path)

    patches = [(builtins, "open", opened), (io, "open", opened), (shutil, "rmtree", rmtree)]
    patches += [(os, name, call(name)) for name in real]
    before = [(where, name, getattr(where, name)) for where, name, _ in patches]
    for where, name, put in patches:
        setattr(where, name, put)
    try:
        yield
    finally:
        for where, name, put in before:
            setattr(where, name, put)


# ------------------------------------------------------------------------------------------------ killed


class _Killer(_Watch):
    def __init__(self, at: int, note: int) -> None:
        self._left, self._note = at, note

    def point(self, kind: str, path: str) -> None:
        if self._left == 0:
            os.write(self._note, f"{kind} {path}".encode())
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1


def killed(work: Callable[[], object], at: int) -> Point | None:
    """Do the work in a child that is killed at its point `at`.

    Returns
    -------
    Point or None
        Where it was; None if the work was done before it came to such a point.
    """
    reading, note = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            with watched(_Killer(at, note)):
                work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(note)
    with open(reading, "rb") as file:
        told = file.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        assert told, "killed by somebody else"
        return Point(*told.split(" ", 1))
    assert os.waitstatus_to_exitcode(status) == 0, "the work failed"
    return None


# ------------------------------------------------------------------------------------------------ power lost


class Left(NamedTuple):
    """A file as it is after a loss of power."""

    inode: int
    """Which one: each file that is made is another, whatever it is called."""
    flushed: int
    """Bytes that are there in any case."""
    written: int
    """Bytes that had been written."""
    loss: str
    """What is there of those that were not flushed; empty where all were."""


Outcome = dict[str, Left | None]
"""Files, and folders (None), by their path."""


class Journal(_Watch):
    """Everything that was done to the files below a folder, in order.

    Parameters
    ----------
    root : Path
        What is in it at the beginning is on the disk.
    """

    fractions = (1.0,)  # what was lost of a write is another matter, see LOSSES

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._inodes: list[bytearray] = []
        self._before: dict[str, int | None] = {}
        for path in sorted(root.rglob("*")):
            name = os.path.relpath(path, root)
            self._before[name] = None if path.is_dir() else len(self._inodes)
            if not path.is_dir():
                self._inodes.append(bytearray(path.read_bytes()))
        self._old = [len(content) for content in self._inodes]
        self._steps: list[tuple[str, str, str, int]] = []
        self._running = dict(self._before)

    def __len__(self) -> int:
        """Return how much was done."""
        return len(self._steps)

    def wrote(self, path: str, content: bytes) -> None:
        inode = self._running.get(os.path.relpath(path, self._root))
        if inode is not None:
            self._inodes[inode] += content
            self._keep("write", path, "", len(content))

    def did(self, kind: str, path: str, other: str = "") -> None:
        self._keep(kind, path, other, 0)

    def _keep(self, kind: str, path: str, other: str, size: int) -> None:
        if path != self._root and not path.startswith(self._root + "/"):
            return
        path, other = os.path.relpath(path, self._root), os.path.relpath(other, self._root) if other else ""
        if kind == "create":
            size = len(self._inodes)
            self._inodes.append(bytearray())
        self._steps.append((kind, path, other, size))
        _change(self._running, kind, path, other, size)

    def outcomes(self) -> Iterator[Outcome]:
        """Yield what may be there after the power was lost at any point; the same may come again.

        File systems keep the order in which names were changed, and data only where they were flushed; names in a
        folder that was flushed are there in any case.
        """
        for at in range(len(self) + 1):
            for kept in range(at + 1):
                for loss in LOSSES:
                    yield self._outcome(at, kept, loss)

    def _outcome(self, at: int, kept: int, loss: str) -> Outcome:
        steps = self._steps[:at]
        last_flush = {path: i for i, (kind, path, _, _) in enumerate(steps) if kind == "fsync"}
        written, flushed = dict(enumerate(self._old)), dict(enumerate(self._old))
        # What the running process sees tells which file is written to, whatever becomes of the names.
        names, running = dict(self._before), dict(self._before)
        for i, (kind, path, other, size) in enumerate(steps):
            if kind in ("write", "fsync"):
                inode = running.get(path)
                if inode is not None:
                    written[inode] += size
                    if kind == "fsync":
                        flushed[inode] = written[inode]
                continue
            if kind == "create":
                written[size] = flushed[size] = 0
            _change(running, kind, path, other, size)
            if i < kept or i < last_flush.get(os.path.dirname(path) or ".", -1):
                _change(names, kind, path, other, size)
        return {
            path: None if n is None else Left(n, flushed[n], written[n], loss if flushed[n] < written[n] else "")
            for path, n in names.items()
        }

    def lay_out(self, outcome: Outcome, target: Path) -> None:
        """Make the files of an outcome in an empty folder."""
        for path, left in sorted(outcome.items()):
            place = target / path
            if left is None:
                place.mkdir(parents=True, exist_ok=True)
            elif place.parent.is_dir():
                content = bytes(self._inodes[left.inode][: left.written])
                rest = content[left.flushed :]
                kept = {"none": b"", "half": rest[: len(rest) // 2], "zeros": bytes(len(rest))}.get(left.loss, rest)
                place.write_bytes(content[: left.flushed] + kept)


def _change(tree: dict[str, int | None], kind: str, path: str, other: str, inode: int) -> None:
    """Change names as a call does."""
    if kind in ("create", "mkdir"):
        tree[path] = inode if kind == "create" else None
    elif kind in ("unlink", "rmdir"):
        tree.pop(path, None)
    elif kind == "replace" and path in tree:
        for name in [name for name in tree if name == path or name.startswith(path + "/")]:
            tree[other + name[len(path) :]] = tree.pop(name)
