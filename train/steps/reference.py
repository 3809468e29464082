"""``vivavoce train reference``: what the figures of a bundle are like where it was developed."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "write what scores, level and noise of people's words are like, for a device to compare with"

_EPILOG = """\
Runs the whole gate over the live clips of the frozen set of dev that hold a word of the bundle, and writes the
distributions of what it finds, each by 200 points. A device compares with them where its settings say [monitor]
reference = "bundle". The frozen set is rendered where the cache does not hold it, which takes long.

FILE is about this very bundle, which it names by its hash. Where it lies beside the folder of the bundle as
NAME.reference.json it is found there. A file reference.json in a bundle that is packed is part of it.

examples:
  vivavoce train reference build/bundle --data DATA
  vivavoce train reference build/bundle --data DATA -o /etc/vivavoce/reference.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.paths import named_path

    parser.epilog = _EPILOG
    parser.add_argument("bundle", nargs="?", type=named_path, metavar="BUNDLE", help="[the one that ships]")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with a manifest.csv")
    parser.add_argument(
        "--cache", type=Path, default=Path("build/cache"), metavar="DIR", help="rendered clips [%(default)s]"
    )
    parser.add_argument(
        "-o", "--out", type=named_path, metavar="FILE", help="file to write [NAME.reference.json beside the bundle]"
    )


def run(args: argparse.Namespace) -> int:
    """Measure, and write the file."""
    import numpy as np
    from tqdm import tqdm

    from edge.bundle import open_bundle
    from edge.bundle_identity import bundle_hash
    from edge.drift_reference import OF_ANSWERS, beside, figures_of_decision, reference_text
    from edge.errors import DataError
    from edge.events import Decision
    from edge.pipeline import Pipeline
    from train.atomic_file import put_bytes
    from train.corpus import load_manifest
    from train.frozen_set import render_set

    bundle = open_bundle(args.bundle)
    pipeline = Pipeline(bundle)
    ids = {word.id for word in bundle.words}
    words = {clip.path: clip.word for clip in load_manifest(args.data) if clip.role == "wake" and clip.word in ids}
    rendered = render_set(args.data, "dev", args.cache)
    ends = np.cumsum(rendered["size"])
    chosen = [
        number
        for number, (source, live) in enumerate(zip(rendered["source"], rendered["live"], strict=True))
        if live and str(source) in words
    ]
    found: dict[str, list[float]] = {name: [] for name in OF_ANSWERS}
    for number in tqdm(chosen, desc="words", unit="clip"):
        word = words[str(rendered["source"][number])]
        pipeline.reset()
        samples = rendered["samples"][ends[number] - rendered["size"][number] : ends[number]]
        for event in (*pipeline.push(samples), *pipeline.finish()):
            if isinstance(event, Decision) and event.word == word:
                for name, value in figures_of_decision(event).items():
                    found[name].append(value)
                break
    if min(map(len, found.values())) < 2:
        raise DataError(
            f"{args.data}: got {len(chosen)} clips of dev of which the bundle heard fewer than 2, expected recordings "
            "of its words; add some to its manifest"
        )
    out = args.out or beside(bundle.path)
    put_bytes(out, reference_text(found, bundle_hash(bundle.path)))
    print(f"{out}: {len(found['wake_score'])} answers about {len(chosen)} clips")
    return 0
