"""``python -m train.readme_tables``: writes the tables of the README anew, from ``results/`` and the bundle.

And the table of machines in ``docs/benchmarks``: what ``vivavoce bench --table`` prints of the files beside it; those
of ``docs/training.md`` and ``docs/new-word.md``, of figures on dev; and those of ``docs/quantise.md``.
"""

import re
from functools import partial
from pathlib import Path
from typing import IO

from edge.bench.table import table as table_of_machines
from edge.bundle import open_bundle
from edge.bundle_identity import bundle_hash
from edge.files import write_whole
from train.crossfit_table import crossfit_table
from train.dev_tables import informed_table, new_word_table, paired_table, teacher_table, verifier_table
from train.made_again_table import made_again_table
from train.micro_tables import operators_table, words_table
from train.protocol_table import protocol_table
from train.results_table import limits_table, results_table

__all__ = ["new_word_tables", "quantise_tables", "tables", "training_tables", "with_tables"]

_ROOT = Path(__file__).resolve().parents[1]


def tables(results: Path) -> dict[str, str]:
    """Return the tables by the name of their mark in the README, ``<!-- table NAME -->``.

    Parameters
    ----------
    results : Path
        Folder of result files.
    """
    bundle = open_bundle()
    return {
        "limits": limits_table(results, bundle),
        "results": results_table(results),
        "protocol": protocol_table(results, bundle_hash(bundle.path)),
    }


def training_tables(results: Path) -> dict[str, str]:
    """Return the tables of ``docs/training.md``, as :func:`tables` does those of the README."""
    return {
        "teacher": teacher_table(results),
        "verifier": verifier_table(results),
        "paired": paired_table(results),
        "informed": informed_table(results),
        "crossfit": crossfit_table(results),
        "made again": made_again_table(results),
    }


def new_word_tables(results: Path) -> dict[str, str]:
    """Return the tables of ``docs/new-word.md``, as :func:`tables` does those of the README."""
    return {"new word dev": new_word_table(results), "new word test": new_word_table(results, "new_word_test")}


def quantise_tables(results: Path) -> dict[str, str]:
    """Return the tables of ``docs/quantise.md``, as :func:`tables` does those of the README."""
    return {"operators": operators_table(results), "words for ESPHome": words_table(results)}


def with_tables(text: str, made: dict[str, str]) -> str:
    """Return a text with each table between its mark and the next ``<!-- end of table -->``.

    Raises
    ------
    ValueError
        If a table has no place in the text.
    """
    for name, table in made.items():
        place = re.compile(rf"(<!-- table {name} -->\n).*?(<!-- end of table -->)", re.DOTALL)
        text, count = place.subn(lambda found, table=table: f"{found[1]}\n{table}\n{found[2]}", text)
        if count != 1:
            raise ValueError(f"got {count} places for the table {name}, expected 1")
    return text


def _put(content: bytes, file: IO[bytes]) -> None:
    file.write(content)


if __name__ == "__main__":
    benchmarks = _ROOT / "docs" / "benchmarks"
    machines = {"machines": table_of_machines(sorted(benchmarks.glob("machines/*.json"))) + "\n"}
    for document, made in (
        (_ROOT / "README.md", tables(_ROOT / "results")),
        (_ROOT / "docs" / "training.md", training_tables(_ROOT / "results")),
        (_ROOT / "docs" / "new-word.md", new_word_tables(_ROOT / "results")),
        (_ROOT / "docs" / "quantise.md", quantise_tables(_ROOT / "results")),
        (benchmarks / "README.md", machines),
    ):
        written = with_tables(document.read_text(encoding="utf-8"), made).encode()
        write_whole(document, partial(_put, written))
