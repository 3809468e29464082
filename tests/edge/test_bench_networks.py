"""What is measured: interpreters in turn, float networks, threads, starts."""

import os
from pathlib import Path

import pytest
from benching import FakeBench, stages_of
from verifier_bundle import with_verifier

import edge.stages
import edge.wake_native
from edge.bench.machine import cores_in_order
from edge.bench.measuring import measure
from edge.bench.networks import benches_here, float_twin, usable_runtimes
from edge.bench.page import page
from edge.bench.stages import STAGES
from edge.bench.starting import starts
from edge.bundle import DEFAULT_BUNDLE, networks_of, open_bundle, without_verifier
from edge.errors import DataError, ModelAbiError, UsageError


def test_an_interpreter_goes_first_as_often_as_last(monkeypatch):
    order = []

    def fakes(bundle, runtimes, **_):
        return [FakeBench(name, then=order.append) for name in runtimes]

    monkeypatch.setattr("edge.bench.measuring.benches_here", fakes)
    allowed = os.sched_getaffinity(0)
    found = measure(open_bundle(), runtimes=("litert", "tflite"), repetitions=4)
    # The first round warms up, and does not count.
    assert order[2:] == ["litert", "tflite", "tflite", "litert"] * 2
    assert [len(run["real_time_factors"]) for run in found["runs"]] == [4, 4]
    assert os.sched_getaffinity(0) == allowed


@pytest.mark.parametrize(("once_s", "expected"), [(0.1, 20), (4.5, 10), (1000.0, 3)])
def test_a_slow_machine_measures_less_often_and_says_so_before(monkeypatch, once_s, expected):
    now = [0.0]

    def pass_time(_):
        now[0] += once_s

    plans = []
    monkeypatch.setattr("edge.bench.measuring.benches_here", lambda *_, **__: [FakeBench("litert", then=pass_time)])
    monkeypatch.setattr("edge.bench.measuring.time.perf_counter", lambda: now[0])
    found = measure(open_bundle(), runtimes=("litert",), threads=(2,), planned=plans.append)
    assert found["repetitions"] == expected
    ((runs, threads, repetitions, seconds),) = plans
    assert (runs, threads, repetitions) == (("litert int8",), (1, 2), expected)
    assert seconds == pytest.approx(expected * once_s)


def test_a_start_is_measured_and_a_failing_one_is_told(tmp_path):
    bundle = open_bundle()
    runtime = usable_runtimes(bundle)[0]
    (found,) = starts(bundle.path, [runtime], warm=1, cold=False)
    assert (found["kind"], len(found["seconds"])) == ("warm", 1)
    assert found["peak_rss_kib"] > 10_000
    (failed,) = starts(tmp_path / "none", [runtime], warm=1, cold=False)
    assert "none" in failed["fault"]


def folder_of_floats(root, bundle):
    """Lay out checkpoints whose networks are the bundle's own."""
    for role, name in networks_of(bundle).items():
        (root / role).mkdir(parents=True)
        (root / role / "model_float.tflite").write_bytes(bundle.content(name))
    return root


def test_float_networks_that_are_none_are_told(tmp_path):
    bundle = open_bundle()
    with pytest.raises(DataError, match=r"wake/model_float.tflite: cannot be read"):
        float_twin(bundle, tmp_path)
    with pytest.raises(UsageError, match="got inputs of int8, expected float32"):
        float_twin(bundle, folder_of_floats(tmp_path, bundle))
    (tmp_path / "wake/model_float.tflite").write_bytes(b"none")
    with pytest.raises(ModelAbiError):
        float_twin(bundle, tmp_path)


def test_threads_reach_what_runs_for_a_word_on_as_many_cores(monkeypatch):
    loaded = []
    load = edge.stages.load_model

    def noted(content, **options):
        loaded.append((options["name"], options.get("threads", 1), len(os.sched_getaffinity(0))))
        return load(content, **options)

    for module in (edge.stages, edge.wake_native):
        monkeypatch.setattr(module, "load_model", noted)
    bundle = open_bundle()
    n = len(cores_in_order())
    benches_here(bundle, usable_runtimes(bundle)[:1], cores=cores_in_order(), threads=[n])
    liveness = [(threads, cores) for name, threads, cores in loaded if name == bundle.liveness.file]
    assert liveness == [(1, 1), (1, 1), (n, n), (n, n)]
    if bundle.verifier is not None:
        assert [(threads, cores) for name, threads, cores in loaded if name == bundle.verifier.file] == liveness
    assert {threads for name, threads, _ in loaded if name == bundle.wake.file} == {1}


def test_a_look_of_the_verifier_is_a_stage_where_there_is_one(tmp_path):
    bundle = open_bundle(with_verifier(DEFAULT_BUNDLE, tmp_path / "bundle", cutoff=0.9))
    runtime = usable_runtimes(bundle)[0]
    (bench,) = benches_here(bundle, [runtime], threads=[2])
    looked = []
    for verifier in (bench._verifier, bench._threaded[2][1]):
        assert verifier is not None
        verifier.scores = lambda sound, one=verifier: looked.append((one, sound.size))
    found = bench.once()
    assert set(found["durations"]) == set(stages_of(bundle)) == set(STAGES)
    assert len(found["durations"]["verifier"]) == len(found["threads"]["2"]["verifier"]) == 8
    assert looked == [(bench._verifier, 27_872)] * 8 + [(bench._threaded[2][1], 27_872)] * 8
    assert {one["decision"] for one in found["decisions"]} == {"accept", "reject"}


def test_a_report_says_which_networks_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.bench.measuring.benches_here", lambda *_, **__: [FakeBench("litert")])
    made = open_bundle(with_verifier(DEFAULT_BUNDLE, tmp_path / "bundle"))
    for bundle, told in ((without_verifier(made), "none: the wake network decides alone"), (made, "verifier.tflite")):
        found = measure(bundle, runtimes=("litert",), repetitions=1)
        assert found["bundle"]["networks"] == networks_of(bundle)
        assert f"<td class='words'>verifier</td><td class='words'>{told}</td>" in page({**found, "starts": []})


def test_the_float_verifier_is_asked_for_too(tmp_path):
    bundle = open_bundle(with_verifier(DEFAULT_BUNDLE, tmp_path / "bundle"))
    folder = folder_of_floats(tmp_path / "checkpoints", bundle)
    (folder / "wake" / "model_float.tflite").unlink()
    with pytest.raises(DataError, match="folder of the checkpoints wake, verifier, liveness, converted"):
        float_twin(bundle, folder)


def test_float_networks_are_measured_beside_those_of_integers():
    bundle = open_bundle()
    runtime = usable_runtimes(bundle)[0]
    benches = benches_here(bundle, [runtime], floats=bundle)
    assert [(bench.interpreter, bench.numbers) for bench in benches] == [(runtime, "int8"), (runtime, "float32")]


@pytest.mark.parametrize(("asked", "ran"), [("auto", "kernel"), ("kernel", "kernel"), ("interpreter", "interpreter")])
def test_who_runs_the_wake_network_is_recorded(monkeypatch, asked, ran):
    monkeypatch.setenv(edge.wake_native.WAKE_VARIABLE, asked)
    bundle = open_bundle()
    (bench,) = benches_here(bundle, usable_runtimes(bundle)[:1])
    assert bench.wake_run_by == ran


def test_what_another_environment_measured_stands_under_its_interpreter_and_it_is_let_go(monkeypatch):
    closed = []

    class There:
        def __init__(self, python, bundle, *, known, **_):
            assert (python, known) == (Path("there"), ["litert"])
            self.environment = {"python": "CPython 3.11.0", "versions": {"numpy": "1.26.4"}}
            self.benches = [FakeBench("tflite", peak_rss_kib=7)]

        def close(self):
            closed.append(self)

    monkeypatch.setattr("edge.bench.measuring.benches_here", lambda *_, **__: [FakeBench("litert", peak_rss_kib=5)])
    monkeypatch.setattr("edge.bench.measuring.Elsewhere", There)
    found = measure(open_bundle(), runtimes=("litert",), pythons=[Path("there")], repetitions=2)
    assert [(run["interpreter"], run["environment"]) for run in found["runs"]] == [("litert", 0), ("tflite", 1)]
    assert [one["peak_rss_kib"] for one in found["environments"]] == [5, 7]
    assert found["environments"][1]["python"] == "CPython 3.11.0"
    assert len(closed) == 1
