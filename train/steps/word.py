"""``vivavoce train word``: one more word for a trained wake network."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "add a word to a trained wake network, from recordings, synthesised speech or both"

_UTTERANCES = 400

_EPILOG = """\
The network stays as it is: its words keep their logits. A copy of its last blocks learns the new word, beside what must
not be taken for it: the other words, the speech of --data, parts of the word, and synthesised phrases that sound
like it. The result is a checkpoint like that of 'vivavoce train wake', with one word more.

--recordings is a folder with the word in it: with a manifest.csv ('vivavoce collect' writes one), its rows of the role
'wake' and the split 'train' with this label; without, every audio file below, one utterance each, of the talker whose
name the first sub-folder has. --synth alone makes a word that nobody has said yet; a few dozen recordings of the people
who will say it make it much better, and both together are best.

With --verifier the word is added to a verifier, too: to what listens again in a bundle that has one. The result is the
checkpoint --out/verifier. Without it, a bundle with the word has no verifier, and hears its other words worse.

Rendered scenes are kept in --cache, and an interrupted training goes on from the last whole epoch.

example:
  vivavoce train word "hey house" --recordings recordings --synth espeak-ng,flite --wake build/models/wake \\
      --data ../shared/data -o build/models/wake_house
next:
  vivavoce quantize convert build/models/wake_house
  vivavoce quantize pack --wake build/models/wake_house --liveness edge/data/bundle -o build/models/provisional
with a verifier, which build/openwakeword holds the embedding of (see 'vivavoce train verifier --help'):
  vivavoce train word ... --verifier build/models/verifier --embedding build/openwakeword/openwakeword/resources/models
  vivavoce quantize convert build/models/wake_house/verifier
  vivavoce quantize pack ... --verifier build/models/wake_house/verifier
then:
  vivavoce train cutoffs --data ../shared/data --bundle build/models/provisional -o build/models/cutoffs.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from train.options import add_shared_options

    parser.epilog = _EPILOG
    parser.add_argument("phrase", metavar="PHRASE", help="what is said, e.g. 'hey house'")
    add_shared_options(parser, rendered="scenes")
    parser.add_argument("--wake", type=Path, required=True, metavar="CHECKPOINT", help="trained wake network")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="checkpoint to write")
    parser.add_argument("--recordings", type=Path, metavar="DIR", help="recordings of the word")
    parser.add_argument("--most", type=int, metavar="N", help="use so many of them, evenly over the talkers [all]")
    parser.add_argument(
        "--licence", default="unstated", metavar="NAME", help="of recordings without a manifest [%(default)s]"
    )
    parser.add_argument(
        "--synth",
        default="",
        metavar="PROGRAMS",
        help="synthesisers that say the word: espeak-ng, flite, or both with a comma between [none]",
    )
    parser.add_argument(
        "--utterances", type=int, default=_UTTERANCES, metavar="N", help="how often they say it [%(default)s]"
    )
    parser.add_argument(
        "--first-block",
        type=int,
        metavar="N",
        help="block from which on the word has its own; from a later one it is smaller, and hears worse [second]",
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over all scenes")
    parser.add_argument(
        "--verifier",
        type=Path,
        metavar="CHECKPOINT",
        help="trained verifier of the same words, to add the word to, too",
    )
    parser.add_argument(
        "--embedding", type=Path, metavar="DIR", help="folder of the speech embedding that it was trained with"
    )


def run(args: argparse.Namespace) -> int:
    """Add the word."""
    from dataclasses import replace

    from tqdm import tqdm

    from edge.errors import UsageError
    from edge.output import warn
    from train.engines.choice import engine_from
    from train.fitting import checked_out
    from train.new_word import WordSettings
    from train.new_word_checkpoint import read_wake_checkpoint
    from train.new_word_learning import append_word, checked_phrase, false_accepts, learn_word
    from train.new_word_recordings import at_most, find_recordings, refuse_few, talkers
    from train.new_word_verifier import append_to_verifier, check_verifier, read_verifier_checkpoint
    from train.options import check_folders
    from train.run_clock import RunClock

    phrase = checked_phrase(args.phrase)
    check_folders(args, "out", "cache")
    programs = tuple(name.strip() for name in args.synth.split(",") if name.strip())
    for option, value in (("most", args.most), ("utterances", args.utterances), ("epochs", args.epochs)):
        if value is not None and value < 1:
            raise UsageError(f"--{option} is {value}, expected at least 1; give a larger one")
    if args.recordings is None and not programs:
        raise UsageError(
            f"got nothing that says {phrase!r}, expected --recordings DIR, --synth espeak-ng,flite, or both; give one"
        )
    engine = engine_from(args)
    checkpoint = read_wake_checkpoint(args.wake)
    blocks = len(checkpoint.shape.kernels)
    if args.first_block is not None and not 0 <= args.first_block <= blocks:
        raise UsageError(f"--first-block is {args.first_block}, expected 0 to {blocks}: so many blocks has {args.wake}")
    if phrase.replace(" ", "_") in checkpoint.words:
        raise UsageError(
            f"{args.wake}: knows {phrase!r} already, among {', '.join(checkpoint.words)}; give another word"
        )
    if args.out.resolve() == args.wake.resolve():
        raise UsageError(f"--out {args.out} is the checkpoint that is read, expected another folder; give another name")
    given = {
        name: value for name, value in (("first_block", args.first_block), ("epochs", args.epochs)) if value is not None
    }
    settings = replace(WordSettings(), **given)
    verifier = None
    if (args.verifier is None) != (args.embedding is None):
        raise UsageError("got one of --verifier and --embedding, expected both or none; give the other one, too")
    if args.verifier is not None:
        verifier = read_verifier_checkpoint(args.verifier)
        check_verifier(verifier, args.embedding, checkpoint.words)
    recorded = []
    if args.recordings is not None:
        recorded = find_recordings(args.recordings, phrase, args.cache, licence=args.licence)
        if args.most is not None:
            recorded = at_most(recorded, args.most, seed=args.seed)
        if not programs:
            refuse_few(recorded, args.recordings, phrase)
        if len(talkers(recorded)) < 3:
            warn(
                f"{args.recordings}: got {len(talkers(recorded))} talkers that are named; others than those recorded "
                "may not be heard"
            )
    checked_out(args.out)
    with RunClock(args.out / "resume") as clock:
        clock.of(
            {"phrase": phrase, "seed": args.seed, "wake": str(args.wake.resolve()), "settings": settings.to_dict()}
        )
        learnt = learn_word(
            checkpoint,
            phrase,
            recorded=recorded,
            programs=programs,
            utterances=args.utterances,
            data=args.data,
            cache=args.cache,
            resume=args.out / "resume",
            settings=settings,
            seed=args.seed,
            engine=engine,
        )
        counted = false_accepts(checkpoint, learnt.branch, args.data)
        append_word(checkpoint, learnt, args.data, args.out, counted, seed=args.seed, clock=clock)
        if verifier is not None:
            append_to_verifier(
                verifier,
                learnt,
                embedding=args.embedding,
                data=args.data,
                cache=args.cache,
                out=args.out / "verifier",
                seed=args.seed,
                engine=engine,
                clock=clock,
            )
    if counted["hours"]:
        told = ", ".join(f"{number} above {cutoff}" for cutoff, number in counted["above"].items())
        tqdm.write(f"{phrase}: false accepts in {counted['hours']:.2f} h of speech that was not learnt from: {told}")
    return 0
