"""Machine code of the kernels: kept, found again, refused when damaged, and the same numbers in every form."""

import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge import native
from edge.errors import KernelError, UsageError
from edge.kernel_form import KERNELS_VARIABLE
from edge.kernel_image import MAGIC, pack

EDGE = Path(native.__file__).parent

PROGRAM = """
import hashlib, json, logging, sys
logging.basicConfig(level=logging.WARNING)
import numpy as np
from edge import native
from edge.frontend import QUANTISED_FEATURES, Frontend
from edge.wake_plan import Block, Layer, WakePlan
from edge.wake_tables import build_tables
from edge.spectrum import power_spectra
sound = np.random.default_rng(0).integers(-20000, 20000, 16000).astype(np.int16)
found = hashlib.sha256(Frontend().push(sound).tobytes())
for size in (8, 16, 32, 64, 512, 1024):
    window = np.hanning(size).astype(np.float32)
    found.update(power_spectra(sound.astype(np.float32), window, step=160, fft_size=size).tobytes())
# A wake network without a file: one block of 16 channels, whose state is two rows.
rng = np.random.default_rng(1)
def layer(rows, columns, n):
    biases, multipliers, shifts = (
        rng.integers(*limits, n).astype(np.int32) for limits in ((-9999, 9999), (1 << 30, 1 << 31), (0, 12))
    )
    return Layer(rng.integers(-127, 128, (rows, columns)).astype(np.int8), biases, multipliers, shifts, 3, -100, 90)
tables = build_tables(WakePlan(layer(16, 24, 16), (Block(layer(3, 16, 16), layer(16, 16, 16)),), layer(5, 16, 5)))
state, row = np.zeros((2, 16), np.int8), np.zeros(24, np.int8)
scratch = np.zeros(24, np.int16), np.zeros(24, np.int32)
for _ in range(50):
    shown = rng.integers(0, 700, 24).astype(np.uint16)
    arrays = shown, QUANTISED_FEATURES, state, tables.weights, tables.numbers, tables.scalars, *scratch, row
    native.kernels().functions["wake_step"](*(array.ctypes.data for array in arrays))
    found.update(row[:5].tobytes() + state.tobytes())
kernels = native.kernels()
print(json.dumps({
    "numbers": found.hexdigest(), "origin": kernels.origin, "path": kernels.path and str(kernels.path),
    "compiled": kernels.compiled, "numba": "numba" in sys.modules, "llvmlite": "llvmlite" in sys.modules,
    "file": native.__file__,
}))
"""

FORBID = """
import ctypes
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
if ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
    raise SystemExit(77)
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    """Return a copy of the code that nobody can write to: permissions do not stop root, a file in the way does."""
    folder = tmp_path_factory.mktemp("installation")
    shutil.copytree(EDGE, folder / "edge", ignore=shutil.ignore_patterns("__pycache__", "data", "commands"))
    (folder / "edge" / "__pycache__").touch()
    return folder


def start(installation, program=PROGRAM, **environment):
    """Start a program in a process of its own, with no home; return what it said, and its stderr."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "NUMBA_", "VIVAVOCE_"))}
    # Behind the copy comes what this process has been told: an emulated one finds its packages nowhere else.
    path = os.pathsep.join(filter(None, (str(installation), os.environ.get("PYTHONPATH"))))
    kept |= {"HOME": "/proc/nonexistent", "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=installation,
        env=kept | {k: str(v) for k, v in environment.items()},
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode == 77:
        pytest.skip("this kernel cannot forbid memory that is written and executed (Linux 6.3 can)")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert Path(said["file"]).is_relative_to(installation), "another installation was run"
    return said, done.stderr


@pytest.fixture(scope="module")
def cache(installation, tmp_path_factory):
    """Return a folder with the image, and what the process said that compiled it."""
    folder = tmp_path_factory.mktemp("cache") / "new"
    said, stderr = start(installation, VIVAVOCE_CACHE_DIR=folder)
    assert not stderr
    return folder, said


def test_a_named_folder_is_made_and_the_image_kept_there(cache):
    folder, said = cache
    assert said["compiled"]
    assert said["origin"] == "image"
    assert [str(file) for file in folder.iterdir()] == [said["path"]]


def test_the_next_start_finds_it_and_needs_no_compiler(installation, cache):
    folder, first = cache
    said, stderr = start(installation, VIVAVOCE_CACHE_DIR=folder)
    assert (said["compiled"], said["numba"], said["llvmlite"], stderr) == (False, False, False, "")
    assert said["numbers"] == first["numbers"]


def test_numba_gives_the_same_numbers(installation, cache, tmp_path):
    said, stderr = start(installation, VIVAVOCE_KERNELS="numba", NUMBA_CACHE_DIR=tmp_path)
    assert (said["origin"], stderr) == ("numba", "")
    assert said["numbers"] == cache[1]["numbers"]
    assert list(tmp_path.rglob("frontend.frontend_frames-*.nbc")), "numba kept nothing"


def test_without_a_place_for_it_the_image_is_compiled_and_runs_from_memory(installation, cache):
    said, stderr = start(installation)
    assert (said["origin"], said["path"], said["compiled"], stderr) == ("image", None, True, "")
    assert said["numbers"] == cache[1]["numbers"]


def test_the_image_runs_where_memory_may_not_be_written_and_executed(installation, cache):
    folder, first = cache
    said, _ = start(installation, FORBID + PROGRAM, VIVAVOCE_CACHE_DIR=folder)
    assert said["numbers"] == first["numbers"]


def test_another_source_has_another_image(installation, cache, tmp_path):
    shutil.copytree(installation / "edge", tmp_path / "edge")
    with (tmp_path / "edge" / "kernels" / "frontend.py").open("a") as file:
        file.write("\n# changed\n")
    folder, first = cache
    said, _ = start(tmp_path, VIVAVOCE_CACHE_DIR=folder, VIVAVOCE_KERNELS="auto")
    assert said["compiled"]
    assert said["path"] != first["path"]
    Path(said["path"]).unlink()


# ------------------------------------------------------------------------------------------------ damage


def flipped(content, at):
    changed = bytearray(content)
    changed[at] ^= 0x10
    return bytes(changed)


def sealed(content, **changes):
    """Return an image with another description, and the hash that belongs to it."""
    size = int.from_bytes(content[-40:-32], "little")
    described = json.loads(content[-40 - size : -40]) | changes
    places = described["kernels"]
    return pack(content[: -40 - size], places, described["abi"], described["versions"])


def ended_like_an_image(image):
    """Return a text to which somebody appended what looks like an image, with the hash of it all."""
    import hashlib

    content = b"12:00:01 something happened\n" + image[:-32]
    return content + hashlib.sha256(content).digest()


PLACES = dict.fromkeys(native.ABI, 64)

DAMAGE = {
    "empty": lambda image: b"",
    "cut": lambda image: image[:-100],
    "hash alone": lambda image: image[-32:],
    "code changed": lambda image: flipped(image, 1000),
    "entry changed": lambda image: flipped(image, image.index(b'"kernels"') + 31),
    "length changed": lambda image: flipped(image, -40),
    "hash changed": lambda image: flipped(image, -1),
    "other kernels": lambda image: sealed(image, abi={"frontend_frames": "h"}),
    "kernel outside": lambda image: sealed(image, kernels=PLACES | {"frontend_frames": 1 << 40}),
    "kernel before": lambda image: sealed(image, kernels=PLACES | {"frontend_frames": -4096}),
    "kernel in the head": lambda image: sealed(image, kernels=PLACES | {"frontend_frames": 8}),
    "kernel missing": lambda image: sealed(image, kernels={"frontend_frames": 64}),
    "places that are no numbers": lambda image: sealed(image, kernels=PLACES | {"frontend_frames": "x"}),
    "another file that ends like one": ended_like_an_image,
}


@pytest.fixture
def image(cache, tmp_path, monkeypatch):
    """Return a copy of the image, which is the only one that this process would find."""
    path = tmp_path / native.image_name()
    shutil.copy(next(cache[0].glob("*.image")), path)
    monkeypatch.setattr(native, "image_folders", lambda: [tmp_path])
    return path


def test_an_image_is_found(image):
    found = native.find()
    assert found is not None
    assert (found.origin, found.path, found.compiled) == ("image", image, False)
    assert set(found.functions) == set(native.ABI)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_image_is_not_run_and_told_of(damage, image, caplog):
    image.write_bytes(DAMAGE[damage](image.read_bytes()))
    assert native.find() is None
    assert "damaged" in caplog.text
    assert "vivavoce doctor --warm" in caplog.text


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_an_image_that_others_may_write_to_is_not_run(mode, image, caplog):
    image.chmod(mode)
    assert native.find() is None
    assert "others may write to it" in caplog.text


def test_an_image_of_another_user_is_not_run(image, caplog, monkeypatch):
    monkeypatch.setattr(native, "_trusted_owners", lambda: {image.stat().st_uid + 1})
    assert native.find() is None
    assert f"it belongs to the user {image.stat().st_uid}" in caplog.text


def test_those_who_could_change_the_program_are_trusted():
    assert native._trusted_owners() == {0, os.geteuid(), Path(native.__file__).stat().st_uid}


def test_a_link_is_not_followed(image, tmp_path, caplog):
    image.rename(tmp_path / "elsewhere")
    image.symlink_to(tmp_path / "elsewhere")
    assert native.find() is None
    assert "not used" in caplog.text


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_passed_over(make, image, caplog):
    image.unlink()
    make(image)
    assert native.find() is None
    assert "not a file" in caplog.text


def test_a_file_system_without_execution_is_got_around(image, monkeypatch):
    mapped = native.mmap.mmap
    refused = []

    def refuse_once(*args, **kwargs):
        if not refused:
            refused.append(args)
            raise PermissionError(1, "Operation not permitted")
        return mapped(*args, **kwargs)

    monkeypatch.setattr(native.mmap, "mmap", refuse_once)
    assert native.find() is not None
    assert refused


def test_a_damaged_image_is_replaced(installation, cache, tmp_path):
    path = tmp_path / Path(cache[1]["path"]).name
    path.write_bytes(DAMAGE["cut"](Path(cache[1]["path"]).read_bytes()))
    said, stderr = start(installation, VIVAVOCE_CACHE_DIR=tmp_path)
    assert said["compiled"]
    assert said["numbers"] == cache[1]["numbers"]
    assert stderr.count("(damaged: ") == 1
    assert path.read_bytes().startswith(MAGIC)


# ------------------------------------------------------------------------------------------------ keeping


def test_an_image_is_kept_for_everybody_and_nothing_else_is_left(cache, monkeypatch, tmp_path):
    content = Path(cache[1]["path"]).read_bytes()
    monkeypatch.setattr(native, "image_folders", lambda: [tmp_path])
    before = os.umask(0o077)
    try:
        path = next(native._kept(content))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_full_leaves_nothing_behind_and_the_next_one_is_taken(cache, monkeypatch, tmp_path):
    content = Path(cache[1]["path"]).read_bytes()
    full, free = tmp_path / "full", tmp_path / "free"
    monkeypatch.setattr(native, "image_folders", lambda: [full, free])
    write_whole = native.write_whole

    def write(path, how):
        def fail(file):
            how(file)
            file.flush()
            raise OSError(28, "No space left on device")

        write_whole(path, fail if path.parent == full else how)

    monkeypatch.setattr(native, "write_whole", write)
    assert next(native._kept(content)).parent == free
    assert list(full.iterdir()) == []


def test_an_update_removes_what_the_last_version_left_beside_the_code(cache, monkeypatch, tmp_path):
    content = Path(cache[1]["path"]).read_bytes()
    processor = native.image_name().rpartition("-")[2]
    old, other = tmp_path / f"kernels-0123-x86_64-{processor}", tmp_path / "kernels-0123-x86_64-ffffffff.image"
    old.touch()
    other.touch()
    monkeypatch.setattr(native, "image_folders", lambda: [tmp_path])
    monkeypatch.setattr(native, "_BESIDE", tmp_path)
    path = next(native._kept(content))
    assert set(tmp_path.iterdir()) == {path, other}


@pytest.fixture
def compiled(cache, monkeypatch):
    """Let compiling an image take no time: the content is that of the image in the cache."""
    content = Path(cache[1]["path"]).read_bytes()
    monkeypatch.setattr(native, "pack", lambda *_: content)

    class Compiler:
        UnfitObjectError = RuntimeError

        @staticmethod
        def compile_image(abi):
            return b"", {}, {}

    monkeypatch.setattr(native, "_compiling", lambda module: Compiler)
    return content


def test_a_file_system_that_knows_no_owners_is_got_around(compiled, monkeypatch, tmp_path):
    monkeypatch.setattr(native, "image_folders", lambda: [tmp_path])
    monkeypatch.setattr(native, "_trusted_owners", lambda: {12345})
    found = native.warm()
    assert (found.origin, found.path) == ("image", None)
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_mapped_numba_is_asked(compiled, monkeypatch, tmp_path):
    monkeypatch.setattr(native, "image_folders", lambda: [])

    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(native.mmap, "mmap", refuse)
    monkeypatch.setattr(native, "_by_numba", lambda: "numba")
    assert native.warm() == "numba"


WITHOUT = """
import json, sys
sys.modules[sys.argv[1]] = None
from edge import native
from edge.errors import KernelError
try:
    native.kernels()
except KernelError as error:
    print(json.dumps({"file": native.__file__, "told": str(error)}))
"""


@pytest.mark.parametrize("missing", ["numba", "llvmlite"])
def test_without_a_compiler_one_line_tells_what_to_do(missing, installation):
    said, _ = start(installation, WITHOUT.replace("sys.argv[1]", repr(missing)))
    assert "cannot be compiled here" in said["told"]
    assert "vivavoce doctor --warm" in said["told"]


def test_a_compiler_that_may_not_compile_is_told_of(monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    with pytest.raises(KernelError, match=r"NUMBA_DISABLE_JIT: got 1.*unset it"):
        native.warm()


def test_several_threads_compile_once(monkeypatch):
    import threading
    import time

    calls = []

    def slow():
        calls.append(1)
        time.sleep(0.05)
        return "kernels"

    monkeypatch.setattr(native, "find", lambda: None)
    monkeypatch.setattr(native, "warm", slow)
    native._kernels.cache_clear()
    try:
        threads = [threading.Thread(target=native.kernels) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        native._kernels.cache_clear()
    assert len(calls) == 1


# ------------------------------------------------------------------------------------------------ which image

CPUINFO = """\
processor\t: 0
model\t\t: 167
model name\t: a name
flags\t\t: fpu sse sse2 avx2 constant_tsc rep_good
"""


@pytest.fixture
def cpuinfo(monkeypatch, tmp_path):
    """Return a function that gives the name of the image on a machine that tells this of itself."""
    (tmp_path / "cpuinfo").touch()
    real = Path.read_text

    def name(text):
        def read(path, **options):
            if str(path) != "/proc/cpuinfo":
                return real(path, **options)
            if text is None:
                raise FileNotFoundError(2, "No such file or directory")
            return text

        monkeypatch.setattr(Path, "read_text", read)
        return native.image_name.__wrapped__()

    return name


def test_another_processor_has_another_image(cpuinfo):
    first = cpuinfo(CPUINFO)
    assert cpuinfo(CPUINFO.replace(" avx2", "")) != first
    assert cpuinfo(CPUINFO.replace("167", "168")) != first


def test_a_new_kernel_of_the_system_needs_no_new_image(cpuinfo):
    first = cpuinfo(CPUINFO)
    assert cpuinfo(CPUINFO.replace("constant_tsc", "constant_tsc cpuid_fault").replace("a name", "another")) == first
    assert cpuinfo(CPUINFO + CPUINFO.replace(": 0", ": 1")) == first, "a second core"


def test_an_unknown_processor_has_no_image_that_could_be_that_of_another(cpuinfo, monkeypatch, tmp_path):
    assert cpuinfo(None) is None
    assert cpuinfo("processor: 0\n") is None


def test_code_without_sources_has_no_image_that_could_be_that_of_another_version(monkeypatch, tmp_path):
    monkeypatch.setattr(native, "__file__", str(tmp_path / "native.py"))
    assert native.image_name.__wrapped__() is None


def test_a_relative_cache_folder_is_ignored(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.setenv(native.CACHE_VARIABLE, "~/kernels")
    folders = native.image_folders()
    assert folders[0] == Path("/somewhere/kernels")
    assert folders[-1] == Path("/somewhere/.cache/vivavoce")


# ------------------------------------------------------------------------------------------------ the override


@pytest.mark.parametrize(
    ("value", "told"),
    [("fast", "got 'fast', expected auto, image or numba"), ("image", "no image kernels-.*vivavoce doctor --warm")],
)
def test_an_override_that_cannot_be_met_is_refused(value, told, monkeypatch, tmp_path):
    monkeypatch.setenv(KERNELS_VARIABLE, value)
    monkeypatch.setattr(native, "image_folders", lambda: [tmp_path])
    with pytest.raises(UsageError, match=told):
        native._kernels.__wrapped__()


def test_arguments_that_do_not_fit_are_refused_by_ctypes():
    with pytest.raises((TypeError, ctypes.ArgumentError)):
        native.kernels().functions["frontend_frames"](np.zeros(3), 1)
