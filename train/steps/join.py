"""``vivavoce train join``: several wake networks in one."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "join wake networks that were trained apart into one that averages their logits"

_CLIPS = 24

_EPILOG = """\
Networks that were trained apart err apart: their mean makes fewer false accepts than either. On the device the
result is one network with one state, as large as its members together.

example:
  vivavoce train join --data ../shared/data build/models/wake_narrow build/models/wake_wide -o build/models/wake
next:
  vivavoce quantize convert build/models/wake
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.epilog = _EPILOG
    parser.add_argument("members", nargs="+", type=Path, metavar="CHECKPOINT", help="what 'vivavoce train wake' wrote")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with a manifest.csv")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="checkpoint to write")


def run(args: argparse.Namespace) -> int:
    """Join the networks."""
    from edge.errors import DataError
    from edge.frontend_tables import FrontendSettings
    from train.corpus import load_manifest
    from train.fitting import RunRecord, save_checkpoint
    from train.new_word_checkpoint import read_wake_checkpoint
    from train.wake_network import device_form
    from train.wake_representative import quantised_features_of_clips, representative_inputs

    members = [read_wake_checkpoint(member) for member in args.members]
    for member in members:
        if len(member.members) != 1 or member.branches:
            raise DataError(
                f"{member.path}: got a network that was joined, or has words that were added; expected one as "
                "'vivavoce train wake' wrote it: join those, and add words behind"
            )
        if (member.spec, member.shape) != (members[0].spec, members[0].shape):
            raise DataError(
                f"{member.path}: got another role, words or settings than {args.members[0]}; join like with like"
            )
    records, specs, shape = [one.record for one in members], [one.spec for one in members], members[0].shape
    device = device_form(shape, [weights for one in members for weights in one.members])
    train = [clip for clip in load_manifest(args.data) if clip.split == "train"]
    said = [clip for word in specs[0]["words"] for clip in train if clip.word == word["id"]]
    others = [clip for clip in train if clip.role == "speech"]
    # Evenly over all words and talkers: the manifest is in the order of both.
    chosen = [*said[:: max(1, len(said) // _CLIPS)], *others[:: max(1, len(others) // _CLIPS)]]
    record = RunRecord(
        seed=records[0]["seed"],
        data_hash=records[0]["data_hash"],
        licences=[dict(pair) for pair in sorted({tuple(entry.items()) for r in records for entry in r["licences"]})],
        settings={"members": [{k: r[k] for k in ("seed", "data_hash", "commit", "settings")} for r in records]},
    )
    record.metrics = {"parameters": int(device.count_params()), "members": [r["metrics"] for r in records]}
    save_checkpoint(
        args.out,
        device,
        representative_inputs(
            device, shape, quantised_features_of_clips(chosen, FrontendSettings.from_dict(specs[0]["frontend"]))
        ),
        record,
        specs[0],
    )
    return 0
