"""Networks that are compared on dev are named, and hear the same words."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.fixture(scope="module")
def bench(root):
    folder = str(root / "tests" / "bench")
    sys.path.insert(0, folder)
    try:
        spec = importlib.util.spec_from_file_location("wake_teacher", root / "tests" / "bench" / "wake_teacher.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    return module


def checkpoint(sha256, words=("one", "two")):
    return SimpleNamespace(
        sha256=sha256, words=words, record={"seed": 3, "commit": "c0", "settings": {"epochs": 2}, "metrics": {}}
    )


def teacher(words=("one", "two", "zero")):
    return SimpleNamespace(
        path="build/teacher", words=words, identity={"classifier": "cc", "embedding": "ee"}, record={"seed": 1}
    )


def test_each_network_is_named_by_its_weights_and_how_it_was_trained(bench):
    found = bench.networks({"shipped": checkpoint("aa"), "taught": checkpoint("bb")}, teacher())
    assert {name: one.get("sha256") for name, one in found.items()} == {
        "shipped": "aa",
        "taught": "bb",
        "teacher": None,
    }
    assert found["taught"]["settings"] == {"epochs": 2}
    assert (found["taught"]["seed"], found["taught"]["commit"]) == (3, "c0")
    assert (found["teacher"]["classifier"], found["teacher"]["embedding"]) == ("cc", "ee")
    assert found["teacher"]["words"] == ("one", "two", "zero")


def test_networks_for_other_words_are_not_compared(bench):
    first = checkpoint("aa")
    with pytest.raises(SystemExit, match=r"taught: got a network for two, one, expected one for one, two, as shipped"):
        bench.networks({"shipped": first, "taught": checkpoint("bb", ("two", "one"))}, teacher())
    with pytest.raises(SystemExit, match=r"build/teacher: got a teacher for one, zero, expected one, two among them"):
        bench.networks({"shipped": first}, teacher(("one", "zero")))


def test_checkpoints_have_names(bench):
    assert bench.named(["a=build/a", "b=build/x=y"]) == {"a": Path("build/a"), "b": Path("build/x=y")}
    for wrong in (["build/a"], ["=build/a"], ["a="], ["a=b", "a=c"], ["teacher=build/a"]):
        with pytest.raises(SystemExit, match=r"--checkpoint: got .*expected NAME=DIR"):
            bench.named(wrong)
