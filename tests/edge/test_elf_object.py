"""The layout of object files, against what a linker makes of the same file, and against what it must refuse."""

import mmap
import shutil
import struct
import subprocess

import pytest

from edge.kernels.elf_object import UnfitObjectError, lay_out

llvm = pytest.importorskip("llvmlite.binding")

CODE = """
@table = internal unnamed_addr constant [4 x i32] [i32 10, i32 200, i32 3000, i32 40000]
define i32 @looked_up(i32 %i) {{
  %masked = and i32 %i, 3
  %at = getelementptr [4 x i32], ptr @table, i32 0, i32 %masked
  %value = load i32, ptr %at
  {call}
  ret i32 %result
}}
define i32 @doubled(i32 %x) noinline {{
  %y = shl i32 %x, 1
  ret i32 %y
}}
{more}
"""
CALL = "%result = call i32 @doubled(i32 %value)"


def object_file(triple, call=CALL, more=""):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module = llvm.parse_assembly(f'target triple = "{triple}"\n' + CODE.format(call=call, more=more))
    machine = llvm.Target.from_triple(triple).create_target_machine(opt=2, reloc="pic", codemodel="small")
    return machine.emit_object(module)


def triple_of_this_machine():
    return llvm.get_process_triple()


def test_code_runs_wherever_it_is_mapped(tmp_path):
    import ctypes

    import numpy as np

    image, places = lay_out(object_file(triple_of_this_machine()), ["looked_up", "doubled"])
    (tmp_path / "image").write_bytes(image)
    held = []
    for _ in range(2):
        with (tmp_path / "image").open("rb") as file:
            mapped = mmap.mmap(file.fileno(), len(image), flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC)
        held.append(mapped)
        base = np.frombuffer(mapped, np.uint8).ctypes.data
        call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(base + places["looked_up"])
        assert [call(i) for i in range(4)] == [20, 400, 6000, 80000]


@pytest.mark.parametrize(
    ("triple", "linker"),
    [("x86_64-unknown-linux-gnu", "x86_64-linux-gnu-ld"), ("aarch64-unknown-linux-gnu", "aarch64-linux-gnu-ld")],
)
def test_references_are_settled_as_a_linker_does(triple, linker, tmp_path):
    if shutil.which(linker) is None:
        pytest.skip(
            f"{linker} is not installed (Debian: binutils-{triple.partition('-')[0].replace('_', '-')}-linux-gnu)"
        )
    elf = object_file(triple)
    image, places = lay_out(elf, ["looked_up", "doubled"])
    (tmp_path / "a.o").write_bytes(elf)
    # Put where the image puts it: code at one address, constants behind it.
    constants = next(i for i in range(len(image)) if image[i : i + 16] == struct.pack("<4i", 10, 200, 3000, 40000))
    script = (
        f"SECTIONS {{ .text 0x100000 : {{ *(.text) }} .rodata {0x100000 + constants:#x} : {{ *(.rodata*) }}"
        " /DISCARD/ : { *(.eh_frame*) *(.comment) *(.note*) } }"
    )
    (tmp_path / "script").write_text(script)
    linked = [
        "-T",
        str(tmp_path / "script"),
        "-e",
        "0",
        "--no-relax",
        "-o",
        str(tmp_path / "a.elf"),
        str(tmp_path / "a.o"),
    ]
    subprocess.run([linker, *linked], check=True, capture_output=True)
    content = (tmp_path / "a.elf").read_bytes()
    (table,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    loaded = {}
    for i in range(count):
        kind, _, offset, address, _, length, _, _ = struct.unpack_from("<IIQQQQQQ", content, table + i * size)
        if kind == 1:
            for j in range(length):
                loaded[address + j] = content[offset + j]
    code = bytes(loaded[0x100000 + i] for i in range(constants) if 0x100000 + i in loaded)
    assert len(code) > 20
    assert image[: len(code)] == code
    assert set(places) == {"looked_up", "doubled"}


@pytest.mark.parametrize(
    ("call", "more", "told"),
    [
        ("%result = call i32 @outside(i32 %value)", "declare i32 @outside(i32)", "outside: not in the object"),
        (
            "%old = load i32, ptr @kept\n  store i32 %value, ptr @kept\n  %result = add i32 %old, 1",
            "@kept = internal global i32 7",
            "holds no variables",
        ),
        (
            "%old = load i32, ptr @shared\n  %result = add i32 %old, 1",
            "@shared = external global i32",
            "is not relative|not in the object",
        ),
    ],
    ids=["function of a library", "variable", "variable of another"],
)
def test_what_an_image_cannot_have_is_refused(call, more, told):
    with pytest.raises(UnfitObjectError, match=told):
        lay_out(object_file(triple_of_this_machine(), call, more), ["looked_up"])


def test_a_missing_function_is_named():
    with pytest.raises(UnfitObjectError, match="functions missing: tripled"):
        lay_out(object_file(triple_of_this_machine()), ["tripled"])


@pytest.mark.parametrize("triple", ["armv7l-unknown-linux-gnueabihf", "x86_64-apple-darwin"])
def test_other_kinds_of_file_are_refused(triple):
    with pytest.raises(UnfitObjectError, match="not a 64-bit little-endian ELF"):
        lay_out(object_file(triple), ["looked_up"])


def test_other_processors_are_refused():
    elf = bytearray(object_file(triple_of_this_machine()))
    struct.pack_into("<H", elf, 18, 243)  # RISC-V
    with pytest.raises(UnfitObjectError, match="ELF machine 243"):
        lay_out(bytes(elf), ["looked_up"])
