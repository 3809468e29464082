"""What may import what, proven in fresh interpreters: import-linter reads the sources, this runs them."""

import json

import pytest

TENSORFLOW = ("tensorflow", "keras", "tf_keras", "tensorflow_model_optimization")

WATCH = """
import importlib, json
wanted = set()
class Watch:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in FORBIDDEN:
            wanted.add(name)  # noted before any `except ImportError` can hide it
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Watch)
FORBIDDEN = set(json.loads(sys.argv[1]))
for module in json.loads(sys.argv[2]):
    importlib.import_module(module)
print(json.dumps(sorted(wanted)))
"""


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("edge", (*TENSORFLOW, "train", "quantize", "firmware_bridge")),
        ("firmware_bridge", (*TENSORFLOW, "train", "quantize")),
    ],
)
def test_nothing_forbidden_is_imported(package, forbidden, module_files, python):
    modules = [name for name in module_files if name.partition(".")[0] == package]
    done = python(WATCH, json.dumps(forbidden), json.dumps(modules))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("module", ["edge", "edge.cli", "edge.errors", "edge.events", "train", "quantize"])
def test_light_modules_load_no_array_library(module, python):
    done = python(f"import {module}; print(*{{'numpy', 'numba', 'soundfile'}} & set(sys.modules))")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_the_watch_notices_a_hidden_attempt(python):
    # Without this, the first test would also pass if the hook were never asked.
    code = WATCH.replace("for module in", "try:\n    import tensorflow\nexcept ImportError:\n    pass\nfor module in")
    done = python(code, json.dumps(TENSORFLOW), "[]")
    assert json.loads(done.stdout) == ["tensorflow"]
