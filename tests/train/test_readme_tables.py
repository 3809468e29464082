import pytest

from train.readme_tables import with_tables

TEXT = "a\n<!-- table one -->\nold\n<!-- end of table -->\nb\n<!-- table two -->\n<!-- end of table -->\n"


def test_each_table_replaces_what_stood_in_its_place_and_nothing_else():
    once = with_tables(TEXT, {"one": "1 \\1\n", "two": "2\n"})
    assert once == (
        "a\n<!-- table one -->\n\n1 \\1\n\n<!-- end of table -->\nb\n<!-- table two -->\n\n2\n\n<!-- end of table -->\n"
    )
    assert with_tables(once, {"one": "1 \\1\n", "two": "2\n"}) == once


@pytest.mark.parametrize("text", ["", TEXT + TEXT])
def test_a_table_without_one_place_is_told(text):
    with pytest.raises(ValueError, match="places for the table one, expected 1"):
        with_tables(text, {"one": "1\n"})
