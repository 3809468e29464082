"""Which corpora the false accepts on long-form speech come from, by results that are there: nothing is heard.

    python tests/bench/longform_corpora.py --data DATA

``vivavoce train evaluate`` tells it itself (``false_accepts_longform.by_corpus``); this is for results of test that
were written before it did. Events are those of the results, durations those of the manifest. No recording is opened,
and so the ledger of the test split gets no entry.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from processes import ROOT, data_folder, write_result

SPLIT = "test"
_SAME_HOURS = 0.002
"""Results round their hours to three digits, and the manifest its seconds."""


def main() -> int:
    """Count, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder with a manifest.csv [%(default)s]")
    parser.add_argument(
        "--wake", type=Path, default=ROOT / "results" / f"wake_{SPLIT}.json", help="the results [%(default)s]"
    )
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / f"longform_corpora_{SPLIT}.json")
    args = parser.parse_args()

    sys.path.insert(0, str(ROOT))
    from edge.errors import DataError

    try:
        body = counted(args.wake, args.data)
    except DataError as error:
        print(error, file=sys.stderr)
        return 2
    write_result(args.out, "python tests/bench/longform_corpora.py --data DATA", body)
    for corpus, one in body["by_corpus"].items():
        print(
            f"{corpus:<16} {one['count']} in {one['hours']:.3f} h, {one['per_hour']:.2f} an hour, "
            f"at most {one['upper_95_per_hour']:.2f}"
        )
    return 0


def counted(path: Path, data: Path) -> dict[str, Any]:
    """Return the false accepts of each corpus, and what results they are of.

    Parameters
    ----------
    path : Path
        The results of the words.
    data : Path
        Folder of the recordings that were heard; its manifest alone is read.

    Raises
    ------
    DataError
        If the results cannot be read or are about other recordings.
    """
    from edge.errors import DataError
    from train.corpus import data_hash, load_manifest
    from train.longform_corpora import by_corpus
    from train.report.results_folder import read_part

    wake = read_part(path)
    found = wake.part("int8", "false_accepts_longform")
    hashed = data_hash(data)
    if wake.text("data_hash") != hashed:
        raise DataError(
            f"{path}: is about the data {wake.text('data_hash')[:12]}, and {data} is {hashed[:12]}; give the folder "
            "that was measured on"
        )
    streams = [clip for clip in load_manifest(data) if (clip.role, clip.split) == ("longform", SPLIT)]
    try:
        files = [event["file"] for event in found.items("events")]
        counts = by_corpus(((clip, clip.seconds) for clip in streams), files)
    except (DataError, KeyError, TypeError) as error:
        raise DataError(f"{path}: false_accepts_longform.events: {error}; measure again") from error
    for key, total, most in (
        ("count", sum(one["count"] for one in counts.values()), 0),
        ("hours", sum(clip.seconds for clip in streams) / 3600, _SAME_HOURS),
    ):
        if abs(found.number(key) - total) > most:
            raise found.fault(key, f"{found.number(key):g}", f"{total:g}, which events and manifest make")
    return {
        "split": SPLIT,
        "data_hash": hashed,
        "bundle_sha256": wake.text("bundle_sha256"),
        "measured": {key: wake.text(key) for key in ("made_by", "date", "commit")},
        "method": (
            "events of the results of the int8 networks, counted by the corpus of the stream; durations of the "
            "manifest; exact upper bounds of a Poisson process; nothing was heard"
        ),
        "by_corpus": counts,
    }


if __name__ == "__main__":
    sys.exit(main())
