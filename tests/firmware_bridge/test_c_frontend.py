"""The exported C code, compiled for this machine: the same integers as Python, and the same words."""

import ctypes
import math
import re
import subprocess

import numpy as np
import pytest
from c_tables import reference_frontend
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.bundle import open_bundle
from edge.frontend import Frontend, quantise_features
from edge.frontend_tables import FrontendSettings
from edge.interpreter import dequantise, load_model
from edge.wake import WakeStage
from firmware_bridge.export.package import C_SOURCES
from tests.firmware_bridge.exported_c import CODE, WARNINGS, CFrontend, CWake, build, compiler, exported

KINDS = ("noise", "quiet", "silence", "lowest", "highest", "square", "impulses", "tone", "bursts")


def signal(kind, rng, n):
    t = np.arange(n)
    match kind:
        case "noise":
            x = rng.integers(-32768, 32768, n)
        case "quiet":
            x = rng.integers(-2, 3, n)
        case "silence":
            x = np.zeros(n)
        case "lowest":
            x = np.full(n, -32768)
        case "highest":
            x = np.full(n, 32767)
        case "square":
            x = np.where(t // int(rng.integers(1, 90)) % 2, 32767, -32768)
        case "impulses":
            x = np.where(rng.random(n) < 0.01, rng.choice([-32768, 32767], n), 0)
        case "tone":
            x = 32767 * np.sin(t * rng.uniform(0.01, 3.1))
        case "bursts":
            x = rng.normal(0, 1, n) * 10 ** (4.5 * rng.random(-(-n // 700)).repeat(700)[:n])
    return np.clip(np.rint(x), -32768, 32767).astype(np.int16)


def reference(samples):
    """Frames of pymicro-features 2.0.2, the C code of the definition."""
    micro = reference_frontend()
    rows = [micro.process_samples(samples[at : at + 160].tobytes()).features for at in range(0, len(samples), 160)]
    return np.rint(np.array([row for row in rows if row]) * 25.6).astype(np.uint16)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build(exported(tmp_path_factory.mktemp("export")))


@pytest.fixture(scope="module")
def code(library):
    return CFrontend(library)


# ------------------------------------------------------------------------------------------------ features


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_reference(code, kind):
    samples = signal(kind, np.random.default_rng(5), 160 * 150)
    code.reset()
    found = code.push(samples)
    assert found.shape == (148, 40)
    np.testing.assert_array_equal(found, reference(samples))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 9000),
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=5),
)
def test_equals_python_whatever_the_blocks(code, kind, seed, n, sizes):
    samples = signal(kind, np.random.default_rng(seed), n)
    code.reset()
    rows, at, i = [], 0, 0
    while at < n:
        rows.append(code.push(samples[at : at + sizes[i % len(sizes)]]))
        at += sizes[i % len(sizes)]
        i += 1
    found = np.concatenate(rows) if rows else np.zeros((0, 40), np.uint16)
    np.testing.assert_array_equal(found, Frontend().push(samples))


def test_equals_the_reference_when_the_kind_of_sound_changes(code):
    rng = np.random.default_rng(8)
    samples = np.concatenate([signal(kind, rng, 1600) for kind in rng.permutation(KINDS * 4)])
    code.reset()
    np.testing.assert_array_equal(code.push(samples), reference(samples))


def test_a_reset_forgets_audio_and_noise(code):
    rng = np.random.default_rng(1)
    samples = signal("noise", rng, 3000)
    code.reset()
    first = code.push(samples)
    again = code.push(samples)
    assert not np.array_equal(first, again[: len(first)])
    code.reset()
    np.testing.assert_array_equal(code.push(samples), first)


def test_a_complete_frame_is_kept_until_it_is_taken(code):
    code.reset()
    samples = signal("noise", np.random.default_rng(2), 600)
    push = code._code.vv_frontend_push
    assert push(code._state, samples.ctypes.data, 600) == 480
    assert push(code._state, samples.ctypes.data, 600) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"pcan": False},
        {"channels": 20, "lower_band_hz": 60.0, "upper_band_hz": 3800.0},
        {"channels": 80},
        {"window_ms": 32, "step_ms": 20},
        {"window_ms": 25, "step_ms": 25, "log_shift": 10},
        {"smoothing_bits": 16, "even_smoothing": 0.9, "odd_smoothing": 0.001, "min_signal_remaining": 0.0},
        {"pcan_strength": 0.3, "pcan_offset": 3.0, "pcan_gain_bits": 15},
        {"pcan_strength": 0.5, "pcan_gain_bits": 18, "lower_band_hz": 0.0},
    ],
    ids=str,
)
def test_equals_python_with_other_settings(tmp_path, changes):
    settings = FrontendSettings(**changes)
    code = CFrontend(build(exported(tmp_path, frontend=changes)), settings.channels)
    rng = np.random.default_rng(4)
    samples = np.concatenate([signal(kind, rng, 2400) for kind in (*KINDS, *KINDS)])
    np.testing.assert_array_equal(code.push(samples), Frontend(settings).push(samples))


_DRIVER = """\
#include <stdio.h>
#include "vivavoce_frontend.h"
#include "vivavoce_post.h"
int main(void)
{
    static vv_frontend_t frontend;
    static vv_wake_t wake;
    static int16_t block[333];
    uint16_t features[VV_CHANNELS];
    int8_t logits[VV_WORDS];
    vv_detection_t found;
    size_t count;

    vv_frontend_reset(&frontend);
    vv_wake_reset(&wake);
    while ((count = fread(block, sizeof(block[0]), 333U, stdin)) > 0U) {
        const int16_t *at = block;
        while (count > 0U) {
            const size_t taken = vv_frontend_push(&frontend, at, count);
            at += taken;
            count -= taken;
            if (vv_frontend_frame(&frontend, features)) {
                size_t i;
                (void)fwrite(features, sizeof(features[0]), VV_CHANNELS, stdout);
                if (vv_wake_frame(&wake, features)) {
                    for (i = 0U; i < (size_t)VV_WORDS; i++) {
                        logits[i] = wake.input[i];
                    }
                    (void)vv_wake_logits(&wake, logits, &found);
                }
            }
        }
    }
    return 0;
}
"""


@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_does_nothing_that_c_leaves_undefined(tmp_path, cc):
    folder = exported(tmp_path)
    (folder / "driver.c").write_text(_DRIVER)
    program = folder / "driver"
    done = subprocess.run(
        [compiler(cc), "-std=c99", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
         *(folder / name for name in ("driver.c", *CODE)), "-o", program],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode and "san" in done.stderr and "cannot find" in done.stderr:
        pytest.skip(f"{cc} has no sanitizers here")
    assert done.returncode == 0, done.stderr
    rng = np.random.default_rng(6)
    samples = np.concatenate([signal(kind, rng, 1600) for kind in rng.permutation(KINDS * 4)])
    done = subprocess.run([program], input=samples.tobytes(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == Frontend().push(samples).astype("<u2").tobytes()


@pytest.mark.parametrize("cc", ["gcc", "clang", "arm-none-eabi-gcc"])
@pytest.mark.parametrize("standard", ["c99", "c11"])
def test_compiles_without_a_warning(tmp_path, cc, standard):
    folder = exported(tmp_path)
    options = [*WARNINGS[1:], f"-std={standard}", "-Wcast-qual", "-Wstrict-prototypes", "-Wundef", "-Wdouble-promotion"]
    if cc.startswith("arm"):
        options += ["-mcpu=cortex-m4", "-mthumb"]
    for source in sorted(folder.glob("*.c")):
        done = subprocess.run(
            [compiler(cc), *options, "-O2", "-c", source, "-o", tmp_path / "x.o"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def test_headers_serve_cpp(tmp_path):
    folder = exported(tmp_path)
    (folder / "x.cc").write_text(
        '#include "vivavoce_frontend.h"\n#include "vivavoce_post.h"\n#include "vivavoce_models.h"\n'
        '#include "vivavoce_tables.h"\nstatic_assert(VV_ABI_VERSION == 1U, "");\n'
        "VV_ALIGNAS(16) static unsigned char buffer[3];\nint main() { return buffer[0]; }\n"
    )
    done = subprocess.run(
        [compiler("g++"), "-std=c++11", "-pedantic", "-Wall", "-Wextra", "-Werror", "-c", folder / "x.cc", "-o",
         folder / "x.o"], capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_has_no_heap_and_no_float():
    from importlib.resources import files

    for name in C_SOURCES:
        text = re.sub(r"/\*.*?\*/", "", (files("firmware_bridge") / "c" / name).read_text(), flags=re.DOTALL)
        assert not re.search(r"\b(malloc|calloc|realloc|free|alloca|float|double|goto|setjmp)\b", text), name


def test_square_roots_are_rounded_to_nearest_and_capped(tmp_path):
    folder = exported(tmp_path)
    (folder / "x.c").write_text(
        '#include "vivavoce_frontend.c"\nuint32_t root_of(uint64_t value);\n'
        "uint32_t root_of(uint64_t value) { return rounded_sqrt(value); }\n"
    )
    library = folder / "x.so"
    sources = [folder / name for name in ("x.c", "vivavoce_transform.c", "vivavoce_tables.c")]
    subprocess.run([compiler(), "-std=c99", "-O2", "-fPIC", "-shared", *sources, "-o", library], check=True)
    root_of = ctypes.CDLL(str(library)).root_of
    root_of.restype, root_of.argtypes = ctypes.c_uint32, [ctypes.c_uint64]
    rng = np.random.default_rng(9)
    roots = [int(2**bits) for bits in rng.uniform(0, 32, 3000)]
    near = {root * root + root + by for root in roots for by in (-1, 0, 1)}
    values = {0, 1, 2, 3, 2**32 - 1, 2**32, 2**64 - 1, 2**63} | {value for value in near if 0 <= value < 2**64}
    for value in values:
        root = math.isqrt(value)
        root += value - root * root > root
        assert root_of(value) == min(root, 2**16 - 1 if value < 2**32 else 2**32 - 1), value


def test_every_stage_equals_the_kernel_on_any_numbers(tmp_path):
    # Numbers that no sound leads to, so that everything wraps that can.
    from edge.frontend_tables import ENERGIES_SIZE, WORK_SIZE, build_tables
    from edge.kernels.frontend import _channels, _energies, _filterbank, _transform

    folder = exported(tmp_path)
    (folder / "x.c").write_text(
        '#include "vivavoce_frontend.c"\nvoid channels_of(vv_frontend_t *, uint32_t, uint16_t *);\n'
        "void channels_of(vv_frontend_t *f, uint32_t shift, uint16_t *features) { channels(f, shift, features); }\n"
    )
    library = folder / "x.so"
    sources = [folder / name for name in ("x.c", "vivavoce_transform.c", "vivavoce_tables.c")]
    subprocess.run([compiler(), "-std=c99", "-O2", "-fPIC", "-shared", *sources, "-o", library], check=True)
    c, tables = ctypes.CDLL(str(library)), build_tables(FrontendSettings())
    block, scalars = tables.block.copy(), tables.scalars.copy()  # the kernels take no arrays that are read-only
    rng = np.random.default_rng(10)
    energies, totals = np.zeros(ENERGIES_SIZE, np.int32), np.zeros(41, np.uint64)
    for turn in range(120):
        points = rng.integers(-32768, 32768, 512).astype(np.int16)
        if turn % 3:
            points = rng.choice([-32768, -16384, 16384, 32767], 512).astype(np.int16)
        if turn % 3 == 2:
            # A bin of about 16384, of which a half is a tie.
            tone = 16387j * np.exp(2j * np.pi * (130 + turn) * np.arange(256) / 256)
            points = np.rint(np.stack([tone.real, tone.imag], axis=1)).astype(np.int16).ravel()
        work = np.zeros(WORK_SIZE, np.int16)
        work[:512] = points
        _transform(work, block)
        _energies(work, block, energies)
        bins = points.copy()
        c.vv_transform(bins.ctypes.data_as(ctypes.c_void_p))
        np.testing.assert_array_equal(bins.view(np.int32)[1:], energies[1:256])
        # The state begins with the noise, and then come the bins.
        noise = rng.integers(0, 2**32, 40, dtype=np.uint32) >> rng.integers(0, 32, 40, dtype=np.uint32)
        given = rng.integers(-(2**31), 2**31, 256).astype(np.int32)
        given = given if turn % 2 else np.abs(given >> int(rng.integers(0, 31))).astype(np.int32)
        state = np.zeros(4096, np.uint8)
        state[:160], state[160 : 160 + 1024] = noise.view(np.uint8), given.view(np.uint8)
        found, expected, shift = np.zeros(40, np.uint16), np.zeros((1, 40), np.uint16), int(rng.integers(0, 16))
        c.channels_of(state.ctypes.data_as(ctypes.c_void_p), shift, found.ctypes.data_as(ctypes.c_void_p))
        energies[:256] = given
        _filterbank(energies, block, totals, 40)
        _channels(totals, shift, block, scalars, noise, expected, 0)
        np.testing.assert_array_equal(found, expected[0])
        np.testing.assert_array_equal(state[:160].view(np.uint32), noise)


# ------------------------------------------------------------------------------------------------ words


@pytest.fixture(scope="module")
def wake(library):
    return CWake(library)


def test_quantises_every_feature_as_python_does(wake):
    features = np.arange(65536).astype(np.uint16)
    found = np.array([wake.quantise(int(feature)) for feature in features], np.int8)
    np.testing.assert_array_equal(found, quantise_features(features))


class _Said:
    """A wake network that says what it is told to, and keeps what it was shown."""

    def __init__(self, model, logits):
        self.name, self.inputs, self.outputs = model.name, model.inputs, model.outputs
        self._logits, self.shown = logits, []

    def run(self, inputs):
        self.shown.append(inputs["features"][0].copy())
        return {"logits": self._logits[None, len(self.shown) - 1], "state_out": inputs["state"]}


@pytest.fixture(scope="module")
def model():
    bundle = open_bundle()
    return load_model(bundle.content(bundle.wake.file), name="wake", kernels="reference")


def _stage(model, logits, **changes):
    bundle = open_bundle()
    options = {
        "stride_frames": bundle.wake.stride_frames,
        "context_frames": bundle.wake.context_frames,
        "smoothing_steps": bundle.wake.smoothing_steps,
        "refractory_frames": bundle.wake.refractory_ms // 10,
    } | changes
    said = _Said(model, logits)
    return WakeStage(said, list(bundle.wake_cutoffs.values()), channels=40, **options), said


def _compare(wake, model, rng, frames, **changes):
    """Push features and let a network say what is drawn; return how many detections there were."""
    features = rng.integers(0, 900, (frames, 40)).astype(np.uint16)
    loud = rng.random(frames).cumsum() % 16 < 5
    logits = np.where(loud[:, None], rng.integers(90, 128, (frames, 6)), rng.integers(-128, 110, (frames, 6)))
    logits = logits.astype(np.int8)
    stage, said = _stage(model, logits, **changes)
    expected = [(d.frame, d.word, d.score) for d in stage.push(features)]
    wake.reset()
    found, runs = [], 0
    for row in features:
        if wake.frame(row):
            np.testing.assert_array_equal(wake.shown, said.shown[runs])
            detection = wake.logits(logits[runs])
            runs += 1
            if detection is not None:
                found.append(detection)
    assert runs == len(said.shown)
    assert [(frame, word) for frame, word, _ in found] == [(frame, word) for frame, word, _ in expected]
    for (_, _, probability), (_, _, score) in zip(found, expected, strict=True):
        assert abs(probability / 2**30 - score) < 3e-9
    return len(found)


@pytest.mark.parametrize("seed", range(4))
def test_hears_the_words_that_python_hears(wake, model, seed):
    assert _compare(wake, model, np.random.default_rng(seed), 4000) > 10


@pytest.mark.parametrize(
    "changes", [{"smoothing_steps": 1}, {"smoothing_steps": 7}, {"stride_frames": 1}, {"refractory_ms": 0}], ids=str
)
def test_hears_them_with_other_settings(tmp_path, model, changes):
    code = CWake(build(exported(tmp_path, **changes)))
    python = {"refractory_frames": 0} if "refractory_ms" in changes else changes
    assert _compare(code, model, np.random.default_rng(3), 3000, **python) > 5


def test_every_mean_is_on_the_same_side_of_its_cutoff(tmp_path, model):
    # All that three runs can say: integers decide as real numbers do; no mean is so near that rounding could matter.
    tables = (exported(tmp_path) / "vivavoce_tables.c").read_text()

    def numbers(name):
        return np.array(re.findall(r"(\d+)U", tables.split(name)[1].split("}")[0]), np.int64)

    probabilities, sums = numbers("vv_probabilities[256] ="), numbers("vv_cutoff_sums[6] =")
    bundle = open_bundle()
    spec = next(spec for spec in model.outputs if spec.name == "logits")
    real = 1 / (1 + np.exp(-dequantise(np.arange(-128, 128).astype(np.int8), spec).astype(np.float64)))
    first, second, third = (axis.ravel() for axis in np.meshgrid(*[np.arange(256)] * 3, indexing="ij"))
    once = (first <= second) & (second <= third)
    at = np.stack([first[once], second[once], third[once]])
    means, totals = real[at].mean(axis=0), probabilities[at].sum(axis=0)
    for cutoff, cutoff_sum in zip(bundle.wake_cutoffs.values(), sums, strict=True):
        np.testing.assert_array_equal(totals > cutoff_sum, means > cutoff)
        assert np.abs(means - cutoff).min() > 1e-12
