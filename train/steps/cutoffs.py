"""``vivavoce train cutoffs``: where to draw the lines, chosen on the dev split with the int8 models."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "choose cut-offs and calibrate the liveness probability on the dev split"

_EPILOG = """\
Runs the networks of a bundle as a device does, over the dev split only, and writes a file for
'vivavoce quantize pack --cutoffs'. Each long-form stream is heard at three speeds, and so with three voices: the few
streams of a dev split bound a false-accept rate badly, and those of train flatter, because the network knows them.
What such a choice gives on talkers and streams that it was not made on is told beside, out of fold. Of a bundle with a
verifier, cut-offs of the wake network alone and its candidates' are chosen first, and then the verifier's.

Takes a few minutes on two cores. Nothing is written before the end: interrupted, the same command begins anew, but does
not render again what is in --cache.

example:
  vivavoce train cutoffs --data ../shared/data --bundle build/models/provisional -o build/models/cutoffs.json
next:
  vivavoce quantize pack --wake build/models/wake --liveness build/models/liveness \\
      --cutoffs build/models/cutoffs.json -o edge/data/bundle
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from train.options import add_shared_options

    parser.epilog = _EPILOG
    add_shared_options(parser, rendered="clips")
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="bundle whose networks are used")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="JSON file to write")
    parser.add_argument(
        "--false-accepts-per-hour",
        type=float,
        metavar="RATE",
        help="of all words together, on long-form speech of dev at three speeds [as the task says]",
    )
    parser.add_argument(
        "--clips", type=int, default=3_000, metavar="N", help="simulated dev clips for liveness [%(default)s]"
    )
    parser.add_argument(
        "--live-refused",
        type=float,
        metavar="SHARE",
        help="live users below the accept cut-off on dev [as the task says]",
    )
    parser.add_argument(
        "--live-rejected",
        type=float,
        metavar="SHARE",
        help="live users below the reject cut-off on dev [as the task says]",
    )
    parser.add_argument("--task", type=Path, metavar="FILE", help="task that says these three [that of what ships]")


def run(args: argparse.Namespace) -> int:
    """Choose the cut-offs."""
    import hashlib
    import json
    from dataclasses import asdict, fields

    import numpy as np
    from tqdm import tqdm

    from edge.bundle import networks_of, open_bundle
    from edge.cues import CueSettings
    from edge.errors import DataError
    from edge.output import warn
    from edge.sample_time import SAMPLE_RATE_HZ
    from edge.strict_toml import from_tables
    from train.atomic_file import put_bytes
    from train.calibration import fit_platt, quantile_cutoff
    from train.corpus import load_manifest
    from train.engines.choice import engine_from
    from train.liveness_evaluation import judge_audio
    from train.liveness_scenes import build_liveness_clips
    from train.metrics import equal_error_rate
    from train.options import check_clips, check_files, check_folders
    from train.task import Cutoffs, load_task
    from train.wake_traces import BACKGROUND_SPEEDS, at_background_speeds, in_noise_floor
    from train.word_cutoffs import Heard, choose_cutoffs

    check_files(args, "out")
    check_folders(args, "cache")
    check_clips(args, "clips")
    given = {field.name: getattr(args, field.name) for field in fields(Cutoffs)}
    given = {name: value for name, value in given.items() if value is not None}
    aims = from_tables(Cutoffs, {**asdict(load_task(args.task).cutoffs), **given}, "options")
    engine = engine_from(args)
    bundle = open_bundle(args.bundle)
    clips = load_manifest(args.data)
    said = [c for c in clips if c.role == "wake" and c.split == "dev"]
    other = [c for c in clips if c.role == "longform" and c.split == "dev"]
    by_word = [[c for c in said if c.word == word.id] for word in bundle.words]
    if not other:
        raise DataError(
            f"{args.data}: got no recordings of the role longform in the split dev, expected some to count false "
            "accepts in; add them to its manifest"
        )
    heard = Heard(
        words=[[in_noise_floor(c) for c in some] for some in by_word],
        talkers=[[c.talker for c in some] for some in by_word],
        background=[
            samples for c in tqdm(other, desc="long-form", unit="stream") for samples in at_background_speeds(c)
        ],
        streams=[c.path for c in other for _ in BACKGROUND_SPEEDS],
    )
    rate = aims.false_accepts_per_hour
    chosen = choose_cutoffs(bundle, heard, per_hour=rate, progress=tqdm.write)
    hours = sum(one.size for one in heard.background) / SAMPLE_RATE_HZ / 3600
    if sum(c.false_accepts for c in chosen.deciding) > int(rate * hours):
        warn(f"got more false accepts than {rate:g} an hour in {hours:.2f} h at the highest cut-offs; train on more")

    simulated = build_liveness_clips(
        args.data, "dev", args.cache,
        n=args.clips, seed=args.seed + 100, cues=CueSettings.from_dict(bundle.liveness.cues),
        keep="heard",
        engine=engine,
    )  # fmt: skip
    scores = np.array([one.score for one in judge_audio(bundle, simulated)])
    live = simulated["live"].astype(bool)
    slope, offset = fit_platt(scores[live], scores[~live])
    probability = 1 / (1 + np.exp(-(slope * scores + offset)))
    put_bytes(
        args.out,
        json.dumps(
            {
                "words": {word.id: round(c.cutoff, 4) for word, c in zip(bundle.words, chosen.alone, strict=True)},
                **(
                    {
                        "verifier": {
                            word.id: {"candidate": round(candidate, 4), "cutoff": round(c.cutoff, 4)}
                            for word, candidate, c in zip(bundle.words, chosen.candidates, chosen.verified, strict=True)
                        }
                    }
                    if chosen.verified
                    else {}
                ),
                "liveness": {
                    "accept": round(quantile_cutoff(probability[live], aims.live_refused), 4),
                    "reject": round(quantile_cutoff(probability[live], aims.live_rejected), 4),
                    "calibration": {"slope": round(slope, 5), "offset": round(offset, 5)},
                },
                **({"margin": chosen.margin} if chosen.verified else {}),
                # 'quantize pack' takes them for no others.
                "networks": {
                    role: hashlib.sha256(bundle.content(file)).hexdigest() for role, file in networks_of(bundle).items()
                },
                "out_of_fold": chosen.out_of_fold,
            },
            indent=1,
        ).encode()
        + b"\n",
    )
    beyond = chosen.out_of_fold
    for word, c in zip(bundle.words, chosen.deciding, strict=True):
        tqdm.write(
            f"{word.id:<14} cut-off {c.cutoff:.3f}  dev recall {c.recall:.3f} of {c.clips}  "
            f"false accepts {c.false_accepts}"
        )
    if beyond is not None:
        mean, false = beyond["mean_recall"], beyond["false_accepts"]
        low, high = mean["interval_95"]
        tqdm.write(
            f"out of fold    dev recall {mean['rate']:.3f} ({low:.3f} to {high:.3f}), mean of the words; "
            f"{false['per_hour']:.2f} false accepts an hour where {aims.false_accepts_per_hour:g} were stated"
        )
    tqdm.write(
        f"liveness: simulated dev EER {equal_error_rate(scores[live], scores[~live]):.3f}, "
        f"slope {slope:.3f}, offset {offset:.3f}"
    )
    return 0
