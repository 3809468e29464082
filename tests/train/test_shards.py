"""Shards are computed once, in parallel or not, and an interrupted set is completed."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edge.errors import DataError
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
        build_shards(tmp_path, "s", {"a": 1}, 4, partial(_make, log=log, fail_at=2), workers=1)
    got = build_shards(tmp_path, "s", {"a": 1}, 4, partial(_make, log=log), workers=1)
    assert got["x"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert log.read_text().split() == ["0", "1", "2", "3"]


def test_processes_give_the_same_as_one(tmp_path: Path) -> None:
    one = build_shards(tmp_path / "one", "s", {}, 3, partial(_make, log=tmp_path / "a"), workers=1)
    two = build_shards(tmp_path / "two", "s", {}, 3, partial(_make, log=tmp_path / "b"), workers=2)
    assert np.array_equal(one["x"], two["x"])


def test_other_settings_are_another_set() -> None:
    assert cache_key({"seed": 1}) != cache_key({"seed": 2})
    assert cache_key({"a": 1, "b": 2}) == cache_key({"b": 2, "a": 1})


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(DataError, match=r"No space left on device.*finished shards are kept"):
        build_shards(tmp_path, "s", {}, 1, partial(_make, log=tmp_path / "log"), workers=1)
    assert not list(tmp_path.rglob("*.npz"))
    assert not list(tmp_path.rglob("*.tmp"))
