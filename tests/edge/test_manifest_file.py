"""``manifest.csv``: what is written is read again, and what is none is one line."""

import csv
import os

import pytest

from edge.errors import DataError
from edge.manifest_file import COLUMNS, read_manifest, write_manifest

HEADER = ",".join(COLUMNS)
ROW = "a.flac,c,p1,train,wake,alexa,1.0,16000,L"


@pytest.mark.parametrize(
    "label", ["x\ry", 'a "b", c', "two\nlines", "two\r\nlines", " ", '"', "\ufeff", "grüß", "x" * 4096]
)
def test_what_is_written_is_read_again(label, tmp_path):
    path = tmp_path / "manifest.csv"
    rows = [dict(zip(COLUMNS, ROW.split(","), strict=True)) | {"label": label, "note": ""} for _ in range(2)]
    write_manifest(path, rows[0], rows)
    assert [row for _, row in read_manifest(path).rows] == rows
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == rows


def test_a_column_that_a_row_lacks_is_empty(tmp_path):
    write_manifest(tmp_path / "m.csv", [*COLUMNS, "take"], [dict(zip(COLUMNS, ROW.split(","), strict=True))])
    assert (tmp_path / "m.csv").read_bytes() == f"{HEADER},take\n{ROW},\n".encode()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "BOM"])
def test_what_spreadsheets_write_is_read(mark, end, tmp_path):
    path = tmp_path / "m.csv"
    path.write_bytes(f"{mark}{HEADER}{end}{ROW}{end}{end}{ROW}".encode())
    found = read_manifest(path)
    assert found.header == [*COLUMNS]
    assert [line for line, _ in found.rows] == [2, 4]
    assert {tuple(row.values()) for _, row in found.rows} == {tuple(ROW.split(","))}
    assert found.misfits == []


def test_cells_that_are_endless_are_told_and_those_of_foreign_columns_are_not(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text(f"{HEADER},text\n{ROW},{'x' * 5000}\n{ROW.replace('wake', 'x' * 5000)},\n")
    found = read_manifest(path)
    assert [line for line, _ in found.rows] == [2]
    assert found.misfits == [f"{path} line 3: role has more than 4096 characters, expected at most as many; correct it"]


def test_rows_of_another_length_are_told_one_by_one(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text(f"{HEADER}\n{ROW},more\n{ROW}\na.flac\n")
    found = read_manifest(path, remedy="mend it")
    assert [line for line, _ in found.rows] == [3]
    assert [message.partition(";")[0] for message in found.misfits] == [
        f"{path} line 2: got 10 cells, expected 9 as in the header",
        f"{path} line 4: got 1 cells, expected 9 as in the header",
    ]
    assert all(message.endswith("or mend it") for message in found.misfits)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "got no column path, corpus, .* among none, expected a header with path,"),
        (HEADER.replace(",", ";").encode(), "got no column path, .* among path;corpus;"),
        (f"{HEADER},path\n".encode(), "column 'path' comes twice"),
        (f"{HEADER}\n{ROW}".encode("utf-16"), "is not a CSV file in UTF-8"),
        (f"{HEADER}\n{ROW}".encode("utf-16-le"), r"is not a CSV file in UTF-8 \(line 1 holds a NUL byte\)"),
        (f"{HEADER}\n{ROW}\0\n".encode(), r"line 2 holds a NUL byte"),
        (f'{HEADER}\n{ROW}\n"{ROW}\n'.encode(), "unexpected end of data"),
        (f'{HEADER}\n"a"{ROW}\n'.encode(), r"\(line 2: ',' expected after '\"'\)"),
        (f"{HEADER}\n{'x' * 200_000}{ROW}\n".encode(), "line 2: field larger than field limit"),
        (bytes(range(256)), "is not a CSV file in UTF-8"),
    ],
    ids=[
        "empty",
        "semicolons",
        "twice",
        "UTF-16",
        "UTF-16 without mark",
        "NUL",
        "open quote",
        "quote",
        "huge",
        "noise",
    ],
)
def test_what_is_no_manifest_is_one_line_with_the_remedy(content, told, tmp_path):
    path = tmp_path / "m.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=told) as caught:
        read_manifest(path, remedy="mend it")
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith("; mend it")
    assert len(str(caught.value)) < 500


def test_a_manifest_that_is_no_file_is_one_line(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, told in (
        (tmp_path, r"cannot be read \(Is a directory\), expected a file"),
        (tmp_path / "pipe", r"cannot be read \(is a folder or device\), expected a file"),
        (tmp_path / "none", r"cannot be read \(No such file or directory\)"),
        (tmp_path / ("x" * 300), r"cannot be read \(File name too long\)"),
    ):
        with pytest.raises(DataError, match=told):
            read_manifest(path)
