"""Proof on a target: the exported bundle, cross-compiled, computes the golden vectors on emulated Cortex-M boards.

    make firmware

Golden vectors are made of recordings of the development split, at least a minute of speech and wake words; where the
recordings are not at hand, of the scene that ships with the program, over and over. The boards are emulated by QEMU,
which counts instructions (``-icount``) and knows nothing of cycles: a count is the same everywhere, and is no time.
Exit code 1 if a single number differs.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
DATA = Path(os.environ.get("VIVAVOCE_DATA", ROOT.parent / "shared" / "data"))
SCENE = ROOT / "edge" / "data" / "scene.flac"
HOP_S, LEAST_S = 0.010, 60.0
WAKE_CLIPS = 3
"""Of each word."""
TIME_LIMIT_S = 600
NO_DATA = "none"

CROSS = "arm-none-eabi-"
WARNINGS = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wsign-conversion", "-Wshadow")
BOARDS = {"mps2-an385": "cortex-m3", "mps2-an386": "cortex-m4", "mps2-an500": "cortex-m7"}
"""Boards of QEMU by their processors."""
TICK_SHIFT = 5
"""QEMU takes 2**5 ns for an instruction, and SysTick counts at 25 MHz: 1.25 instructions a tick, which is measured."""
CODE = ("vivavoce_frontend", "vivavoce_transform", "vivavoce_post", "vivavoce_tables")
LINK_FOLDERS = ("c_link", "c_slots", "c_device")
HOST_ONLY = "simulated"
"""With which files of c_device begin that are for a machine with POSIX."""
LINK_CPU = "cortex-m4"
LINK_STATES = {
    "vv_peer_t": "vivavoce_link_peer.h",
    "vv_device_t": "vivavoce_device.h",
    "vv_slots_t": "vivavoce_slots.h",
}
"""Types that a firmware has one of, which are its RAM."""
NETWORKS = ("vivavoce_wake_model", "vivavoce_liveness_model")


def recordings(data: Path) -> tuple[list[Path], str, str]:
    """Return the recordings of the golden vectors, what they are, and the hash of the data."""
    from edge.bundle import open_bundle

    if not (data / "manifest.csv").is_file():
        return [SCENE] * 7, "edge/data/scene.flac, 7 times", NO_DATA
    from train.corpus import data_hash, load_manifest

    words = {word.id for word in open_bundle().words}
    clips = sorted((c for c in load_manifest(data) if c.split == "dev"), key=lambda clip: str(clip.path))
    chosen = []
    for word in sorted(words):
        chosen += [clip for clip in clips if clip.role == "wake" and clip.word == word][:WAKE_CLIPS]
    seconds = 0.0
    for clip in clips:
        if clip.role == "speech" and seconds < LEAST_S:
            chosen.append(clip)
            seconds += clip.seconds
    if seconds < LEAST_S:
        raise SystemExit(f"{data}: got {seconds:.0f} s of speech in split dev, expected at least {LEAST_S:.0f} s")
    said = f"{len(chosen)} recordings of split dev: {WAKE_CLIPS} of each word, and {seconds:.0f} s of other speech"
    return [data / clip.path for clip in chosen], said, data_hash(data)


def run(*command: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program; end with what it printed if it fails."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False, **options
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def export(bundle: Path, golden: list[Path], folder: Path) -> None:
    """Export the bundle, twice, and see that both are the same."""
    vivavoce = (sys.executable, "-m", "edge")
    report = folder / "opcheck.json"
    report.write_text(run(*vivavoce, "quantize", "opcheck", "--json", bundle, cwd=ROOT).stdout)
    options = [part for path in golden for part in ("--golden", path)]
    for name in ("export", "again"):
        run(*vivavoce, "bridge", "export", bundle, "--target", "c", "--opcheck", report, *options, "-o", folder / name,
            cwd=ROOT)  # fmt: skip
    one, two = ((folder / name / "export.json").read_bytes() for name in ("export", "again"))
    if one != two:
        raise SystemExit("export: got other bytes the second time, expected the same")


def compile_host(source: Path, folder: Path) -> list[str]:
    """Compile the exported C with every compiler of this machine; return those that there are."""
    there = []
    for compiler in ("gcc", "clang"):
        try:
            for name in (*CODE, *NETWORKS):
                run(compiler, *WARNINGS, "-O2", "-c", source / f"{name}.c", "-o", folder / f"{compiler}_{name}.o")
        except FileNotFoundError:
            continue
        there.append(compiler)
    return there


def board_options(cpu: str) -> tuple[str, ...]:
    """Return the options of the compiler for a processor."""
    return (f"-mcpu={cpu}", "-mthumb", "-mfloat-abi=soft", "-O2", "-ffunction-sections", "-fdata-sections")


def section_sizes(target: Path) -> list[tuple[str, int]]:
    """Return names and bytes of the sections of an object; a name may come twice."""
    lines = run(f"{CROSS}size", "-A", target).stdout.splitlines()[2:]
    return [(parts[0], int(parts[1])) for parts in map(str.split, lines) if len(parts) == 3]


def object_sizes(target: Path) -> dict[str, int]:
    """Return bytes of code, constants and data of an object."""
    sections = section_sizes(target)
    kinds = {"code_bytes": ".text", "constants_bytes": ".rodata", "data_bytes": (".data", ".bss")}
    return {what: sum(size for name, size in sections if name.startswith(kind)) for what, kind in kinds.items()}


def compile_link(source: Path, folder: Path, package: Path = ROOT / "firmware_bridge") -> dict[str, Any]:
    """Compile the link, the slots and what of the device is for any machine; return their bytes, and those of RAM.

    Parameters
    ----------
    source : Path
        The export, whose settings they are compiled with.
    folder : Path
        For objects.
    package : Path
        Where the C is.
    """
    includes = [f"-I{package / name}" for name in LINK_FOLDERS] + [f"-I{source}"]
    flags = (f"{CROSS}gcc", *WARNINGS, *board_options(LINK_CPU), *includes, "-c")
    sizes: dict[str, Any] = {}
    for name in LINK_FOLDERS:
        for path in sorted((package / name).glob("*.c")):
            if not path.name.startswith(HOST_ONLY):
                target = folder / f"{LINK_CPU}_{path.stem}.o"
                run(*flags, path, "-o", target)
                sizes[path.stem] = object_sizes(target)
    probe = folder / "states.c"
    lines = [f'#include "{header}"\n{kind} {kind}_one;\n' for kind, header in LINK_STATES.items()]
    probe.write_text("".join(lines))
    run(*flags, probe, "-o", probe.with_suffix(".o"))
    sections = dict(section_sizes(probe.with_suffix(".o")))
    states = {kind: sections[f".bss.{kind}_one"] for kind in LINK_STATES}
    return {"processor": LINK_CPU, "sizes": sizes, "state_bytes": states}


def compile_board(cpu: str, source: Path, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Compile for a processor; return the program, and bytes of code, constants and data of each object."""
    options = board_options(cpu)
    objects, sizes = [], {}
    for name in (*CODE, *NETWORKS):
        target = folder / f"{cpu}_{name}.o"
        run(f"{CROSS}gcc", *WARNINGS, *options, "-c", source / f"{name}.c", "-o", target)
        objects.append(target)
        sizes[name] = object_sizes(target)
    program = folder / f"{cpu}.elf"
    run(f"{CROSS}gcc", "-std=gnu99", *WARNINGS[2:], *options, "--specs=rdimon.specs", "-T", HERE / "mps2.ld",
        "-Wl,--gc-sections", f"-I{source}", HERE / "startup.c", HERE / "target.c", *objects[: len(CODE)],
        "-o", program)  # fmt: skip
    return program, sizes


def prove(board: str, program: Path, source: Path) -> dict[str, Any]:
    """Run the program on an emulated board; return what it says, with counts as instructions."""
    done = subprocess.run(
        ["qemu-system-arm", "-M", board, "-nographic", "-monitor", "none", "-serial", "none", "-icount",
         f"shift={TICK_SHIFT}", "-semihosting-config", "enable=on,target=native,arg=target,arg=golden",
         "-kernel", str(program)],
        capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False, cwd=source, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode not in (0, 1) or not done.stdout.startswith("{"):
        raise SystemExit(f"{board}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    said: dict[str, Any] = json.loads(done.stdout)
    per_tick = said.pop("loop_instructions") / said.pop("loop_ticks")
    reading = said.pop("ticks_of_1000_readings") / 1000
    frames = said["frames"]
    # Samples are taken and frames computed between two readings of the clock, a block at a time.
    return {
        **{key: value for key, value in said.items() if not key.endswith("_ticks")},
        "instructions_per_tick": per_tick,
        "frontend_instructions_per_hop": round(said["frontend_ticks"] * per_tick / frames),
        "frontend_instructions_per_hop_most": round(said["most_ticks"] * per_tick),
        "post_instructions_per_hop": round(said["post_ticks"] * per_tick / frames),
        "instructions_of_a_clock_reading": round(reading * per_tick, 1),
    }


def run_wake_network(source: Path) -> tuple[int, int]:
    """Run the exported array in tflite-micro on the golden inputs; return runs, and logits that differ."""
    import numpy as np
    from tflite_micro import runtime

    text = (source / "vivavoce_settings.h").read_text()
    number = {name: int(value) for name, value in re.findall(r"#define (VV_\w+) \(?(-?\d+)U?\)?\n", text)}
    array = (source / "vivavoce_wake_model.c").read_text()
    content = bytes(int(byte, 16) for byte in re.findall(r"0x([0-9a-f]{2}),", array))
    frames = np.fromfile(source / "golden" / "input.s8", np.int8).reshape(-1, number["VV_CHANNELS"])
    golden = np.fromfile(source / "golden" / "logits.s8", np.int8).reshape(-1, number["VV_WORDS"])
    interpreter = runtime.Interpreter.from_bytes(content, arena_size=number["VV_WAKE_ARENA_BYTES"])
    given, told = (
        {tuple(int(n) for n in details(i)["shape"]): i for i in (0, 1)}
        for details in (interpreter.get_input_details, interpreter.get_output_details)
    )
    shown = (1, number["VV_WAKE_CONTEXT"], number["VV_CHANNELS"])
    shape = next(other for other in given if other != shown)
    state = np.full(shape, number["VV_WAKE_STATE_ZERO_POINT"], np.int8)
    differences = 0
    for i, logits in enumerate(golden):
        begin = i * number["VV_WAKE_STRIDE"]
        interpreter.set_input(frames[None, begin : begin + number["VV_WAKE_CONTEXT"]], given[shown])
        interpreter.set_input(state, given[shape])
        interpreter.invoke()
        said = np.array(interpreter.get_output(told[1, number["VV_WORDS"]]))
        state = np.array(interpreter.get_output(told[shape]))
        differences += int(np.count_nonzero(said[0] != logits))
    return len(golden), differences


def main() -> int:
    """Prove it, print it, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with a manifest.csv [%(default)s]")
    parser.add_argument("--out", type=Path, help="[results/firmware.json; without the recordings build/firmware.json]")
    args = parser.parse_args()
    from edge.bundle import DEFAULT_BUNDLE
    from train.results import write_result

    golden, said, hashed = recordings(args.data)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        export(DEFAULT_BUNDLE, golden, folder)
        source = folder / "export"
        checks = [json.loads(line) for line in (folder / "opcheck.json").read_text().splitlines()]
        runs, logit_differences = run_wake_network(source)
        hosts = compile_host(source, folder)
        boards: dict[str, Any] = {}
        for board, cpu in BOARDS.items():
            program, sizes = compile_board(cpu, source, folder)
            boards[board] = {"processor": cpu, **prove(board, program, source), "sizes": sizes}
        link = compile_link(source, folder)
    version = run(f"{CROSS}gcc", "--version").stdout.splitlines()[0]
    emulator = run("qemu-system-arm", "--version").stdout.splitlines()[0]
    networks = {
        Path(check["file"]).name: {
            "arena_bytes": check["arena_bytes"],
            "operators": check["operators"],
            "runs_compared": check["runs"],
            "largest_difference_steps": check["largest_difference_steps"],
        }
        for check in checks
    }
    differences = logit_differences
    print(f"golden vectors: {said}; compiled without a warning by {', '.join([*hosts, version])}")
    for board, found in boards.items():
        flash = {name: size["code_bytes"] + size["constants_bytes"] for name, size in found["sizes"].items()}
        apart = {key: found[key] for key in ("feature_differences", "input_differences", "word_differences")}
        differences += sum(apart.values())
        print(
            f"{board} ({found['processor']}): {found['samples'] / 16000:.1f} s, {found['frames']} frames, "
            f"{found['words']} words; differences: {apart['feature_differences']} features, "
            f"{apart['input_differences']} quantised inputs, {apart['word_differences']} words\n"
            f"  {found['frontend_instructions_per_hop']} instructions a hop of 10 ms (most "
            f"{found['frontend_instructions_per_hop_most']}), {found['post_instructions_per_hop']} for the rest\n"
            f"  flash: frontend {flash['vivavoce_frontend'] + flash['vivavoce_transform']}, post "
            f"{flash['vivavoce_post']}, tables {flash['vivavoce_tables']}, networks "
            f"{flash['vivavoce_wake_model']} + {flash['vivavoce_liveness_model']} bytes\n"
            f"  RAM: frontend {found['frontend_state_bytes']}, post {found['wake_state_bytes']}, "
            f"stack of a frame {found['stack_bytes']} bytes"
        )
    flash = {name: size["code_bytes"] + size["constants_bytes"] for name, size in link["sizes"].items()}
    print(
        f"link, slots and device, compiled without a warning for {LINK_CPU}: {sum(flash.values())} bytes of flash; "
        f"RAM: {', '.join(f'{name} {size}' for name, size in link['state_bytes'].items())} bytes"
    )
    for name, found in networks.items():
        print(
            f"{name} in tflite-micro (on this machine): arena {found['arena_bytes']} bytes, "
            f"{max(found['largest_difference_steps'].values()):g} steps from the reference in "
            f"{found['runs_compared']} runs"
        )
    print(f"exported wake network in tflite-micro, in the exported arena: {runs} runs on the golden inputs, ", end="")
    print(f"{logit_differences} logits differ from the reference kernels of TensorFlow Lite")
    body = {
        "what": "exported bundle on emulated Cortex-M boards; instructions as QEMU counts them (-icount, SysTick)",
        "golden": said,
        "compiler": version,
        "host_compilers": hosts,
        "options": "-O2",
        "emulator": emulator,
        "boards": boards,
        "link": link,
        "networks": networks,
        "wake_network_on_golden_inputs": {"runs": runs, "logit_differences": logit_differences},
    }
    out = args.out or ROOT / ("build" if hashed == NO_DATA else "results") / "firmware.json"
    write_result(out, body, data_hash=hashed, seed=0, bundle=DEFAULT_BUNDLE)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
