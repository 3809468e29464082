"""Compile the kernels into an image: machine code that runs wherever it is mapped, without numba.

numba translates each entry (:mod:`edge.kernels.entries`) to LLVM's language and optimises it for this processor; here
that is freed from what only a Python process can give it (reference counts, exceptions, none of which a kernel uses),
compiled to an object file, and laid out (:mod:`edge.kernels.elf_object`). Of numba's inner workings only the name that
it gives to a compiled function is looked at.
"""

import re

import llvmlite
import llvmlite.binding as llvm
import numba

from edge.kernel_image import HEAD
from edge.kernels.elf_object import UnfitObjectError, lay_out
from edge.kernels.entries import ENTRIES, signature
from edge.kernels.options import OPTIONS

__all__ = ["UnfitObjectError", "compile_image"]

# Compilers replace loops by calls of the C library, which an image does not have. Without "no-builtins" they would find
# these loops, too, and replace them by calls of themselves.
_SUPPORT = """
define ptr @memset(ptr %to, i32 %value, i64 %n) #0 {
  %byte = trunc i32 %value to i8
  %none = icmp eq i64 %n, 0
  br i1 %none, label %done, label %loop
loop:
  %i = phi i64 [0, %0], [%next, %loop]
  %at = getelementptr i8, ptr %to, i64 %i
  store i8 %byte, ptr %at
  %next = add i64 %i, 1
  %last = icmp eq i64 %next, %n
  br i1 %last, label %done, label %loop
done:
  ret ptr %to
}
define ptr @memcpy(ptr %to, ptr %from, i64 %n) #0 {
  %none = icmp eq i64 %n, 0
  br i1 %none, label %done, label %loop
loop:
  %i = phi i64 [0, %0], [%next, %loop]
  %source = getelementptr i8, ptr %from, i64 %i
  %byte = load i8, ptr %source
  %at = getelementptr i8, ptr %to, i64 %i
  store i8 %byte, ptr %at
  %next = add i64 %i, 1
  %last = icmp eq i64 %next, %n
  br i1 %last, label %done, label %loop
done:
  ret ptr %to
}
attributes #0 = { noinline "no-builtins" }
"""
_SUPPORT_NAMES = ("memset", "memcpy")


def compile_image(abi: dict[str, str]) -> tuple[bytes, dict[str, int], dict[str, str]]:
    """Compile the kernels for this processor.

    Parameters
    ----------
    abi : dict of str to str
        Argument codes of each kernel, as in :data:`edge.native.ABI`.

    Returns
    -------
    bytes
        The code, :data:`edge.kernel_image.HEAD` in front.
    dict of str to int
        Where in it each kernel begins.
    dict of str to str
        Versions of the compilers, and the processor.

    Raises
    ------
    UnfitObjectError
        If the code cannot do without something outside, or the processor's kind is not known.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    try:
        code, places = lay_out(_object_file(abi), abi, HEAD)
    except RuntimeError as error:  # what llvmlite raises, whatever it is about
        raise UnfitObjectError(f"llvmlite cannot make an object file ({error})") from error
    processor = llvm.get_host_cpu_name()
    return code, places, {"numba": numba.__version__, "llvmlite": llvmlite.__version__, "processor": processor}


def _object_file(abi: dict[str, str]) -> bytes:
    """Compile all entries into one object file for this processor."""
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="pic",
        codemodel="small",
    )
    module = llvm.parse_assembly(_SUPPORT)
    for name, codes in abi.items():
        module.link_in(llvm.parse_assembly(_entry(name, codes)))
    kept = {*abi, *_SUPPORT_NAMES}
    for function in module.functions:
        if not function.is_declaration and function.name not in kept:
            function.linkage = llvm.Linkage.internal
    for variable in module.global_variables:
        if variable.linkage is llvm.Linkage.common:  # numba's environments, which only error paths look at
            variable.linkage = llvm.Linkage.internal
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    builder.getModulePassManager().run(module, builder)
    content: bytes = machine.emit_object(module)
    return content


def _entry(name: str, codes: str) -> str:
    """Return the entry in LLVM's language, with a C function around numba's, whose first arguments serve exceptions."""
    wanted = signature(codes)
    compiled = numba.njit(wanted, **(OPTIONS | {"cache": False}))(ENTRIES[name])
    text: str = compiled.inspect_llvm(wanted.args)
    inner = compiled.overloads[wanted.args].fndesc.llvm_func_name
    kinds = ["i64" if code == "n" else "ptr" for code in codes]
    given = ", ".join(f"{kind} %{i}" for i, kind in enumerate(kinds))
    # What is never inlined keeps reference counts alive of arrays that have none.
    return re.sub(r"\bnoinline\b", "inlinehint", text) + (
        f"\ndefine void @{name}({given}) {{\n"
        f"  %result = alloca ptr\n  %error = alloca ptr\n"
        f'  call i32 @"{inner}"(ptr %result, ptr %error, {given})\n  ret void\n}}\n'
    )
