"""The command line as a user meets it: found, helped, refused; every case in a fresh interpreter."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from edge.cli import installed_commands
from edge.commands.bundle import STEPS as BUNDLE_STEPS
from edge.commands.calibrate import STEPS as CALIBRATE_STEPS
from edge.commands.events import STEPS as EVENTS_STEPS
from edge.commands.monitor import STEPS as MONITOR_STEPS
from edge.commands.update import STEPS as UPDATE_STEPS
from firmware_bridge.commands.bridge import STEPS as BRIDGE_STEPS
from quantize.command import STEPS as QUANTIZE_STEPS
from train.command import STEPS as TRAIN_STEPS

COMMANDS = [
    ("doctor",),
    ("run",),
    ("score",),
    ("features",),
    ("collect",),
    ("calibrate",),
    ("bundle",),
    ("train",),
    ("quantize",),
    ("daemon",),
    ("events",),
    ("label",),
    ("monitor",),
    ("update",),
    ("install-service",),
    ("bridge",),
    *(("bundle", step) for step in BUNDLE_STEPS),
    *(("calibrate", step) for step in CALIBRATE_STEPS),
    *(("events", step) for step in EVENTS_STEPS),
    *(("monitor", step) for step in MONITOR_STEPS),
    *(("update", step) for step in UPDATE_STEPS),
    *(("bridge", step) for step in BRIDGE_STEPS),
    *(("train", step) for step in TRAIN_STEPS),
    *(("quantize", step) for step in QUANTIZE_STEPS),
]

HELP = """
from edge.cli import main
try:
    code = main()
except SystemExit as left:
    code = left.code
heavy = {'numpy', 'numba', 'soundfile', 'soxr', 'scipy', 'tensorflow', 'ai_edge_litert', 'tflite_runtime'}
print('LOADED', *sorted(heavy & set(sys.modules)))
sys.exit(code)
"""


def one_line(text: str) -> bool:
    return text.count("\n") == 1 and text.startswith("vivavoce: ")


def test_the_commands_are_installed():
    assert set(installed_commands()) >= {"run", "score", "features", "train", "quantize"}


@pytest.mark.parametrize("command", [(), *COMMANDS], ids=" ".join)
def test_help_explains_and_loads_nothing_heavy(command, python):
    done = python(HELP, *command, "--help")
    assert done.returncode == 0, done.stderr
    text, _, loaded = done.stdout.rpartition("LOADED")
    assert loaded.strip() == ""
    assert text.startswith(f"usage: {' '.join(('vivavoce', *command))} ")
    assert "cannot be loaded" not in text


@pytest.mark.parametrize(
    "command", [("run",), ("score", "wake"), ("score", "liveness"), ("features",), ("bundle", "verify")], ids=" ".join
)
def test_device_commands_offer_json(command, vivavoce):
    assert "--json" in vivavoce(*command, "--help").stdout


@pytest.mark.parametrize("level", [(), ("quantize",)], ids=["vivavoce", "quantize"])
def test_without_arguments_the_help_is_shown(level, vivavoce):
    done = vivavoce(*level)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == vivavoce(*level, "--help").stdout


def test_version_is_that_of_the_distribution(vivavoce, root):
    done = vivavoce("--version")
    assert f"version = {done.stdout.split()[1]}\n" in (root / "setup.cfg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("typed", "meant"), [(("rnu",), "vivavoce run"), (("quantize", "pakc"), "vivavoce quantize pack")]
)
def test_an_unknown_command_suggests_the_nearest(typed, meant, vivavoce):
    done = vivavoce(*typed)
    assert done.returncode == 2
    assert one_line(done.stderr), done.stderr
    assert f"did you mean '{meant}'?" in done.stderr


@pytest.mark.parametrize(
    "arguments", [(), ("wake",), ("wake", "--data", "data", "--out", "out"), ("scene",)], ids=" ".join
)
def test_training_on_a_device_names_the_extra(arguments, vivavoce):
    done = vivavoce("train", *arguments, hidden=["tensorflow", "tf_keras", "tensorflow_model_optimization"])
    assert (done.returncode, done.stdout) == (2, "")
    assert one_line(done.stderr), done.stderr
    assert "pip install 'vivavoce[train]'" in done.stderr


def test_training_help_is_there_on_a_device(vivavoce):
    done = vivavoce("train", "wake", "--help", hidden=["tensorflow"])
    assert done.returncode == 0, done.stderr
    assert "--data" in done.stdout


def test_recordings_are_imported_checked_and_explored_on_a_device(vivavoce, tmp_path):
    without = ["tensorflow", "tf_keras", "tensorflow_model_optimization", "tqdm", "scipy", "pyroomacoustics"]
    done = vivavoce("train", "check", str(tmp_path), hidden=without)
    assert done.returncode == 2
    assert one_line(done.stderr), done.stderr
    assert "manifest.csv: no such manifest" in done.stderr
    done = vivavoce("train", "import", "manifest", str(tmp_path), "--out", str(tmp_path / "out"), hidden=without)
    assert done.returncode == 2
    assert "manifest.csv: no such manifest" in done.stderr
    done = vivavoce("train", "frame", hidden=without)
    assert (done.returncode, done.stderr) == (0, "")
    done = vivavoce("train", "explore", "--data", str(tmp_path), "--out", str(tmp_path / "page.html"), hidden=without)
    assert done.returncode == 2
    assert one_line(done.stderr), done.stderr
    assert "manifest.csv: no such manifest" in done.stderr


@pytest.mark.parametrize("kind", ["features", "cues", "void"])
def test_features_need_no_interpreter(kind, vivavoce, root, tmp_path):
    done = vivavoce(
        "features", str(root / "edge/data/scene.flac"), "--kind", kind, "-o", str(tmp_path),
        hidden=["ai_edge_litert", "tflite_runtime"],
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "scene.npy").stat().st_size > 128


@pytest.mark.parametrize("where", ["full", "closed"])
@pytest.mark.parametrize("command", [("doctor",), ("run",), ("features",), ("score", "wake")], ids=" ".join)
def test_results_that_nobody_can_take_are_told_of_in_a_line(command, where, root, tmp_path):
    arguments = [*command, *(["edge/data/scene.flac"] if command != ("doctor",) else [])]
    if command == ("features",):
        arguments += ["-o", str(tmp_path)]
    line = " ".join(shlex.quote(word) for word in (sys.executable, "-m", "edge", *arguments))
    target = {"full": ">/dev/full", "closed": ">&-"}[where]
    done = subprocess.run(["sh", "-c", f"{line} {target}"], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    told = [text for text in done.stderr.splitlines() if "standard output" in text]
    assert len(told) == 1, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("collect", "--out", b"b\xff", "--word", "hey"),
        ("collect", "--out", "", "--word", "hey"),
        ("collect", "--out", "out", "--word", "hey", "--device", b"a\xff"),
        ("collect", "--out", "out", "--delete", "x" * 300),
        ("train", "import", "tree", "here", "--out", "out", "--licence", b"x\xff"),
        ("train", "import", "tree", "here", "--out", "out", "--licence", "L", "--name", "x" * 300),
    ],
    ids=lambda arguments: " ".join(str(word)[:12] for word in arguments),
)
def test_names_that_cannot_be_kept_are_refused(arguments, root, tmp_path):
    line = [sys.executable, "-m", "edge", *arguments]
    done = subprocess.run(
        [word if isinstance(word, bytes) else word.encode() for word in line],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert re.search("expected (text|the name of a folder|at most)", done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
