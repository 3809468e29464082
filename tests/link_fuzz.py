"""A target for libFuzzer over the generated C: a stream of bytes, the frames in it, and each message both ways."""

import subprocess
from pathlib import Path

from firmware_bridge.link.c_code import c_name
from firmware_bridge.link.table import MESSAGES

__all__ = ["C_FOLDER", "OWN_MEMORY", "build_fuzzer"]

OWN_MEMORY = ("-rss_limit_mb=0", "-malloc_limit_mb=256")
"""Options for a fuzzer that a large process starts.

The kernel counts the parent's largest memory as the child's, and the fuzzer would take that for its own. A single
allocation that large would still be found.
"""

C_FOLDER = Path(__file__).resolve().parents[1] / "firmware_bridge" / "c_link"


def build_fuzzer(folder: Path) -> Path:
    """Compile the target with clang and the sanitizers for addresses and undefined behaviour; return the program."""
    cases = "".join(
        f"case {kind.code}: {{ static vv_{c_name(kind)}_t m, n;\n"
        f"  if (!vv_{c_name(kind)}_decode(&m, in, size)) return;\n"
        f"  size_t k = vv_{c_name(kind)}_encode(&m, out, sizeof out);\n"
        f"  if (k == 0 || k > size || memcmp(out, in, k) != 0) abort();\n"
        f"  if (!vv_{c_name(kind)}_decode(&n, out, k)) abort();\n  return; }}\n"
        for kind in MESSAGES
    )
    source = folder / "fuzz.c"
    source.write_text(
        '#include <stdlib.h>\n#include <string.h>\n#include "vivavoce_link.h"\n'
        "static void message(int code, const uint8_t *in, size_t size) {\nstatic uint8_t out[VV_PAYLOAD_MAX];\n"
        f"switch (code) {{\n{cases}default: return; }} }}\n"
        "int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size);\n"
        "int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size) {\n"
        "  static vv_reader_t r; static uint8_t out[VV_ENCODED_MAX]; vv_frame_t f, g;\n"
        "  if (size == 0) return 0;\n"
        # Each message by itself: the fuzzer finds no CRC.
        "  uint8_t *copy = malloc(size); if (copy == NULL) return 0;\n"
        "  memcpy(copy, in + 1, size - 1);\n  message(in[0] % 32, copy, size - 1);\n  free(copy);\n"
        "  vv_reader_reset(&r);\n"
        "  for (size_t i = 0; i < size; i++) if (vv_reader_push(&r, in[i], &f)) message(f.kind, f.payload, f.length);\n"
        # What is written is read again as it was.
        "  if (size > VV_PAYLOAD_MAX) return 0;\n"
        "  f = (vv_frame_t){1, in[0], 7, 9, (uint16_t)size, in};\n"
        "  size_t k = vv_frame_encode(&f, out, sizeof out); if (k == 0) abort();\n"
        "  vv_reader_reset(&r);\n"
        "  for (size_t i = 0; i + 1 < k; i++) if (out[i] == 0 || vv_reader_push(&r, out[i], &g)) abort();\n"
        "  if (!vv_reader_push(&r, 0, &g) || g.length != size || memcmp(g.payload, in, size) != 0) abort();\n"
        "  return 0; }\n"
    )
    program = folder / "fuzz"
    flags = ["-std=c99", "-g", "-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    sources = [str(source), *map(str, sorted(C_FOLDER.glob("*.c")))]
    subprocess.run(["clang", *flags, f"-I{C_FOLDER}", *sources, "-o", str(program)], check=True)
    return program
