"""Limits are written in ``train/task.toml`` and nowhere else: whoever needs one reads it there."""

import importlib.util
import json
import re
import sys

import pytest

from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.bundle_identity import bundle_hash
from edge.cli import Parser
from edge.sample_time import SAMPLE_RATE_HZ
from train import task as module
from train.judging import judge, judgement
from train.protocol_table import protocol_table
from train.results_table import limits_table
from train.steps import baseline, cutoffs
from train.task import DEFAULT_TASK, load_task

DOCUMENTS = ("README.md", "docs/architecture.md", "docs/threats.md", "docs/training.md")


@pytest.fixture
def stricter(tmp_path, monkeypatch):
    """Return a task in which every limit, aim and hard limit is another number; it takes the place of what ships."""
    content = DEFAULT_TASK.read_text(encoding="utf-8")
    changed, count = re.subn(
        r"^(limit|bundle_bytes|max_rms_share|min_agreement|false_accepts_per_hour|live_refused|live_rejected) = (\S+)",
        lambda found: f"{found[1]} = {json.loads(found[2].replace('_', '')) / 2:g}",
        content,
        flags=re.MULTILINE,
    )
    assert count == len(load_task().measures) + 6
    path = tmp_path / "task.toml"
    path.write_text(changed.replace("bundle_bytes = 150000", "bundle_bytes = 150_000"))
    monkeypatch.setattr(module, "DEFAULT_TASK", path)
    return load_task()


def options(step):
    parser = Parser("vivavoce", description="")
    step.configure(parser)
    return {action.dest: action.default for action in parser._actions}


def test_the_baselines_refuse_as_many_as_the_task_allows(stricter):
    assert stricter.measure("live_refused").limit == 0.025
    assert options(baseline)["live_refused"] == 0.025


def test_the_cutoffs_have_no_aims_of_their_own():
    found = options(cutoffs)
    assert {found[name] for name in ("live_refused", "live_rejected", "false_accepts_per_hour")} == {None}


def test_the_bench_of_a_start_says_what_the_task_says(stricter, root, tmp_path, monkeypatch):
    folder = root / "tests" / "bench"
    monkeypatch.syspath_prepend(str(folder))
    spec = importlib.util.spec_from_file_location("startup_bench", folder / "startup.py")
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    sys.modules.pop("processes", None)
    (tmp_path / "startup.json").write_bytes((root / "results" / "startup.json").read_bytes())
    lines = "\n".join(bench.limits(tmp_path / "startup.json"))
    assert len(re.findall("^(met|missed) ", lines, re.MULTILINE)) == 4
    assert "at most 0.2 s CPU " in lines
    assert "at most 85 MB" in lines


def test_documents_quote_limits_in_one_table(root):
    """A limit in a sentence is a second place in which it is written."""
    table = limits_table(root / "results", open_bundle())
    # Of limits of another kind: what figures must hold to be believed.
    protocol = protocol_table(root / "results", bundle_hash(DEFAULT_BUNDLE))
    for name in DOCUMENTS:
        text = (root / name).read_text(encoding="utf-8").replace(table, "").replace(protocol, "")
        for verdict in judge(load_task(), root / "results"):
            assert verdict.shown_limit() not in text, f"{name} quotes {verdict.id}"


def test_every_limit_is_measured_where_the_task_says():
    for verdict in judge(load_task(), DEFAULT_TASK.parents[1] / "results", bundle_sha256=bundle_hash(DEFAULT_BUNDLE)):
        assert verdict.state != "not measured", verdict.reason


def test_the_bundle_that_ships_says_what_the_results_say(root):
    task, shipped = load_task(), bundle_hash(DEFAULT_BUNDLE)
    verdicts = judge(task, root / "results", bundle_sha256=shipped)
    said = open_bundle().limits.to_dict()
    assert said == judgement(task, verdicts, shipped).to_dict(), "make limits writes them anew"


def test_the_readme_quotes_the_verdicts(root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert limits_table(root / "results", open_bundle()) in readme
    assert open_bundle().limits.summary().partition(" Misses")[0] in readme


def test_the_inputs_are_those_of_the_program():
    assert load_task().inputs.sample_rate_hz == SAMPLE_RATE_HZ
