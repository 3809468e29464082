"""Engines: shards that fail, or kill their workers."""

import pytest

from edge.errors import DataError
from tests.train import shard_work
from tests.train.shard_building import build, engine_fixture, expected_fixture, hashes, left_behind  # noqa: F401  # fixtures
from train.engines.choice import Engine


def test_a_shard_that_kills_its_worker_once_is_made(tmp_path, engine, expected):
    build(tmp_path, shard_work.killed, engine, at=3, marker=tmp_path / "marker")
    assert hashes(tmp_path) == expected


def test_a_shard_that_always_kills_is_named_when_all_others_are_made(tmp_path, engine, expected):
    with pytest.raises(DataError, match=r"^shard 3 cost 3 workers: its worker \(pid \d+\) .*finished shards are kept"):
        build(tmp_path, shard_work.killed, engine, at=3)
    assert hashes(tmp_path) == {name: value for name, value in expected.items() if name != "00003.npz"}


def test_a_machine_on_which_every_worker_dies_is_given_up(tmp_path, engine):
    with pytest.raises(DataError, match=r"finished shards are kept"):
        build(tmp_path, shard_work.dying, engine, n=30)
    assert not hashes(tmp_path)


def test_workers_that_die_before_they_begin_are_given_up(tmp_path, monkeypatch):
    pytest.importorskip("apache_beam", reason="needs Apache Beam (the extra `scale`)")
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif any('sdk_worker' in word for word in sys.orig_argv):\n    os.kill(os.getpid(), 9)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DataError, match=r"not made in 3 attempts: the pipeline failed \(Worker subprocess exited"):
        build(tmp_path, shard_work.numbers, Engine("beam", 2))


def test_a_fault_in_a_worker_is_the_same_one_line(tmp_path, engine, expected):
    with pytest.raises(DataError) as caught:
        build(tmp_path, shard_work.faulty, engine, at=3)
    assert str(caught.value) == "a/b.flac: cannot be decoded; remove it"
    assert hashes(tmp_path).items() <= expected.items()
    build(tmp_path, shard_work.numbers, engine)
    assert hashes(tmp_path) == expected


def test_a_bug_in_a_worker_says_where(tmp_path, engine):
    with pytest.raises(KeyError, match="no such column") as caught:
        build(tmp_path, shard_work.faulty, engine, at=3, bug=True)
    assert any("shard_work.py" in note for note in caught.value.__notes__)


def test_a_disk_that_is_full_in_the_middle_of_a_shard(tmp_path, engine, expected):
    with pytest.raises(DataError, match=r"\d{5}\.npz: the shard cannot be written \(File too large\); free some space"):
        build(tmp_path, shard_work.out_of_room, engine, at=5)
    assert not left_behind(tmp_path)
    before = hashes(tmp_path)
    assert "00005.npz" not in before
    assert before.items() <= expected.items()
    build(tmp_path, shard_work.numbers, engine)
    assert hashes(tmp_path) == expected


def test_the_first_fault_stops_the_others(tmp_path):
    with pytest.raises(DataError):
        build(tmp_path, shard_work.faulty, Engine("local", 2), n=200, at=0, pause_s=0.05)
    assert len(hashes(tmp_path)) < 50
