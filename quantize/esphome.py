"""``vivavoce quantize esphome``: the words of a wake network as models for ESPHome, a folder to be put on a server."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quantize.converted import Converted

__all__ = ["PARITY_NAME", "SUMMARY", "configure", "run"]

SUMMARY = "make models for ESPHome of the words of a wake network, and compare what they hear"

PARITY_NAME = "parity.json"

_MINIMUM_ESPHOME = "2024.7.0"
"""The first version that reads version 2 of the manifest."""
_ARENA_STEP = 1024
"""Bytes to which the arena is rounded up in the manifest, as models for ESPHome usually do."""

_EPILOG = """\
Writes, for each word:
  WORD.tflite   the network with its state inside: int8 (1, stride, 40) in, uint8 (1, 1) out, no weight changed
  WORD.json     version 2 of ESPHome's manifest, with the cut-off of the word
and parity.json: with --data, what the models and the network that they were made of hear in the clips of a split.
The two differ in when they run (ESPHome's runs begin two frames earlier), in the wait of 100 frames after a start and
after each word, and in that each model knows nothing of the other words.

example:
  vivavoce quantize esphome edge/data/bundle --data ../shared/data -o build/models/esphome
  vivavoce run --model build/models/esphome/alexa.json kitchen.wav
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument(
        "network", type=Path, metavar="CHECKPOINT|BUNDLE", help="a converted wake checkpoint, or a bundle"
    )
    parser.add_argument("--cutoffs", type=Path, metavar="FILE", help="cut-offs of a checkpoint's words [one half]")
    parser.add_argument("--author", default="vivavoce", metavar="TEXT", help="for the manifests [%(default)s]")
    parser.add_argument("--website", metavar="URL", help="for the manifests, http or https [not said]")
    parser.add_argument(
        "--language",
        action="append",
        metavar="CODE",
        help="of the words, ISO 639 such as en or de-AT; may come again [en]",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with a manifest.csv, to compare on")
    parser.add_argument("--split", default="dev", metavar="SPLIT", help="whose clips are compared [%(default)s]")
    parser.add_argument("--limit", type=int, metavar="N", help="so many clips, evenly over the split [all]")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="folder to write")
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Make the models."""
    import json

    from edge.errors import DataError
    from edge.esphome import open_esphome_model
    from edge.files import write_whole
    from edge.output import columns, out
    from quantize.converted import read_converted
    from quantize.esphome_parity import compare_pack
    from quantize.opcheck import check
    from quantize.recordings import chosen_clips
    from quantize.replacement import replacing
    from quantize.scoring import word_cutoffs

    _check_said(args.website, args.language or [])
    source = read_converted(args.network, "wake")
    words = source.spec["words"]
    cutoffs = word_cutoffs(args.network, args.cutoffs, words)
    step_ms = _step_ms(args.network, source)
    clips = chosen_clips(args.data, args.split, limit=args.limit) if args.data is not None else []
    report: dict[str, Any] = {"words": {}}
    with replacing(args.out, mark=PARITY_NAME) as folder:
        for at, (word, cutoff) in enumerate(zip(words, cutoffs, strict=True)):
            content = _model(source, at, f"{args.network} ({word['id']})")
            found = check(content, name=f"{word['id']}.tflite", resolver="esphome")
            if apart := found["largest_difference_steps"]["probability"]:
                raise DataError(
                    f"{word['id']}.tflite: tflite-micro differs from the reference by {apart:g} steps, expected none; "
                    "report it"
                )
            manifest = {
                "type": "micro",
                "wake_word": word["phrase"],
                "author": args.author,
                # ESPHome refuses an address that is none, such as an empty one, and does without the entry.
                **({} if args.website is None else {"website": args.website}),
                "model": f"{word['id']}.tflite",
                "trained_languages": args.language or ["en"],
                "version": 2,
                "micro": {
                    "probability_cutoff": cutoff,
                    "feature_step_size": step_ms,
                    "sliding_window_size": source.spec["smoothing_steps"],
                    "tensor_arena_size": -(-found["arena_bytes"] // _ARENA_STEP) * _ARENA_STEP,
                    "minimum_esphome_version": _MINIMUM_ESPHOME,
                },
            }
            text = (json.dumps(manifest, indent=2) + "\n").encode()
            write_whole(folder / f"{word['id']}.tflite", lambda file, content=content: file.write(content))
            write_whole(folder / f"{word['id']}.json", lambda file, text=text: file.write(text))
            report["words"][word["id"]] = {"bytes": len(content), "arena_bytes": found["arena_bytes"], "cutoff": cutoff}
        models = [open_esphome_model(folder / f"{word['id']}.json") for word in words]
        if clips:
            report["split"], report["clips"] = args.split, len(clips)
            for ident, figures in compare_pack(source, cutoffs, models, args.data, clips).items():
                report["words"][ident].update(figures)
        text = (json.dumps(report, indent=1) + "\n").encode()
        write_whole(folder / PARITY_NAME, lambda file: file.write(text))
    names = ["bytes", "arena_bytes", "cutoff", *(("both", "network_only", "models_only") if clips else ())]
    rows = [["word", *names], *([ident, *(entry[name] for name in names)] for ident, entry in report["words"].items())]
    out(args).event({"event": "esphome", **report}, "\n".join(columns(rows)))
    return 0


def _check_said(website: str | None, languages: Sequence[str]) -> None:
    """Check what is copied into the manifests, as ESPHome would at another time and place."""
    from edge.bundle_manifest import LANGUAGE, WEBSITE
    from edge.errors import UsageError
    from edge.strict_json import show

    if website is not None and not WEBSITE.fullmatch(website):
        raise UsageError(
            f"--website: got {show(website)}, expected an address such as https://example.org; give one or none"
        )
    for language in languages:
        if not LANGUAGE.fullmatch(language):
            raise UsageError(
                f"--language: got {show(language)}, expected a code of ISO 639 such as en or de-AT; give the code of "
                "the language, and --language again for another one"
            )


def _model(source: "Converted", word: int, name: str) -> bytes:
    from quantize.internal_state import with_internal_state

    return with_internal_state(source.content, word=word, stride_frames=source.spec["stride_frames"], name=name)


def _step_ms(path: Path, source: "Converted") -> int:
    """Return the step of the features, if they are those of ESPHome."""
    from dataclasses import replace

    from edge.errors import DataError
    from edge.frontend_tables import FrontendSettings

    settings = FrontendSettings.from_dict(source.spec["frontend"])
    if settings != replace(FrontendSettings(), step_ms=settings.step_ms):
        raise DataError(
            f"{path}: frontend: got {settings.to_dict()}, expected that of ESPHome, in which only step_ms can be "
            "chosen; train the network with its features"
        )
    return settings.step_ms
