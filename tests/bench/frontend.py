"""The feature frontend beside TensorFlow's C frontend, and the transform of the cues beside two others.

Both frontends run in this process, on one thread, in alternation, each through its public push of 10 ms. Before a
figure is taken the features are compared: a faster answer that is another one is worth nothing.

    make bench-frontend
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from processes import ROOT, data_folder, summary, versions, write_result

HOP = 160
RATE_HZ = 16000
CLIP_S = 2


def sound(data: Path, seconds: int, seed: int) -> tuple[Any, str]:
    """Return real speech where there is some, else noise that rises and falls as speech does; and what it is."""
    import numpy as np
    import soundfile

    found = sorted(data.glob("longform/speechocean_dev_*"))
    if found:
        samples, rate = soundfile.read(found[0], frames=seconds * RATE_HZ, dtype="int16")
        if rate == RATE_HZ and samples.size == seconds * RATE_HZ:
            return samples, f"longform/{found[0].name}"
    rng = np.random.default_rng(seed)
    n = seconds * RATE_HZ
    level = 3000 * np.clip(np.sin(2 * np.pi * 3 * np.arange(n) / RATE_HZ), 0.02, 1)
    return np.clip(np.rint(rng.normal(0, level)), -32768, 32767).astype(np.int16), "noise at the pace of speech"


def percentiles(nanoseconds: list[int]) -> dict[str, float]:
    """Return smallest, median and 99th percentile, us."""
    ordered = sorted(nanoseconds)
    picked = {"min": ordered[0], "p50": statistics.median(ordered), "p99": ordered[int(0.99 * len(ordered))]}
    return {name: round(value / 1000, 2) for name, value in picked.items()}


def each(push: Callable[[Any], Any], blocks: list[Any]) -> list[int]:
    """Time every push by itself, ns."""
    took = []
    clock = time.perf_counter_ns
    for block in blocks:
        began = clock()
        push(block)
        took.append(clock() - began)
    return took


def cpu_us(work: Callable[[], Any], hops: int) -> float:
    """Return the processor time of some work, us a hop."""
    began = time.process_time_ns()
    work()
    return (time.process_time_ns() - began) / 1000 / hops


def wall_us(work: Callable[[], Any], hops: int) -> float:
    """Return the time that some work takes, us a hop."""
    began = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - began) / 1000 / hops


def prange_over_clips(clips: list[Any]) -> Callable[[], Any]:
    """Return the other way to use two cores: one call of numba's for all clips, which must be of one length."""
    import numba
    import numpy as np

    from edge.frontend_tables import ENERGIES_SIZE, WORK_SIZE, FrontendSettings, build_tables
    from edge.kernels.frontend import frontend_frames

    numba.set_num_threads(2)
    settings = FrontendSettings()
    tables = build_tables(settings)
    block, scalars = tables.block.copy(), tables.scalars.copy()
    together = np.stack(clips)
    n_frames = (together.shape[1] - settings.window_samples) // settings.step_samples + 1

    @numba.njit(parallel=True, nogil=True, error_model="numpy")
    def work(together: Any, n_frames: int, block: Any, scalars: Any, out: Any) -> None:
        channels = scalars[2]
        for i in numba.prange(together.shape[0]):
            frontend_frames(
                together[i], n_frames, block, scalars, np.zeros(channels, np.uint32), np.zeros(WORK_SIZE, np.int16),
                np.zeros(ENERGIES_SIZE, np.int32), np.zeros(channels + 1, np.uint64), out[i],
            )  # fmt: skip

    def run() -> Any:
        out = np.empty((together.shape[0], n_frames, settings.channels), np.uint16)
        work(together, n_frames, block, scalars, out)
        return out

    return run


def frontends(samples: Any, rounds: int) -> dict[str, Any]:
    """Measure both frontends."""
    import numpy as np
    from pymicro_features import MicroFrontend

    from edge.frontend import Frontend
    from edge.offline import features_of_clips

    blocks = [samples[at : at + HOP] for at in range(0, samples.size - HOP + 1, HOP)]
    raw = [block.tobytes() for block in blocks]
    clip = CLIP_S * RATE_HZ
    clips = [samples[at : at + clip] for at in range(0, samples.size - clip + 1, clip)]
    hops = len(blocks)

    def ours() -> list[Any]:
        push = Frontend().push
        return [push(block) for block in blocks]

    def theirs() -> list[Any]:
        push = MicroFrontend().process_samples
        return [push(block) for block in raw]

    by_prange = prange_over_clips(clips)
    for one, other in zip(by_prange(), features_of_clips(clips), strict=True):
        np.testing.assert_array_equal(one, other)

    mine = np.concatenate(ours())
    reference = np.rint(np.array([frame.features for frame in theirs() if frame.features]) * 25.6).astype(np.int64)
    differing = int(np.count_nonzero(mine != reference))
    if differing:
        raise SystemExit(f"features differ in {differing} of {mine.size} integers: nothing was measured")

    pushes: dict[str, list[int]] = {"ours": [], "theirs": []}
    cpu: dict[str, list[float]] = {name: [] for name in ("ours", "theirs", "whole file", "clips")}
    wall: dict[str, list[float]] = {"two threads": [], "two threads, prange": []}
    for _ in range(rounds):
        cpu["ours"].append(cpu_us(ours, hops))
        cpu["theirs"].append(cpu_us(theirs, hops))
        cpu["whole file"].append(cpu_us(lambda: Frontend().push(samples), hops))
        cpu["clips"].append(cpu_us(lambda: features_of_clips(clips), hops))
        wall["two threads"].append(wall_us(lambda: features_of_clips(clips, threads=2), hops))
        wall["two threads, prange"].append(wall_us(by_prange, hops))
        pushes["ours"] += each(Frontend().push, blocks)
        pushes["theirs"] += each(MicroFrontend().process_samples, raw)
    medians = {name: statistics.median(values) for name, values in cpu.items()}
    return {
        "integers_compared": mine.size,
        "integers_differing": differing,
        "push_10ms_wall_us": {name: percentiles(values) for name, values in pushes.items()},
        "push_10ms_cpu_us": {name: summary(cpu[name], 3) for name in ("ours", "theirs")},
        "offline_cpu_us_a_hop": {name: summary(cpu[name], 3) for name in ("whole file", "clips")},
        "clips_wall_us_a_hop": {name: summary(values, 3) for name, values in wall.items()},
        "ratios_of_median_cpu": {
            "push, ours over theirs": round(medians["ours"] / medians["theirs"], 3),
            "whole file, theirs over ours": round(medians["theirs"] / medians["whole file"], 2),
            "clips of 2 s, theirs over ours": round(medians["theirs"] / medians["clips"], 2),
        },
    }


def plain_radix2() -> Callable[[Any, int], Any]:
    """Return the textbook transform, compiled as our kernels are: complex, radix 2, one frame at a time."""
    import numpy as np
    from numba import njit

    @njit(nogil=True, error_model="numpy")
    def transform(re: Any, im: Any, cos: Any, sin: Any) -> None:
        n = re.size
        j = 0
        for i in range(1, n):
            bit = n >> 1
            while j & bit:
                j ^= bit
                bit >>= 1
            j ^= bit
            if i < j:
                re[i], re[j] = re[j], re[i]
                im[i], im[j] = im[j], im[i]
        half = 1
        while half < n:
            stride = n // (2 * half)
            for start in range(0, n, 2 * half):
                for k in range(half):
                    a, b = start + k, start + k + half
                    wr, wi = cos[k * stride], sin[k * stride]
                    tr, ti = re[b] * wr - im[b] * wi, re[b] * wi + im[b] * wr
                    re[b], im[b] = re[a] - tr, im[a] - ti
                    re[a], im[a] = re[a] + tr, im[a] + ti
            half *= 2

    @njit(nogil=True, error_model="numpy")
    def spectra(samples: Any, window: Any, step: int, cos: Any, sin: Any, out: Any) -> None:
        n = window.size
        re, im = np.empty(n, np.float32), np.empty(n, np.float32)
        for frame in range(out.shape[0]):
            for i in range(n):
                re[i], im[i] = samples[frame * step + i] * window[i], np.float32(0)
            transform(re, im, cos, sin)
            for k in range(n // 2 + 1):
                out[frame, k] = re[k] * re[k] + im[k] * im[k]

    def run(samples: Any, step: int) -> Any:
        window = np.hanning(513)[:-1].astype(np.float32)
        angle = -2 * np.pi * np.arange(256) / 512
        cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
        out = np.empty(((samples.size - 512) // step + 1, 257), np.float32)
        spectra(samples, window, step, cos, sin, out)
        return out

    return run


def spectra(samples: Any, rounds: int) -> dict[str, Any]:
    """Measure the power spectra of the cues: ours, plain radix 2, NumPy's."""
    import numpy as np

    from edge.spectrum import power_spectra

    x = samples[: 10 * RATE_HZ].astype(np.float32)
    window = np.hanning(513)[:-1].astype(np.float32)
    radix2 = plain_radix2()

    def by_numpy() -> Any:
        frames = np.lib.stride_tricks.sliding_window_view(x, 512)[::HOP]
        spectrum = np.fft.rfft(frames * window, axis=1)
        return spectrum.real**2 + spectrum.imag**2

    ways: dict[str, Callable[[], Any]] = {
        "ours": lambda: power_spectra(x, window, step=HOP, fft_size=512),
        "plain radix 2, numba": lambda: radix2(x, HOP),
        "numpy.fft.rfft": by_numpy,
    }
    results = {name: way() for name, way in ways.items()}
    frames, largest = results["ours"].shape[0], float(results["numpy.fft.rfft"].max())
    worst = max(float(np.abs(result - results["numpy.fft.rfft"]).max()) for result in results.values()) / largest
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            cpu[name].append(cpu_us(way, frames))
    mine = statistics.median(cpu["ours"])
    return {
        "points": 512,
        "cpu_us_a_frame": {name: summary(values, 3) for name, values in cpu.items()},
        "largest_difference_of_a_bin_over_the_largest_bin": worst,
        "ratios_of_median_cpu": {
            f"{name} over ours": round(statistics.median(cpu[name]) / mine, 2) for name in ways if name != "ours"
        },
    }


def decision(samples: Any, rounds: int) -> dict[str, Any]:
    """Measure what the cues add to the delay of a decision: computed when a word fired, or kept while it is heard."""
    import numpy as np

    from edge.cues import CueSettings, cues_of_bands, liveness_cues
    from edge.spectrum import power_spectra

    settings = CueSettings()
    n, size = settings.window_samples, settings.fft_samples
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    second = samples[RATE_HZ : RATE_HZ + n]
    rows = (n - size) // settings.step_samples + 1
    bands = np.abs(np.random.default_rng(0).normal(size=(rows, settings.shape[1]))).astype(np.float32)
    taken: dict[str, list[int]] = {"from the ring": [], "one spectrum a hop": [], "the rest, at the end": []}
    one = samples[RATE_HZ : RATE_HZ + size].astype(np.float32)
    for _ in range(20 * rounds):
        taken["from the ring"] += each(lambda x: liveness_cues(x, settings), [second])
        taken["one spectrum a hop"] += each(
            lambda x: power_spectra(x, window, step=settings.step_samples, fft_size=size), [one]
        )
        taken["the rest, at the end"] += each(lambda x: cues_of_bands(x, settings), [bands])
    wall = {name: percentiles(values) for name, values in taken.items()}
    return {
        "wall_us": wall,
        "delay_saved_by_keeping_spectra_us": round(
            wall["from the ring"]["p50"] - wall["the rest, at the end"]["p50"], 1
        ),
        "cost_of_keeping_spectra_us_a_second": round(100 * wall["one spectrum a hop"]["p50"], 1),
    }


def main() -> int:
    """Measure, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "frontend.json")
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from edge import native

    samples, what = sound(args.data, args.seconds, args.seed)
    body = {
        "frontend": frontends(samples, args.rounds),
        "spectra": spectra(samples, args.rounds),
        "decision": decision(samples, args.rounds),
    }
    result = {
        "seed": args.seed,
        "versions": versions(sys.executable, "vivavoce", "pymicro-features", "numpy", "numba"),
        "kernels": native.kernels().origin,
        "audio": {"source": what, "seconds": args.seconds},
        "method": (
            f"{args.rounds} rounds in alternation, one process, one thread but where it says two; cpu is the "
            "processor time of the process over a round; wall is the time of each push; the peer has one way of "
            "being called, 10 ms at a time, which is what 'theirs' is everywhere"
        ),
        "results": body,
    }
    write_result(args.out, "python tests/bench/frontend.py", result)
    for heading, part in body.items():
        print(heading)
        for name, value in part.items():
            print(f"  {name}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
