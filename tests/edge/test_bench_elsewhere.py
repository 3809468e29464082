"""What another environment measures: taken where it is a measurement, told in one line where it is not, and let go."""

import functools
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from benching import FakeBench, stages_of

from edge.bench.elsewhere import Elsewhere
from edge.bench.machine import environment
from edge.bench.networks import usable_runtimes
from edge.bench.processes import end, run_alone, start
from edge.bench.stages import FORMAT
from edge.bench.starting import starts
from edge.bundle import open_bundle
from edge.bundle_identity import bundle_hash
from edge.errors import DataError, UsageError

ROOT = Path(__file__).parents[2]

the_bundle = functools.cache(open_bundle)


@pytest.fixture
def other_environment(tmp_path, monkeypatch):
    """Return a Python that is this one under another name, and finds this package."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return python


def test_another_environment_measures_the_same_things(other_environment):
    bundle = the_bundle()
    there = Elsewhere(other_environment, bundle)
    try:
        assert [bench.interpreter for bench in there.benches] == list(usable_runtimes(bundle))
        assert "numpy" in there.environment["versions"]
        found = there.benches[0].once()
        assert set(found["durations"]) == set(stages_of(bundle))
        assert len(found["durations"]["push"]) == 900
        assert [one["decision"] for one in found["decisions"]] == ["accept", "reject"]
    finally:
        there.close()


def test_another_environment_must_have_another_interpreter(other_environment):
    bundle = the_bundle()
    with pytest.raises(UsageError, match="no interpreter that is not measured already"):
        Elsewhere(other_environment, bundle, known=usable_runtimes(bundle))


def test_a_fault_there_is_told_as_one_here(other_environment, tmp_path):
    with pytest.raises(UsageError, match=r"model_float.tflite: cannot be read"):
        Elsewhere(other_environment, the_bundle(), floats=tmp_path)


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("exit 3", "ended with code 3"),
        ("echo no such module >&2; exit 1", "no such module"),
        ("echo hello", "not JSON"),
        ("echo [1]", "expected an object"),
        ("echo {}", f"expected '{FORMAT}'"),
        (f'echo \'{{"format": "{FORMAT}"}}\'', "expected python and versions"),
        ("printf '\\377\\376\\377\\n'", "not JSON"),
        ('printf \'{"format": "\\351"}\\n\'', "not JSON"),
        ("printf '\\033[2Jtoo bad\\n' >&2; exit 1", "too bad"),
        ("printf '\\377\\376 too bad\\n' >&2; exit 1", "too bad"),
        ("""echo '{"fault": "\\u001b[2Jtoo bad"}'""", "too bad"),
        ("""echo '{"fault": ["too bad"]}'""", "too bad"),
    ],
)
def test_a_python_that_cannot_measure_is_told_in_one_line(tmp_path, program, told):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{program}\n")
    python.chmod(0o755)
    with pytest.raises((UsageError, DataError)) as error:
        Elsewhere(python, the_bundle())
    assert told in str(error.value)
    assert str(python) in str(error.value)
    assert str(error.value).isprintable()


def greeting():
    """Return what another environment says first that is just like this one."""
    bundle = the_bundle()
    return {
        "format": FORMAT, "environment": environment(), "bundle_sha256": bundle_hash(bundle.path),
        "benches": [["other", "int8", "kernel"]],
    }  # fmt: skip


def measurement():
    """Return a repetition with one decision."""
    times = ("start_s", "end_s", "heard_s", "decided_s", "sound_ms", "judging_ms", "compute_ms", "delay_ms")
    told = {"word": "w", "decision": "accept", **dict.fromkeys(times, 1.0)}
    return {**FakeBench("other").once(), "decisions": [told]}


def answering(folder, *answers):
    """Make a Python that answers with these, whatever it is asked."""
    python = folder / "python"
    lines = "".join(f"read -r line; cat {folder / str(at)}\n" for at in range(len(answers)))
    for at, answer in enumerate(answers):
        (folder / str(at)).write_text(json.dumps(answer) + "\n")
    python.write_text(f"#!/bin/sh\n{lines}")
    python.chmod(0o755)
    return python


def changed(value, path, new):
    """Return a value with another one at a place of it."""
    if not path:
        return new
    if isinstance(value, list):
        return [changed(one, path[1:], new) if at == path[0] else one for at, one in enumerate(value)]
    return {**value, path[0]: changed(value.get(path[0]), path[1:], new)}


def test_what_another_environment_answers_is_taken_as_it_is(tmp_path):
    there = Elsewhere(answering(tmp_path, greeting(), measurement(), measurement()), the_bundle())
    try:
        (bench,) = there.benches
        assert (bench.interpreter, bench.numbers, bench.wake_run_by) == ("other", "int8", "kernel")
        assert [bench.once(), bench.once()] == [measurement()] * 2
    finally:
        there.close()


ODD = (None, 3, -1, "", "x\x1b[2J", [], {}, [[]], [None], {"a": 1}, 10**400, float("nan"), True)


@pytest.mark.parametrize(
    "path",
    [
        ("environment",), ("environment", "python"), ("environment", "versions"), ("environment", "versions", "numpy"),
        ("environment", "more"), ("benches",), ("benches", 0), ("benches", 0, 0), ("benches", 0, 1), ("benches", 0, 2),
        ("bundle_sha256",), ("format",),
    ],
)  # fmt: skip
@pytest.mark.parametrize("odd", ODD)
def test_a_greeting_that_is_none_is_told_in_one_line(tmp_path, path, odd):
    python = answering(tmp_path, changed(greeting(), path, odd))
    with pytest.raises((DataError, UsageError)) as error:
        Elsewhere(python, the_bundle())
    assert str(error.value).isprintable()


def test_interpreters_that_are_measured_already_or_come_twice_are_not_taken(tmp_path):
    python = answering(tmp_path, greeting())
    with pytest.raises(DataError, match="expected none that is measured already"):
        Elsewhere(python, the_bundle(), known=["other"])
    python = answering(tmp_path, {**greeting(), "benches": greeting()["benches"] * 2})
    with pytest.raises(DataError, match="expected each once"):
        Elsewhere(python, the_bundle())


NUMBERS = [("durations", "push", 0), ("wall_s",), ("cpu_s",), ("decisions", 0, "delay_ms")]
ODD_OF_NUMBERS = (None, -1.5, "1", [], {}, 10**400, float("nan"), float("inf"), True)


@pytest.mark.parametrize(
    ("path", "odd"),
    [
        *((path, odd) for path in NUMBERS for odd in ODD_OF_NUMBERS if (path[-1], odd) != ("delay_ms", -1.5)),
        *(
            (path, odd)
            for path in (
                ("durations",), ("durations", "push"), ("durations", "other"), ("threads",), ("threads", "2"),
                ("decisions",), ("decisions", 0), ("decisions", 0, "word"), ("decisions", 0, "more"), ("more",),
            )
            for odd in (*ODD, [10**400], ["1"], [1.5])
            if (path[-1], odd) not in (("threads", {}), ("decisions", []))
        ),
        (("peak_rss_kib",), -1), (("peak_rss_kib",), "1"), (("threads",), {"2": {"liveness": [1]}}),
    ],
)  # fmt: skip
def test_a_measurement_that_is_none_is_told_in_one_line(tmp_path, path, odd):
    there = Elsewhere(answering(tmp_path, greeting(), changed(measurement(), path, odd)), the_bundle())
    try:
        with pytest.raises(DataError, match="got something else than a measurement") as error:
            there.benches[0].once()
        assert str(error.value).isprintable()
    finally:
        there.close()


@pytest.mark.parametrize(
    ("path", "new"),
    [
        (("durations", "push"), [1, 2]), (("durations", "wake"), [1]), (("decisions",), []),
        (("decisions", 0, "decision"), "reject"),
    ],
)  # fmt: skip
def test_repetitions_that_measure_other_things_are_not_joined(tmp_path, path, new):
    python = answering(tmp_path, greeting(), measurement(), changed(measurement(), path, new))
    there = Elsewhere(python, the_bundle())
    try:
        there.benches[0].once()
        with pytest.raises(DataError, match="other measurements or decisions than before"):
            there.benches[0].once()
    finally:
        there.close()


@pytest.mark.parametrize("version", ["0.0.0", None])
def test_an_environment_of_another_version_is_refused(tmp_path, version):
    found = greeting()
    ours = found["environment"]["versions"].pop("vivavoce", None)
    if version is not None:
        found["environment"]["versions"]["vivavoce"] = version
    elif ours is None:
        pytest.skip("vivavoce is not installed here, and need not be there")
    with pytest.raises(
        UsageError, match=rf"got vivavoce {version or 'that is not installed'} there, expected .*{ours}"
    ):
        Elsewhere(answering(tmp_path, found), the_bundle())


def test_another_bundle_there_is_told(tmp_path):
    with pytest.raises(DataError, match="got another bundle"):
        Elsewhere(answering(tmp_path, {**greeting(), "bundle_sha256": "0" * 64}), the_bundle())


def test_a_line_without_an_end_is_not_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.bench.elsewhere._LONGEST", 1000)
    with pytest.raises(DataError, match="not JSON"):
        Elsewhere(answering(tmp_path, "x" * 10_000), the_bundle())


def has_ended(pid):
    """Wait until a process that is no child of ours is gone, 10 s at most."""
    for _ in range(1000):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


def parent_of_a_sleeper(folder, then):
    """Make a program that starts another one, which holds its output; return it, and where it writes whose number."""
    python, told = folder / "python", folder / "pid"
    python.write_text(
        f'#!/bin/sh\n{shutil.which("sleep")} 600 &\necho $! > "{told}.part"\nmv "{told}.part" "{told}"\n{then}\n'
    )
    python.chmod(0o755)
    return python, told


def test_one_that_hangs_ends_with_what_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.bench.elsewhere._TIMEOUT_S", 0.5)
    python, told = parent_of_a_sleeper(tmp_path, "wait")
    with pytest.raises(DataError, match="gave no answer"):
        Elsewhere(python, the_bundle())
    assert has_ended(int(told.read_text()))


def test_an_interrupt_ends_the_other_process_with_what_it_started(tmp_path, monkeypatch):
    python, told = parent_of_a_sleeper(tmp_path, "wait")

    def interrupted(_):
        while not told.exists():
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr("edge.bench.elsewhere.parse_json", interrupted)
    python.write_text(python.read_text().replace("wait\n", "echo {}\nwait\n"))
    with pytest.raises(KeyboardInterrupt):
        Elsewhere(python, the_bundle())
    assert has_ended(int(told.read_text()))


def test_the_keyboard_does_not_interrupt_the_other_process_before_us(tmp_path):
    process = start([shutil.which("sleep"), "600"], errors=2, stdin=0)
    try:
        assert os.getpgid(process.pid) == process.pid != os.getpgrp()
    finally:
        with process:
            assert end(process) == -signal.SIGKILL


def test_a_program_that_takes_too_long_ends_with_what_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.bench.starting._TIMEOUT_S", 0.5)
    program, told = parent_of_a_sleeper(tmp_path, "exit 0")  # it has ended, and its output is still held
    (found,) = starts(the_bundle().path, ["other"], python=program, warm=1, cold=False)
    assert "not ready after" in found["fault"]
    assert has_ended(int(told.read_text()))


def test_what_a_program_says_is_taken_apart_from_what_it_complains_of(tmp_path):
    code, said, complaints = run_alone(["sh", "-c", "echo a; echo b >&2; exit 3"], timeout_s=60)
    assert (code, said, complaints) == (3, b"a\n", b"b\n")


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("echo hello", "something else"), ("echo", "something else"), ("echo '{}'", "something else"),
        ("echo '[1]'", "something else"), ("""echo '{"peak_rss_kib": "1"}'""", "something else"),
        ("""echo '{"peak_rss_kib": -1}'""", "something else"), ("printf '\\377'", "something else"),
        ("printf '\\033[2Jtoo bad' >&2; exit 1", "too bad"), ("exit 4", "ended with code 4"),
    ],
)  # fmt: skip
def test_a_start_that_tells_nothing_is_a_fault(tmp_path, program, told):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{program}\n")
    python.chmod(0o755)
    (found,) = starts(the_bundle().path, ["other"], python=python, warm=1, cold=False)
    assert told in found["fault"]
    assert found["fault"].isprintable()


def test_what_libraries_print_at_a_start_does_not_hide_its_memory(tmp_path):
    python = tmp_path / "python"
    python.write_text("""#!/bin/sh\necho hello\necho '{"peak_rss_kib": 7}'\n""")
    python.chmod(0o755)
    (found,) = starts(the_bundle().path, ["other"], python=python, warm=1, cold=False)
    assert found["peak_rss_kib"] == 7


def test_a_python_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="cannot be started"):
        Elsewhere(tmp_path / "none", the_bundle())


def test_one_that_hangs_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.bench.elsewhere._TIMEOUT_S", 0.2)
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec {shutil.which('sleep')} 600\n")
    python.chmod(0o755)
    with pytest.raises(DataError, match="gave no answer"):
        Elsewhere(python, the_bundle())
