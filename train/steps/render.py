"""``vivavoce train render``: live and replayed clips from recordings, as a folder of recordings."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from train.engines.choice import Engine
    from train.shards import Arrays

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "simulate live and replayed speech, and write it as a folder with a manifest"

_EPILOG = """\
Writes FOLDER/clips/*.flac, FOLDER/manifest.csv, which every other command reads, and FOLDER/conditions.csv with all
that was drawn for a clip: variant, loudspeaker, rooms, codec, distance, levels; FOLDER/render.json says by which
settings. Clips come in pairs of one recording, live and replayed. The same data, seed and recipe give the same clips.
Interrupted, the same command goes on. FOLDER must be new, or of the same settings: other settings need another one.

A recipe is a file in TOML; it need hold only what differs from the one that ships, train/simulator/recipe.toml:

  [codec]
  share = 0.9

The audio is as free as the recordings that it is made of, noise and music among them: the manifest names the licences.

examples:
  vivavoce train render --data ../shared/data --split dev --clips 400 -o build/dev400
  vivavoce train explore --data build/dev400 --out build/dev400.html
  vivavoce train render --data ../shared/data --split dev --recipe mine.toml --clips 400 -o build/mine
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.manifest_file import SPLITS
    from train.options import add_shared_options

    parser.epilog = _EPILOG
    add_shared_options(parser, rendered="clips")
    parser.add_argument("--split", choices=SPLITS, default="dev", help="whose recordings and rooms [%(default)s]")
    parser.add_argument("--loudspeakers", choices=SPLITS, metavar="SPLIT", help="whose loudspeakers [those of --split]")
    parser.add_argument(
        "--kinds", nargs="+", default=(), metavar="KIND", help="kinds of loudspeakers that replay [all]"
    )
    parser.add_argument("--clips", type=int, default=400, metavar="N", help="how many, half of them live [%(default)s]")
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="what differs from the recipe that ships")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("-o", "--out", type=Path, metavar="FOLDER", help="folder to write")
    wanted.add_argument(
        "--freeze",
        type=Path,
        metavar="FILE",
        help="render the sets that figures are measured on (dev and test), and write their hashes instead of audio",
    )


def run(args: argparse.Namespace) -> int:
    """Render."""
    import importlib.util

    from edge.errors import MissingExtraError, UsageError

    if importlib.util.find_spec("pyroomacoustics") is None:
        raise MissingExtraError("the replay simulator", "train")

    from edge.cues import CueSettings
    from train.atomic_file import writing
    from train.corpus import data_hash, load_manifest
    from train.engines.choice import engine_from
    from train.frozen_set import write_frozen
    from train.liveness_scenes import build_liveness_clips
    from train.options import check_folders
    from train.population import Population
    from train.render_record import RenderSettings, check_render_folder
    from train.rendered_folder import write_folder
    from train.simulator.recipe import load_recipe

    check_folders(args, "out", "cache")
    engine = engine_from(args)
    if args.freeze is not None:
        if args.recipe is not None:
            raise UsageError("--freeze renders with the recipe that ships; leave --recipe out, or change that one")
        if args.freeze.is_dir():
            raise UsageError(f"--freeze {args.freeze} is a folder, expected the name of a file; give one within it")
        sets = _frozen(args, engine)
        with writing(args.freeze):
            write_frozen(args.freeze, args.data, sets)
        print(f"{args.freeze}: written")
        return 0
    if args.clips < 2:
        raise UsageError(f"--clips is {args.clips}, expected at least 2")
    recipe = load_recipe(args.recipe)
    for kind in args.kinds:
        if kind not in recipe.loudspeakers:
            raise UsageError(f"--kinds: {kind!r} is unknown; there are {', '.join(recipe.loudspeakers)}")
    population = Population(args.split, args.loudspeakers or args.split, args.split, tuple(sorted(set(args.kinds))))
    settings = RenderSettings(
        split=args.split,
        loudspeakers=population.loudspeakers,
        kinds=population.kinds,
        clips=args.clips,
        seed=args.seed,
        recipe_version=recipe.version,
        recipe_sha256=recipe.hash,
        data_sha256=data_hash(args.data),
    )
    check_render_folder(args.out, settings, args.data)
    rendered = build_liveness_clips(
        args.data,
        population,
        args.cache,
        n=args.clips,
        seed=args.seed,
        cues=CueSettings(),
        keep="whole",
        recipe=recipe,
        engine=engine,
    )
    new = write_folder(args.out, rendered, load_manifest(args.data), settings)
    print(f"{args.out}: {args.clips} clips, {new} of them written now; recipe {recipe.version}, {recipe.hash[:12]}")
    return 0


def _frozen(args: argparse.Namespace, engine: "Engine") -> "dict[str, Arrays]":
    from train.frozen_set import render_set

    return {split: render_set(args.data, split, args.cache, engine=engine) for split in ("dev", "test")}
