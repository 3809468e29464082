"""Shards are computed once, in parallel or not, and an interrupted set is completed."""

import os
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edge.errors import DataError
from train.engines.choice import Engine
from train.shards import build_shards, cache_key


def _make(index: int, *, log: Path, fail_at: int = -1) -> dict[str, np.ndarray]:
    if index == fail_at:
        raise RuntimeError("interrupted")
    with log.open("a") as file:
        file.write(f"{index}\n")
    return {"x": np.full(2, index)}


def test_an_interrupted_set_is_completed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(RuntimeError, match="interrupted"):
        build_shards(tmp_path, "s", {"a": 1}, 4, partial(_make, log=log, fail_at=2), engine=Engine(workers=1))
    got = build_shards(tmp_path, "s", {"a": 1}, 4, partial(_make, log=log), engine=Engine(workers=1))
    assert got["x"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert log.read_text().split() == ["0", "1", "2", "3"]


def test_processes_give_the_same_as_one(tmp_path: Path) -> None:
    one = build_shards(tmp_path / "one", "s", {}, 3, partial(_make, log=tmp_path / "a"), engine=Engine(workers=1))
    two = build_shards(tmp_path / "two", "s", {}, 3, partial(_make, log=tmp_path / "b"), engine=Engine(workers=2))
    assert np.array_equal(one["x"], two["x"])


def test_other_settings_are_another_set() -> None:
    assert cache_key({"seed": 1}) != cache_key({"seed": 2})
    assert cache_key({"a": 1, "b": 2}) == cache_key({"b": 2, "a": 1})


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(DataError, match=r"No space left on device.*finished shards are kept"):
        build_shards(tmp_path, "s", {}, 1, partial(_make, log=tmp_path / "log"), engine=Engine(workers=1))
    assert not list(tmp_path.rglob("*.npz"))
    assert not list(tmp_path.rglob("*.tmp"))


def _short_of_memory(index: int) -> dict[str, np.ndarray]:
    raise MemoryError


def test_memory_that_ran_out_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"00000\.npz: memory ran out; run again with fewer --workers"):
        build_shards(tmp_path, "s", {}, 2, _short_of_memory, engine=Engine(workers=1))


def test_a_cache_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file/s-\w+: the shard cannot be written \(Not a directory\)"):
        build_shards(tmp_path / "file", "s", {}, 1, partial(_make, log=tmp_path / "log"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"not a zip file"])
def test_a_damaged_shard_is_named(tmp_path: Path, content: bytes) -> None:
    make = partial(_make, log=tmp_path / "log")
    build_shards(tmp_path, "s", {}, 3, make, engine=Engine(workers=1))
    (damaged,) = tmp_path.rglob("00001.npz")
    damaged.write_bytes(content)
    with pytest.raises(DataError, match=r"00001\.npz: not a shard that can be read .*remove it and run again"):
        build_shards(tmp_path, "s", {}, 3, make)
    damaged.unlink()
    assert build_shards(tmp_path, "s", {}, 3, make)["x"].tolist() == [0, 0, 1, 1, 2, 2]


def test_what_killed_processes_left_goes_when_nobody_can_be_writing_it(tmp_path: Path) -> None:
    make = partial(_make, log=tmp_path / "log")
    build_shards(tmp_path, "s", {}, 1, make)
    (folder,) = tmp_path.glob("s-*")
    for name in ("old", "new"):
        (folder / f".{name}.tmp").write_text("half a shard")
        (folder / f".run-{name}").mkdir()
        (folder / f".run-{name}" / "report,1").write_text("")
    for path in (folder / ".old.tmp", folder / ".run-old"):
        two_days_ago = time.time() - 2 * 86_400
        os.utime(path, (two_days_ago, two_days_ago))
    build_shards(tmp_path, "s", {}, 1, make)
    assert sorted(path.name for path in folder.iterdir()) == [".new.tmp", ".run-new", "00000.npz", "settings.json"]


def test_what_another_run_has_made_meanwhile_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def make(index: int) -> dict[str, np.ndarray]:
        (folder,) = tmp_path.glob("s-*")
        np.savez(folder / "00001.npz", x=np.full(2, 1))
        return _make(index, log=log)

    assert build_shards(tmp_path, "s", {}, 3, make, engine=Engine(workers=1))["x"].tolist() == [0, 0, 1, 1, 2, 2]
    assert log.read_text().split() == ["0", "2"]
