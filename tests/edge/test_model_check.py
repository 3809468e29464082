"""Networks that are cut off or damaged: refused before an interpreter follows them."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edge
from edge.bundle import DEFAULT_BUNDLE
from edge.model_check import check_whole

ROOT = Path(edge.__file__).resolve().parents[1]
OTHER = os.environ.get("VIVAVOCE_TFLITE_PYTHON")
MODELS = ("wake.tflite", "liveness.tflite")

needs_tflite = pytest.mark.skipif(not OTHER, reason="VIVAVOCE_TFLITE_PYTHON names no Python with tflite-runtime")


@pytest.fixture(scope="module", params=MODELS)
def content(request):
    return (DEFAULT_BUNDLE / request.param).read_bytes()


def test_whole_networks_are_whole(content, wake_network):
    check_whole(content)
    check_whole(content + b"more")
    check_whole(wake_network())


def test_networks_of_others_are_whole():
    models = pytest.importorskip("pymicro_wakeword", reason="pymicro-wakeword is not installed")
    files = sorted(Path(models.__file__).parent.rglob("*.tflite"))
    assert len(files) >= 4
    for file in files:
        check_whole(file.read_bytes())


def test_every_cut_is_seen(content):
    # All of the last ones: there lie the texts and numbers that a cut could leave out unseen.
    for size in (*range(0, len(content) - 100, 499), *range(len(content) - 100, len(content))):
        with pytest.raises(ValueError, match=r"cut off|begin"):
            check_whole(content[:size])


def test_a_small_network_may_be_cut_nowhere(wake_network):
    content = wake_network(words=1, state=(1, 2, 2))
    for size in range(len(content)):
        with pytest.raises(ValueError, match=r"cut off|begin|zero"):
            check_whole(content[:size])


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"RIFF....WAVE", b"\x10\0\0\0TFL2" + bytes(100)])
def test_another_file_is_told_from_a_cut_one(content):
    with pytest.raises(ValueError, match="does not begin as one"):
        check_whole(content)


@pytest.mark.parametrize("root", [8, 0xFFFFFFF0, 0x7FFFFFFF])
def test_a_root_that_lies_anywhere_is_followed_no_further_than_the_file(content, root):
    with pytest.raises(ValueError, match=r"byte|outside"):
        check_whole(struct.pack("<I", root) + content[4:])


def test_whatever_changes_the_answer_is_an_answer(content):
    # No damage leads to another error, nor to a walk without an end.
    rng = np.random.default_rng(0)
    refused = 0
    for at in rng.integers(0, 6000, 300):
        damaged = bytearray(content)
        damaged[at] ^= int(rng.integers(1, 256))
        try:
            check_whole(bytes(damaged))
        except ValueError:
            refused += 1
    assert refused > 20


def test_what_the_check_of_litert_refuses_is_refused(wake_network):
    """Every number of a small network is made too large in turn, once as an offset and once as a length.

    Numbers that keep things aligned, because LiteRT refuses others for that alone.
    """
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT is not installed")
    content = wake_network(words=1, state=(1, 2, 2))
    refused = 0
    for at in range(0, len(content) - 3, 4):
        for number in (0x00FFFFFC, (len(content) - at) // 6 & ~3):
            damaged = content[:at] + struct.pack("<I", number) + content[at + 4 :]
            try:
                litert.Interpreter(model_content=damaged)
            except (ValueError, RuntimeError) as error:
                if "not a valid Flatbuffer" in str(error):
                    refused += 1
                    with pytest.raises(ValueError, match=r"byte"):
                        check_whole(damaged)
    assert refused > 300


def test_many_that_point_to_the_same_cost_no_more_than_one(wake_network):
    # 20,000 subgraphs that are all the same one, with 20,000 tensors that are all the same one.
    tensor = struct.pack("<HHi", 4, 4, 4)
    many = 20_000
    head = struct.pack("<I4s", 24, b"TFL3") + struct.pack("<HHHHHH", 10, 8, 0, 0, 4, 0)
    # model at 24 (vtable at 8), its vector behind; subgraph and its vector after that
    body = struct.pack("<iI", 24 - 8, 4)
    assert len(head) == 20
    vector_at = 32
    subgraph_vtable_at = vector_at + 4 + 4 * many
    subgraph_at = subgraph_vtable_at + 8
    tensors_at = subgraph_at + 8
    tensor_at = tensors_at + 4 + 4 * many + 4
    subgraphs = struct.pack(f"<I{many}I", many, *(subgraph_at - (vector_at + 4 + 4 * i) for i in range(many)))
    subgraph = struct.pack("<HHHHiI", 6, 8, 4, 0, 8, 4)
    tensors = struct.pack(f"<I{many}I", many, *(tensor_at - (tensors_at + 4 + 4 * i) for i in range(many)))
    content = head + bytes(4) + body + subgraphs + subgraph + tensors + tensor
    check_whole(content)
    with pytest.raises(ValueError, match="tensor: lies at byte"):
        check_whole(content[:-1])


STEPS = 4
"""Calls that a check may take for each byte of a file."""


def check_in_steps(content):
    """Check a file, and fail once more functions were called than a walk takes that looks at nothing twice."""
    left = STEPS * len(content)

    def count(frame, event, argument):
        nonlocal left
        left -= event in ("call", "c_call")
        if left < 0:
            sys.setprofile(None)
            pytest.fail(f"more than {STEPS} calls for a byte")

    sys.setprofile(count)
    try:
        check_whole(content)
    finally:
        sys.setprofile(None)


def many_tables(many, fields, *, layout, behind):
    """Return a file whose model has as many subgraphs, each of which points with its first field to what lies behind.

    Parameters
    ----------
    many : int
        Subgraphs, each in a place of its own.
    fields : int
        0 if they have no fields.
    layout, behind : bytes
        Where the fields of a subgraph lie, shared by all of them; and what they point to.
    """
    vector_at, size = 32, 4 + 4 * fields
    layout_at = vector_at + 4 + 4 * many
    tables_at = layout_at + len(layout)
    behind_at = tables_at + size * many
    model = struct.pack("<I4sHHHHHHIiI", 24, b"TFL3", 10, 8, 0, 0, 4, 0, 0, 24 - 8, 4)
    vector = struct.pack(f"<I{many}I", many, *(tables_at + size * i - (vector_at + 4 + 4 * i) for i in range(many)))
    tables = b""
    for at in range(tables_at, behind_at, size):
        tables += struct.pack("<i", at - layout_at) + (struct.pack("<I", behind_at - at - 4) if fields else b"")
    return model + vector + layout + tables + behind


def test_many_tables_with_the_same_vector_cost_one_vector():
    many = 3000
    tensors = struct.pack(f"<I{many}I", many, *(4 * (many - i) for i in range(many)))
    tensor = struct.pack("<iHH", -4, 4, 4)  # its layout is behind it
    content = many_tables(many, 1, layout=struct.pack("<HHH", 6, 8, 4), behind=tensors + tensor)
    check_in_steps(content)
    with pytest.raises(ValueError, match="tensor: lies at byte"):
        check_whole(content[:-1])


def test_many_tables_with_one_long_layout_cost_one_layout():
    content = many_tables(3000, 0, layout=struct.pack("<HH", 0xFFFE, 4) + bytes(0xFFFA), behind=b"")
    check_in_steps(content)


def test_vectors_that_lie_across_each_other_are_damage():
    # Every number is 0x00040004: how many there are, where they point to, where a layout lies, and an empty layout.
    # Subgraphs everywhere whose tensors begin one number later than those of the subgraph before.
    number, many = 0x00040004, 8
    content = bytearray(many_tables(many, 1, layout=struct.pack("<HHH", 6, 8, 4), behind=b""))
    first = len(content) - 8 * many
    content += struct.pack("<I", number) * (number + number // 2)
    for i in range(many):
        at = first + 8 * i + 4
        struct.pack_into("<I", content, at, first + 8 * many + 4 * i - at)
    with pytest.raises(ValueError, match="lies across others; the file is damaged"):
        check_whole(bytes(content))


def test_layouts_that_lie_across_each_other_are_damage():
    # Numbers that fall by one: at each of them begins a layout, which is as long as the number says.
    many = 3000
    content = bytearray(many_tables(many, 0, layout=struct.pack("<30000H", *range(30000, 0, -1)), behind=b""))
    first = len(content) - 4 * many
    layout_at = first - 60000
    for i in range(many):
        at = first + 4 * i
        struct.pack_into("<i", content, at, at - (layout_at + 2 * i))
    content += bytes(30000)  # a table is as long as its layout says
    with pytest.raises(ValueError, match="lies across others; the file is damaged"):
        check_in_steps(bytes(content))


# ------------------------------------------------------------------------------------------------ the interpreters


@needs_tflite
@pytest.mark.parametrize("share", [0.0002, 0.01, 0.5, 0.75, 0.98, 0.9999])
def test_tflite_runtime_refuses_a_cut_network_in_one_line(content, share, tmp_path):
    (tmp_path / "cut.tflite").write_bytes(content[: int(share * len(content))])
    program = f"from edge.interpreter import load_model; load_model({str(tmp_path / 'cut.tflite')!r}, runtime='tflite')"
    done = subprocess.run(
        [OTHER, "-c", program], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done
    last = done.stderr.splitlines()[-1]
    assert "ModelAbiError" in last
    assert "cut.tflite: tflite_runtime cannot load the model" in last
    assert "ends at byte" in last or "begin" in last
