"""Engines: the options that choose one."""

import argparse
import re

import pytest

from edge.errors import MissingExtraError, UsageError
from tests.train import shard_work
from tests.train.shard_building import build, left_behind
from train.engines.beam_runner import is_beams_own
from train.engines.choice import Engine, engine_from
from train.options import add_shared_options


def parsed(*words):
    parser = argparse.ArgumentParser()
    add_shared_options(parser, rendered="clips")
    return parser.parse_args(["--data", "d", *words])


def test_options_make_an_engine(monkeypatch):
    assert engine_from(parsed()) == Engine("local", None, ())
    assert engine_from(parsed("--workers", "3")) == Engine("local", 3, ())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    words = ("--engine", "beam", "--data", "/d", "--cache", "/c")
    assert engine_from(parsed(*words, "--beam-options=--runner=FlinkRunner --flink_master='a b'")) == Engine(
        "beam", None, ("--runner=FlinkRunner", "--flink_master=a b")
    )


@pytest.mark.parametrize(
    ("options", "own"),
    [
        ((), True),
        (("--job_name=x",), True),
        (("--runner=DirectRunner",), True),
        (("--runner", "direct", "--job_name", "x"), True),
        (("--runner=FlinkRunner",), False),
        (("--runner", "PrismRunner"), False),
    ],
)
def test_beams_own_runner_is_known_by_its_names(options, own):
    assert is_beams_own(options) is own


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--workers", "0"], "--workers is 0"),
        (["--beam-options=--runner=x"], "--engine beam"),
        (["--engine", "beam", "--beam-options='"], "No closing quotation"),
        (["--engine", "beam", "--beam-options=--runner FlinkRunner"], "--data is d, expected an absolute path"),
        (["--engine", "beam", "--data=/d", "--beam-options=--runner=FlinkRunner"], "--cache is build/cache"),
    ],
)
def test_options_that_contradict_each_other(words, told, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    with pytest.raises(UsageError, match=re.escape(told)):
        engine_from(parsed(*words))


def test_beam_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"vivavoce\[scale\]"):
        engine_from(parsed("--engine", "beam"))


@pytest.mark.parametrize(
    ("option", "told"),
    [("--no_such_option=1", "--no_such_option"), ("--runner=NoSuchRunner", "NoSuchRunner"), ("--runner=a.b.C", "'a'")],
)
def test_beam_options_that_beam_does_not_know(tmp_path, option, told):
    pytest.importorskip("apache_beam", reason="needs Apache Beam (the extra `scale`)")
    with pytest.raises(UsageError, match=rf"^--beam-options: .*{re.escape(told)}"):
        build(tmp_path, shard_work.numbers, Engine("beam", 2, (option,)))
    assert not left_behind(tmp_path)
