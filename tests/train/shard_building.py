"""Shards that an engine makes, and what of them is in a folder."""

import hashlib
from functools import partial
from pathlib import Path

import pytest

from tests.train import shard_work
from train.engines.choice import Engine
from train.shards import build_shards

ROOT = Path(__file__).resolve().parents[2]
N = 8


@pytest.fixture(params=["local", "beam"], name="engine")
def engine_fixture(request):
    if request.param == "beam":
        pytest.importorskip("apache_beam", reason="needs Apache Beam (the extra `scale`)")
    return Engine(request.param, 2)


def build(cache, make, engine, *, n=N, **given):
    given.setdefault("log", cache / "log")
    return build_shards(cache, "s", {}, n, partial(make, **given), engine=engine)


def hashes(cache):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(cache.rglob("*.npz"))}


@pytest.fixture(scope="module", name="expected")
def expected_fixture(tmp_path_factory):
    """Return the hashes of what one process makes that nothing happens to."""
    cache = tmp_path_factory.mktemp("expected")
    build(cache, shard_work.numbers, Engine(workers=1))
    assert len(hashes(cache)) == N
    return hashes(cache)


def made(cache, log="log"):
    """Return the shards in the order in which they were made, or begun, with the processes that made them."""
    return [tuple(map(int, line.split())) for line in (cache / log).read_text().splitlines()]


def left_behind(cache):
    return [path for path in cache.rglob("*") if path.name.startswith(".")]
