import dataclasses
from pathlib import Path

import pytest

from edge.errors import UsageError
from train.frozen_set import read_frozen
from train.simulator.recipe import RECIPE_FILE, load_recipe, shipped_recipe, split_of_cell


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def test_the_shipped_recipe_is_the_frozen_one():
    # A change of the recipe makes every figure that was measured with it one of another recipe: raise its version,
    # freeze the sets again ('vivavoce train render --freeze'), and measure again.
    assert shipped_recipe().hash == read_frozen().recipe_sha256


def test_a_file_holds_what_differs(tmp_path: Path):
    recipe = load_recipe(_file(tmp_path, "[codec]\nshare = 0.9\n"))
    assert recipe == dataclasses.replace(shipped_recipe(), codec=dataclasses.replace(shipped_recipe().codec, share=0.9))
    assert recipe.hash != shipped_recipe().hash
    assert load_recipe(None) is shipped_recipe()


def test_comments_and_order_do_not_change_the_hash(tmp_path: Path):
    text = RECIPE_FILE.read_text()
    assert load_recipe(_file(tmp_path, "# mine\n" + text)).hash == shipped_recipe().hash


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[codec]\nshaer = 1", "codec.shaer is unknown; did you mean codec.share?"),
        ("[layout]\nlead_s = [1.0, 0.5]", "lead_s runs from 1 to 0.5; give the lower end first"),
        ("[loudspeakers.phone]\nshare = 0.5", "the shares of the loudspeakers add up to 1.15, expected 1"),
        ("[television]\nkind = 'radio'", "television.kind is 'radio', expected one of the loudspeakers"),
        ("[directivity]\nhz = [1.0]", "need one entry for each frequency"),
        ("[small]\ncells = [1, 1]", "cells 1 x 1 leave the split dev without a cell"),
        ("[small]\ncells = [2, 1]", "cells 2 x 1 leave the split dev"),
        ("[small]\nslope_db_octave = [12.0, 12.0]", "slope_db_octave runs from 12 to 12; it is cut into cells"),
        ("[loudspeakers.phone]\ncorner_hz = [400.0, 400.0]", "corner_hz runs from 400 to 400; it is cut into cells"),
        ("[television]\nratios_db = []", "ratios_db is empty, expected at least one ratio"),
        ("", "holds no entries"),
    ],
)
def test_a_faulty_recipe_is_one_line(tmp_path: Path, text: str, message: str):
    with pytest.raises(UsageError) as caught:
        load_recipe(_file(tmp_path, text))
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "mine.toml"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cells", [(3, 1), (2, 2), (1, 5), (5, 3), (1, 3)])
def test_cells_are_taken_if_every_split_has_one(tmp_path: Path, cells: tuple[int, int]):
    columns, rows = cells
    found = {split_of_cell(i, j) for i in range(columns) for j in range(rows)}
    path = _file(tmp_path, f"[small]\ncells = [{columns}, {rows}]\n")
    if found == {"train", "dev", "test"}:
        assert load_recipe(path).small.cells == cells
    else:
        with pytest.raises(UsageError, match="without a cell"):
            load_recipe(path)


def test_the_devices_own_loudspeaker_must_be_possible(tmp_path: Path):
    text = "[loudspeakers.tv]\nown = false\n[loudspeakers.standalone]\nown = false\n"
    with pytest.raises(UsageError, match="own_playback needs a kind"):
        load_recipe(_file(tmp_path, text))
    load_recipe(_file(tmp_path, text + "[variants]\nown_playback = 0.0\n"))
