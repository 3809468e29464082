"""What a disk may hold when the power fails, from a record of every call that reached it (strace).

The model is that of a disk and a file system which keep what was synchronised and nothing else for certain. Of what was
written since the last ``fsync`` or ``fdatasync`` of a file any part may be there, in units of sectors and in any order;
a new length may be there or not, and so may a name that was made or removed since its folder was synchronised.
"""

import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Call", "Disk", "record"]

SECTOR = 512
_CALLS = "openat,pwrite64,write,fsync,fdatasync,ftruncate,unlink,rename,close"
_LINE = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


@dataclass(frozen=True)
class Call:
    """A call that changed a file, synchronised one, or said something."""

    kind: str
    """``create``, ``write``, ``cut``, ``sync``, ``sync folder``, ``remove`` or ``say``."""
    name: str = ""
    """The file, below the folder."""
    at: int = 0
    """Offset of a write, or the new length."""
    content: bytes = b""


def record(command: list[str], folder: Path, log: Path) -> list[Call]:
    """Run a program, and return what it did to the files of a folder, and said on its standard output, in order."""
    if shutil.which("strace") is None:
        raise SystemExit("strace is missing; install it with: sudo apt-get install strace")
    traced = ["strace", "-f", "-xx", "-s", "10000000", "-e", f"trace={_CALLS}", "-e", "signal=none", "-o", str(log)]
    subprocess.run([*traced, *command], check=True, stdout=subprocess.DEVNULL)
    return list(_calls(log.read_text(), folder))


def _calls(trace: str, folder: Path) -> Iterator[Call]:
    opened: dict[int, str] = {}
    there: set[str] = set()
    for line in trace.splitlines():
        if "<unfinished" in line and "pwrite64" in line:
            raise SystemExit("the record is torn: two threads wrote at once")
        found = _LINE.match(line)
        if found is None or int(found[3]) < 0:
            continue
        kind, told, result = found[1], found[2], int(found[3])
        texts = [bytes.fromhex(text.replace("\\x", "")) for text, cut in _TEXT.findall(told) if not cut]
        number = int(told.split(",")[0]) if told[:1].isdigit() else -1
        if kind == "openat":
            path = Path(texts[0].decode())
            if path == folder:
                opened[result] = "."
            elif path.parent == folder:
                opened[result] = path.name
                if "O_CREAT" in told and path.name not in there:
                    there.add(path.name)
                    yield Call("create", path.name)
        elif kind == "close":
            opened.pop(number, None)
        elif kind == "unlink" and Path(texts[0].decode()).parent == folder:
            there.discard(Path(texts[0].decode()).name)
            yield Call("remove", Path(texts[0].decode()).name)
        elif kind == "write" and number == 1:
            yield Call("say", content=texts[0])
        elif number in opened:
            name = opened[number]
            if kind == "pwrite64":
                yield Call("write", name, int(told.rsplit(",", 1)[1]), texts[0][:result])
            elif kind == "ftruncate":
                yield Call("cut", name, int(told.rsplit(",", 1)[1]))
            elif kind in ("fsync", "fdatasync"):
                yield Call("sync folder") if name == "." else Call("sync", name)
            elif kind == "write":
                raise SystemExit(f"{name}: was written in a way that the model does not know")


@dataclass
class _File:
    content: bytearray = field(default_factory=bytearray)
    pending: list[Call] = field(default_factory=list)


class Disk:
    """The folder as it is certain to be, and what may have come to it since."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        # Names are those that are certain; changes of names wait for the folder.
        self._names: dict[str, _File] = {}

    def push(self, call: Call) -> None:
        """Take the next call."""
        if call.kind == "create":
            self._files[call.name] = _File()
        elif call.kind == "remove":
            self._files.pop(call.name, None)
        elif call.kind in ("write", "cut") and call.name in self._files:
            self._files[call.name].pending.append(call)
        elif call.kind == "sync" and call.name in self._files:
            file = self._files[call.name]
            for one in file.pending:
                _apply(file.content, one)
            file.pending.clear()
        elif call.kind == "sync folder":
            self._names = dict(self._files)

    def states(self, rng: random.Random, draws: int) -> Iterator[dict[str, bytes]]:
        """Yield what may be there: nothing of what is pending, all of it, and parts at random."""
        yield {name: bytes(file.content) for name, file in self._names.items()}
        yield {name: bytes(_with(file, file.pending)) for name, file in self._files.items()}
        if not any(file.pending for file in self._files.values()) and self._names == self._files:
            return
        for _ in range(draws):
            names = {}
            for name in self._names.keys() | self._files.keys():
                before, after = self._names.get(name), self._files.get(name)
                file = rng.choice((before, after))
                if file is not None:
                    names[name] = file
            yield {name: bytes(self._torn(file, rng)) for name, file in names.items()}

    @staticmethod
    def _torn(file: _File, rng: random.Random) -> bytearray:
        """Apply some of what is pending, cut into sectors, in any order."""
        share = rng.choice((0.1, 0.5, 0.9))
        parts = [part for call in file.pending for part in _sectors(call) if rng.random() < share]
        if rng.random() < 0.5:
            rng.shuffle(parts)
        return _with(file, parts)


def _with(file: _File, calls: list[Call]) -> bytearray:
    content = bytearray(file.content)
    for call in calls:
        _apply(content, call)
    return content


def _apply(content: bytearray, call: Call) -> None:
    if call.kind == "cut":
        del content[call.at :]
        content.extend(bytes(call.at - len(content)))
        return
    content.extend(bytes(max(0, call.at - len(content))))
    content[call.at : call.at + len(call.content)] = call.content


def _sectors(call: Call) -> Iterator[Call]:
    if call.kind == "cut":
        yield call
        return
    at, end = call.at, call.at + len(call.content)
    while at < end:
        stop = min(end, (at // SECTOR + 1) * SECTOR)
        yield Call("write", call.name, at, call.content[at - call.at : stop - call.at])
        at = stop
