"""The results table of the README, made from the files under ``results/``: no figure is typed by hand."""

import json
from pathlib import Path
from typing import Any

from edge.bundle import Bundle
from edge.bundle_identity import bundle_hash
from edge.judgement import EVIDENCE, by_evidence, limit_rows
from train.judging import judge
from train.longform_corpora import FILE_NAME, spoken
from train.table_cells import percent, rate
from train.task import load_task
from train.verdicts import count_verdicts

__all__ = ["HEARD_IN", "limits_table", "results_table"]


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def limits_table(folder: Path, bundle: Bundle) -> str:
    """Return a Markdown table of all limits, and how a bundle stands to them.

    Parameters
    ----------
    folder : Path
        Holds results files.
    bundle : Bundle
        What they are about.
    """
    task = load_task()
    verdicts = judge(task, folder, bundle_sha256=bundle_hash(bundle.path))
    lines = [
        f"Bundle {bundle.bundle_version}, by version {task.version} of the task: **{count_verdicts(verdicts)}**.",
    ]
    for evidence, found in by_evidence(verdicts).items():
        lines += ["", f"On {EVIDENCE[evidence]}:", "", *limit_rows(found)]
    return "\n".join(lines) + "\n"


def results_table(folder: Path) -> str:
    """Return Markdown tables: the words, liveness on simulated replays, liveness on real recordings, and the cost.

    Parameters
    ----------
    folder : Path
        Holds ``wake_test.json``, ``liveness_test.json``, ``runtime.json`` and what other benchmarks wrote.
    """
    wake, liveness = _read(folder / "wake_test.json"), _read(folder / "liveness_test.json")
    words, floats = wake["int8"], wake.get("float")
    streams = words["false_accepts_longform"]
    of_words, of_speech = words["false_accepts_other_words"], words["false_accepts_other_speech"]
    lines = ["| word | recall, int8 (95 %) | recall, float | clips | talkers |", "|---|---|---|---|---|"]
    for word, entry in words["recall"].items():
        twin = percent(floats["recall"][word]["rate"]) if floats else "-"
        lines.append(f"| {word} | {rate(entry)} | {twin} | {entry['clips']} | {entry['talkers']} |")
    mean = words["mean_recall"]
    twin = percent(floats["mean_recall"]["rate"]) if floats else "-"
    lines += [
        f"| **mean of six** | **{rate(mean)}** | {twin} | {mean['clips']} | {mean['talkers']} |",
        *(
            f"| mean of six, {said} | {rate(entry)} | - | {entry['clips']} | {entry['talkers']} |"
            for name, said in HEARD_IN.items()
            for entry in [words.get("conditions", {}).get(name, {}).get("mean_recall")]
            if entry
        ),
        "",
        f"False accepts, all words together: {streams['count']} in {streams['hours']:.2f} h of long-form speech, "
        f"**{streams['per_hour']:.1f} an hour** (95 % upper bound {streams['upper_95_per_hour']:.1f}); "
        f"{of_words['count']} on {of_words['clips']} clips of the other words, "
        f"{of_speech['count']} on {of_speech['clips']} clips of other speech.{_corpora(folder, wake)}",
        "",
    ]
    simulated = liveness["simulated"]
    everything, near, f70 = simulated["all"], simulated["near_and_quiet"], simulated["baseline_f70"]
    clips, rooms = simulated["clips"], (simulated["one_room"]["bpcer"], simulated["two_rooms_no_loudspeaker"]["bpcer"])
    lines += [
        f"**Simulated** replays ({clips['live']} live and {clips['replay']} replayed renderings, "
        f"{clips['talkers']} talkers, {clips['loudspeakers']} loudspeakers, all unseen; "
        f"frozen set of {liveness['split']}):",
        "",
        "| what | EER | live refused (BPCER) | replays accepted (APCER) |",
        "|---|---|---|---|",
        f"| **all conditions** | **{percent(everything['eer'], everything['interval_95'])}** "
        f"| {percent(everything['bpcer'], everything['bpcer_interval_95'])} "
        f"| {percent(everything['apcer'], everything['apcer_interval_95'])} |",
        f"| baseline f70, same run | {percent(f70['eer'], f70['interval_95'])} | {percent(f70['bpcer'])} "
        f"| {percent(f70['apcer'])} |",
        *(
            f"| {said} | {percent(entry['eer'], entry['eer_interval_95'])} | | |"
            for said, entry in [("Void, fitted on train, same run", simulated.get("void", {}).get("all"))]
            if entry
        ),
        *([f"| float networks | {percent(simulated['float']['eer'])} | | |"] if "float" in simulated else []),
        f"| near and quiet (at most 1.5 m, at least 20 dB) | {percent(near['eer'])} | {percent(near['bpcer'])} "
        f"| {percent(near['apcer'])} |",
    ]
    slices = simulated.get("slices", {})
    if "near_and_quiet_without_standalone" in slices:
        entry, void = (group["near_and_quiet_without_standalone"] for group in (slices, simulated["void"]))
        lines += [
            "| near and quiet, without stand-alone loudspeakers "
            f"| {percent(entry['eer'], entry['eer_interval_95'])} "
            f"| {percent(entry['bpcer'], entry['bpcer_interval_95'])} "
            f"| {percent(entry['apcer'], entry['apcer_interval_95'])} |",
            f"| Void, on the same of these | {percent(void['eer'], void['eer_interval_95'])} | | |",
        ]
    for kind, entry in simulated["by_kind"].items():
        lines.append(
            f"| from a loudspeaker of the kind {kind} | {percent(entry['eer'])} | | {percent(entry['apcer'])} |"
        )
    lines += [
        f"| live, over a television | | {percent(simulated['live_over_television']['bpcer'])} | |",
        f"| live, in one room | | {percent(rooms[0])} | |",
        f"| live, through two rooms, no loudspeaker | | {percent(rooms[1])} | |",
        "",
        "**Real** recordings of people, as they are (no replay among them):",
        "",
        "| what | refused (95 %) | of these unsure | clips |",
        "|---|---|---|---|",
    ]
    for name, key in (("the six words", "wake_words"), ("other speech", "other_speech")):
        entry = liveness["raw"][key]
        lines.append(
            f"| {name} | {percent(entry['refused'], entry['interval_95'])} | {percent(entry['unsure'])} "
            f"| {entry['clips']} |"
        )
    lines += ["", *_cost(folder), "", *_baselines(folder), "", *_frontend(folder), "", *_esphome(folder)]
    return "\n".join(lines) + "\n"


def _corpora(folder: Path, wake: dict[str, Any]) -> str:
    """Return a sentence about the false accepts of each corpus, the most an hour first; none where nothing tells them.

    What the results do not tell themselves is in a file beside them, if that was made of the same ones.
    """
    found = wake["int8"]["false_accepts_longform"].get("by_corpus")
    beside = folder / FILE_NAME.format(split=wake["split"])
    if found is None and beside.is_file():
        made = _read(beside)
        if all(made[key] == wake[key] for key in ("data_hash", "bundle_sha256")):
            found = made["by_corpus"]
    if not found:
        return ""
    most_first = sorted(found.items(), key=lambda entry: (-entry[1]["per_hour"], -entry[1]["hours"]))
    told = [
        f"{spoken(corpus)} {one['count']} in {one['hours']:.2f} h, {one['per_hour']:.1f} an hour "
        f"(95 % upper bound {one['upper_95_per_hour']:.1f})"
        for corpus, one in most_first
    ]
    return f" Those on long-form speech by corpus: {'; '.join(told)}."


_COSTS = (
    ("CPU seconds per second of speech, start-up included", "real_time_factor", 4),
    ("the same, without start-up", "listening_speech", 4),
    ("CPU seconds per second of quiet, without start-up", "listening_quiet", 4),
    ("peak memory, MB", "peak_rss_mb", 0),
    ("a push, p50, ms", "push_p50_ms", 3),
    ("a push, p95, ms", "push_p95_ms", 3),
    ("a push, p99, ms", "push_p99_ms", 3),
    ("CPU seconds to start", "start_cpu_s", 2),
    ("seconds to start", "start_wall_s", 2),
)
"""What the cost is made of, as people read it; its key, and how many digits are told."""


def _cost(folder: Path) -> list[str]:
    """Return what listening costs, beside peers."""
    cost = _read(folder / "runtime.json")
    results, beside = cost["results"], cost["beside"]
    pairs = [pair for pair in beside if pair.startswith("vivavoce over ")]
    lines = [
        f"**Cost**, {cost['audio']['seconds'] // 60} minutes of speech on an {cost['machine']['processor']} machine, "
        "in alternation with peers, each of which listens for one word and judges no liveness; medians, and ratios "
        "with 95 % bootstrap intervals over rounds; pushes are of "
        + ", ".join(f"{one['push_block_ms']:g} ms ({name})" for name, one in results.items())
        + " (`make bench-peers`):",
        "",
        f"| what | {' | '.join([*results, *pairs])} |",
        "|---" * (1 + len(results) + len(pairs)) + "|",
    ]
    for name, key, digits in _COSTS:
        cells = [f"{one[key]['median']:.{digits}f}" for one in results.values()]
        for pair in pairs:
            # Blocks of other lengths make no pushes to compare.
            blocks = {results[who]["push_block_ms"] for who in pair.split(" over ")}
            if key.startswith("push_") and len(blocks) > 1:
                cells.append("-")
                continue
            entry = beside[pair][key]
            low, high = entry["interval_95"]
            cells.append(f"{entry['ratio']:.2f} ({low:.2f}-{high:.2f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    cells = [f"{one['cold_start_cpu_s']['median']:.2f}" for one in results.values()] + [""] * len(pairs)
    lines.append(f"| CPU seconds to start, nothing compiled before | {' | '.join(cells)} |")
    heard = cost["detections"]["results"]
    if not heard:
        return lines
    first = heard["vivavoce"]
    lines += [
        "",
        f"**Detections** of the word that all know, '{first['word']}', over {first['clips']} recordings of **dev** of "
        f"{first['talkers']} talkers, and {first['other_words']} of other words, in one stream without a reset "
        "(vivavoce's cut-offs were chosen on dev; what the peers were trained on is not known):",
        "",
        "| who | detected (95 %) | of these accepted as live | detected in other words |",
        "|---|---|---|---|",
    ]
    for name, one in heard.items():
        accepted = f"{one['accepted_as_live']} of {one['detected']}" if "accepted_as_live" in one else "-"
        lines.append(f"| {name} | {rate(one)} | {accepted} | {one['false_in_other_words']} |")
    return lines


HEARD_IN = {
    "noise_10_db": "noises at 10 dB",
    "white_10_db": "white noise at 10 dB",
    "gain_minus_30_db": "30 dB fainter",
    "gain_plus_12_db": "12 dB louder, clipped",
}
"""What words are heard in besides as they are, as people read it."""


def _baselines(folder: Path) -> list[str]:
    """Return what simple methods reach, on dev."""
    found = _read(folder / "baselines_dev.json")
    clips = found["simulated"]["f70"]["clips"]
    lines = [
        "**Baselines** on other **simulated** replays, of **dev** and so not to be compared with the table above "
        f"({clips['live']} live and {clips['replay']} replayed renderings, {clips['talkers']} talkers, "
        f"{clips['loudspeakers']} loudspeakers, all unseen in training; cut-off and "
        "calibration come from other renderings of the same ones, which flatters; `vivavoce train baseline`):",
        "",
        "| baseline | EER | live refused (BPCER) | replays accepted (APCER) | the same, worst kind | Cllr | actDCF |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in found["simulated"].items():
        part = one["all"]
        lines.append(
            f"| {name} | {percent(part['eer'], part['eer_interval_95'])} | {percent(part['bpcer'])} "
            f"| {percent(part['apcer'], part['apcer_interval_95'])} | {percent(part['apcer_worst_kind']['apcer'])} "
            f"| {part['cllr']:.3f} | {part['act_dcf']:.3f} |"
        )
    return lines


def _frontend(folder: Path) -> list[str]:
    """Return the cost of the feature frontend and of a start."""
    bench, boards, start = (_read(folder / f"{name}.json") for name in ("frontend", "arm_frontend", "startup"))
    body = bench["results"]["frontend"]
    mine, theirs = (body["push_10ms_cpu_us"][who] for who in ("ours", "theirs"))
    walls = body["push_10ms_wall_us"]
    ratios = body["ratios_of_median_cpu"]
    lines = [
        "**Frontend**, beside the C frontend of TensorFlow Lite for Microcontrollers (pymicro-features), whose "
        f"integers it gives: {body['integers_differing']} of {body['integers_compared']:,} differ in the run below. "
        "Pushes of 10 ms, "
        "one process, one thread (`make bench-frontend`); instructions under emulation (`make arm`):",
        "",
        "| what | vivavoce | C frontend | ratio |",
        "|---|---|---|---|",
        f"| CPU of a push, us | {mine['median']:.2f} | {theirs['median']:.2f} "
        f"| {ratios['push, ours over theirs']:.2f} |",
        *(
            f"| wall time of a push, {name}, us | {walls['ours'][name]:.2f} | {walls['theirs'][name]:.2f} | |"
            for name in ("min", "p50", "p99")
        ),
        f"| CPU of 10 ms in a whole file, us | {body['offline_cpu_us_a_hop']['whole file']['median']:.2f} | "
        f"{theirs['median']:.2f} | {1 / ratios['whole file, theirs over ours']:.2f} |",
    ]
    for cpu, counts in boards["results"].items():
        lines.append(
            f"| instructions of a push, {cpu} | {counts['push']['median']:,.0f} | {counts['peer']['median']:,.0f} "
            f"| {counts['push']['median'] / counts['peer']['median']:.2f} |"
        )
    lines += [
        "",
        "**Start** of `vivavoce run`, a process that reads 0.1 s of sound (`make bench-startup`):",
        "",
        "| what | CPU, s | memory, MB |",
        "|---|---|---|",
        *(
            f"| {way} | {one['cpu_s']['median']:.2f} | {one['rss_mb']['median']:.0f} |"
            for way, one in start["results"].items()
        ),
    ]
    return lines


def _esphome(folder: Path) -> list[str]:
    """Return how models for ESPHome compare with those who run them elsewhere."""
    found = _read(folder / "esphome_models.json")
    lines = [
        f"**Models for ESPHome**, over {found['sounds']['alexa']} recordings of 'alexa' and "
        f"{found['sounds']['others']} others, "
        "a step being 1 of 255 (`python tests/bench/esphome_models.py`):",
        "",
        "| model | beside | recordings with as many detections | outputs unequal | largest difference, steps |",
        "|---|---|---|---|---|",
    ]
    for model, one in found["results"].items():
        for key, beside in (
            ("as_shipped", "pymicro-wakeword"),
            ("in_the_peers_way", "pymicro-wakeword, in its way"),
            ("tflite_micro", "TensorFlow Lite for Microcontrollers"),
        ):
            part = one[key]
            clips = f"{part['clips_with_as_many_detections']} of {part['clips']}" if "clips" in part else "-"
            lines.append(
                f"| {model} | {beside} | {clips} | {part['outputs_unequal']:,} of {part['outputs']:,} "
                f"| {part['largest_difference_steps']} |"
            )
    return lines
