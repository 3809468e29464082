"""Text that is no JSON, or that is nested so deeply that reading or writing it would give up."""

import hashlib
import json
from pathlib import Path

import pytest

from edge.errors import BundleError
from edge.json_reading import DEEPEST, parse_json
from edge.kernel_image import HEAD, UnusableImageError, unpack
from edge.strict_json import load_object


@pytest.mark.parametrize("levels", [DEEPEST + 1, 900, 200_000], ids=str)
@pytest.mark.parametrize(
    ("opens", "closes"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")], ids=["list", "object", "both"]
)
def test_what_is_nested_too_deeply_is_a_value_error(opens, closes, levels):
    with pytest.raises(ValueError, match="more than 64 levels"):
        parse_json(opens * levels + "1" + closes * levels)


def test_as_many_levels_as_are_allowed_are_read():
    for text in ("1", "{}", '"[["', "[" * DEEPEST + "1" + "]" * DEEPEST):
        assert json.dumps(parse_json(text)) == text
    with pytest.raises(ValueError, match="more than 64 levels"):
        parse_json("[" * DEEPEST + "1, {}" + "]" * DEEPEST)  # the object within is one more


@pytest.mark.parametrize("text", ["", "[", b"\xff\xfe\x00", b"{\xff}", "1" * 5000])
def test_what_is_no_json_is_a_value_error(text):
    with pytest.raises(ValueError):  # noqa: PT011  # each has another message
        parse_json(text)


DEEP = b"[" * 100_000 + b"]" * 100_000


def test_a_manifest_that_is_nested_too_deeply_is_one_line():
    for content in (DEEP, b'{"a": %s}' % (b"[" * 900 + b"]" * 900)):
        with pytest.raises(BundleError, match=r"m\.json: got text that is not JSON \(it has more than 64 levels"):
            load_object(Path("m.json"), content)


def test_an_image_that_is_nested_too_deeply_is_unusable():
    signed = HEAD + b"\xc3" * 64 + DEEP + len(DEEP).to_bytes(8, "little")
    with pytest.raises(UnusableImageError, match="more than 64 levels"):
        unpack(signed + hashlib.sha256(signed).digest(), {})
