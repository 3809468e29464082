"""Engines, without real workers: rounds, and what a run and its workers tell each other."""

import json
import os
import pickle
import re
import subprocess
import sys
from functools import partial

import pytest

from edge.errors import DataError, MissingExtraError, UsageError
from train.engines import beam, beam_worker
from train.engines.rounds import make_all
from train.engines.work import Lost, Report, attempt


def test_a_shard_that_cost_two_workers_is_made_alone():
    asked = []

    def run_round(left, alone):
        asked.append((list(left), alone))
        return [Lost(4, "its worker died", died=True)] if 4 in left and not alone else []

    make_all(run_round, [3, 4, 5])
    assert asked == [([3, 4, 5], False), ([4], False), ([4], True)]


def test_what_may_kill_again_comes_last():
    asked = []

    def run_round(left, alone):
        asked.append(list(left))
        return [Lost(0, "died", died=True), Lost(1, "ended", died=False)] if len(asked) == 1 else []

    make_all(run_round, [0, 1, 2])
    assert asked == [[0, 1, 2], [1, 0]]


def test_rounds_without_one_more_shard_are_given_up():
    asked = []

    def run_round(left, alone):
        asked.append(list(left))
        return [Lost(index, "the pipeline failed (no route)", died=False) for index in left[len(asked) == 1 :]]

    with pytest.raises(DataError, match=r"^2 shards were not made in 3 attempts: the pipeline failed \(no route\)"):
        make_all(run_round, [0, 1, 2])
    assert len(asked) == 4


def test_an_error_that_cannot_be_pickled_gets_through_as_text():
    def make(index):
        raise MissingExtraError("flite", "train")

    report = attempt(make, 2)
    assert isinstance(report, Report)
    assert str(report.error) == str(MissingExtraError("flite", "train"))


@pytest.mark.parametrize(
    ("said", "kind", "told"),
    [
        ("{}", None, "the pipeline ended, and they are not in {folder}: every machine must see it under this path"),
        (json.dumps({"failed": "Traceback\nOSError: no\nway [while running 'make']"}), None, "failed (way; see"),
        ("", None, "its process ended (1)"),
        (json.dumps({"usage": "no such runner"}), UsageError, "--beam-options: no such runner"),
    ],
)
def test_a_pipeline_that_ended_too_early_says_why(tmp_path, said, kind, told):
    code = f"print({said!r}, end=''); raise SystemExit({int(not said)})"
    watched = Watched()
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as driver:
        one = beam._Round(tmp_path, {1, 2}, watched, look_after_workers=True)
        if kind is not None:
            with pytest.raises(kind, match=re.escape(told)):
                one.follow(driver, tmp_path)
            return
        lost = one.follow(driver, tmp_path)
    assert [(shard.index, shard.died) for shard in lost] == [(1, False), (2, False)]
    assert told.format(folder=tmp_path) in lost[0].cause
    assert watched.shards == lost[:1], "one line, not one for every shard"


class Watched:
    """Keeps what it is told."""

    def __init__(self):
        self.workers, self.reports, self.shards = [], [], []
        self.begun, self.finished, self.lost = self.workers.append, self.reports.append, self.shards.append


def test_workers_elsewhere_are_told_of_and_not_looked_for(tmp_path):
    beam_worker.Note(1).write(tmp_path / "worker,1,far-away")
    (tmp_path / "report,2").write_bytes(pickle.dumps(Report(2, 50, 1.0)))
    watched = Watched()
    one = beam._Round(tmp_path, {1, 2}, watched, look_after_workers=True)
    assert one._look() == {}
    assert watched.workers == ["pid 1 on far-away"]
    assert watched.reports == [Report(2, 50, 1.0)]


def test_a_fault_gets_through_although_no_file_can_be_made(tmp_path, monkeypatch):
    beam_worker.Note(2).write(note := tmp_path / f"worker,{os.getpid()},{beam_worker.machine_name()}")
    size = note.stat().st_size

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(beam_worker, "write_whole", full)
    make = pickle.dumps(partial(build_failing, text="00003.npz: the shard cannot be written"))
    with pytest.raises(RuntimeError, match=r"shard 3: 00003\.npz"):
        beam_worker.work(3, make=make, run_folder=str(tmp_path))
    assert note.stat().st_size == size, "it would need room"
    with pytest.raises(DataError, match=r"^00003\.npz: the shard cannot be written$"):
        beam._Round(tmp_path, {3}, Watched(), look_after_workers=True)._look()


def build_failing(index, *, text):
    raise DataError(text)


def test_a_worker_begins_nothing_when_the_run_is_over(tmp_path):
    make = pickle.dumps(partial(build_failing, text="begun"))
    beam_worker.work(3, make=make, run_folder=str(tmp_path / "gone"))
    (tmp_path / "stop").touch()
    beam_worker.work(3, make=make, run_folder=str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["stop"]


def test_a_module_that_is_not_installed_where_the_worker_is_is_an_error_like_others(tmp_path):
    beam_worker.work(3, make=b"cno_such_module\nmake\n.", run_folder=str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        beam._Round(tmp_path, {3}, Watched(), look_after_workers=True)._look()
