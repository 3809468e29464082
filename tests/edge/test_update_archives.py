"""``vivavoce update``: bundles in archives that are whole, broken or malicious."""

import gzip
import io
import os
import re
import stat
import tarfile
import zipfile

import pytest

from edge.bundle import open_bundle
from edge.bundle_identity import bundle_hash
from edge.bundle_manifest import MAX_FILE_BYTES
from edge.download import FetchSettings
from edge.errors import DataError, UsageError
from edge.fetching import fetched
from edge.slots import Slots
from edge.unpacking import ENDINGS, MAX_ARCHIVE_BYTES, unpack
from tests.edge.update_calls import bundle_fixture, call_fixture, pack  # noqa: F401  # fixtures


@pytest.mark.parametrize("prefix", ["bundle", ""])
@pytest.mark.parametrize("ending", ENDINGS)
def test_archives_of_every_kind(bundle, tmp_path, ending, prefix):
    archive = pack(bundle, tmp_path / f"b{ending}", prefix)
    with fetched(str(archive), tmp_path / "work", FetchSettings()) as folder:
        assert bundle_hash(open_bundle(folder).path) == bundle_hash(bundle)
    assert list((tmp_path / "work").iterdir()) == []


def tar_with(name, content=b"x", **entry):
    """Return a tar with one entry."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        for key, value in entry.items():
            setattr(info, key, value)
        archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def zip_with(name, content=b"x", mode=0o644 | stat.S_IFREG):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, content)
    return stream.getvalue()


def tar_of_many():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for i in range(300):
            archive.addfile(tarfile.TarInfo(f"f{i}"))
    return stream.getvalue()


def pax_bomb():
    """Return a tar whose first header says that its own extension has many gigabytes, of zeros."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, (8 << 30) - 1
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=9) as file:
        file.write(info.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(MAX_ARCHIVE_BYTES // (1 << 20) + 2):
            file.write(bytes(1 << 20))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("ending", "content", "told"),
    [
        (".tar", lambda: tar_with("../x"), r"the path '\.\./x'"),
        (".tar", lambda: tar_with("/etc/passwd"), "the path '/etc/passwd'"),
        (".tar", lambda: tar_with("a/b/c"), "the path 'a/b/c'"),
        (".tar", lambda: tar_with("x", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "a link or device"),
        (".tar", lambda: tar_with("x", b"", type=tarfile.LNKTYPE, linkname="y"), "a link or device"),
        (".tar", lambda: tar_with("x", b"", type=tarfile.FIFOTYPE), "a link or device"),
        (".tar", lambda: tar_with("x", b"", type=tarfile.CHRTYPE), "a link or device"),
        (".tar", lambda: tar_with("x", bytes(MAX_FILE_BYTES + 1)), "too much in 'x'"),
        (".tar", tar_of_many, "more than 200 entries"),
        (".tar", lambda: tar_with("x", bytes(2000))[:1500], "cannot be unpacked"),
        (".tar", lambda: b"no archive", "cannot be unpacked"),
        (".tar", lambda: b"", "cannot be unpacked"),
        (".tar.gz", lambda: b"no archive", "cannot be unpacked"),
        (".tar.gz", lambda: gzip.compress(tar_with("x", bytes(9999)))[:60], "cannot be unpacked"),
        (".tar.gz", pax_bomb, "an archive that does not end"),
        (".tar.xz", lambda: b"\xfd7zXZ\0no archive", "cannot be unpacked"),
        (".tar.bz2", lambda: b"BZh9no archive", "cannot be unpacked"),
        (".zip", lambda: zip_with("../x"), r"the path '\.\./x'"),
        (".zip", lambda: zip_with("/x"), "the path '/x'"),
        (".zip", lambda: zip_with("a\\x"), r"the path 'a\\\\x'"),
        (".zip", lambda: zip_with("x", b"/etc/passwd", stat.S_IFLNK | 0o777), "a link or device"),
        (".zip", lambda: zip_with("x", bytes(MAX_FILE_BYTES + 1)), "too much in 'x'"),
        (".zip", lambda: zip_with("x", bytes(999))[:50], "cannot be unpacked"),
        (".zip", lambda: b"no archive", "cannot be unpacked"),
    ],
)
def test_archives_that_are_broken_or_malicious_are_one_line(call, tmp_path, ending, content, told):
    archive = tmp_path / f"b{ending}"
    archive.write_bytes(content())
    before = Slots(tmp_path / "slots").initialise()
    code, records, (line,) = call("install", archive, "--allow-unsigned")
    assert (code, records) == (2, [])
    assert line.startswith(f"vivavoce: {archive}: got ")
    assert re.search(told, line)
    assert Slots(tmp_path / "slots").state() == before
    assert list((tmp_path / "slots" / "fetch").iterdir()) == []
    assert not (tmp_path / "x").exists()


def test_a_zip_with_a_wrong_checksum_or_a_password(tmp_path):
    content = bytearray(zip_with("x", b"abcdefgh" * 99))
    content[14:18] = b"\0\0\0\0"
    directory = content.rindex(b"PK\1\2")
    content[directory + 16 : directory + 20] = b"\0\0\0\0"
    locked = bytearray(zip_with("x"))
    locked[6] |= 1
    locked[locked.rindex(b"PK\1\2") + 8] |= 1
    for i, broken in enumerate((content, locked)):
        (tmp_path / "b.zip").write_bytes(broken)
        (tmp_path / f"out{i}").mkdir()
        with pytest.raises(DataError, match=r"b\.zip: got something that cannot be unpacked"):
            unpack(tmp_path / "b.zip", tmp_path / f"out{i}")


def test_two_bundles_in_one_archive(bundle, tmp_path):
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        archive.add(bundle, "one")
        archive.add(bundle, "two")
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="got files in several folders"):
        unpack(tmp_path / "b.tar", tmp_path / "out")


def test_a_large_file_and_a_pipe_are_not_read(tmp_path):
    with open(tmp_path / "b.tar", "wb") as file:
        file.truncate(MAX_ARCHIVE_BYTES + 1)
    os.mkfifo(tmp_path / "p.tar")
    for name in ("b.tar", "p.tar"):
        with (
            pytest.raises(DataError, match="expected a file of at most"),
            fetched(str(tmp_path / name), tmp_path / "work", FetchSettings()),
        ):
            pass


def test_only_one_fetches_at_a_time(bundle, tmp_path):
    archive = str(pack(bundle, tmp_path / "b.tar"))
    with (
        fetched(archive, tmp_path / "work", FetchSettings()),
        pytest.raises(UsageError, match="got another update that is being fetched"),
        fetched(archive, tmp_path / "work", FetchSettings()),
    ):
        pass
    with fetched(archive, tmp_path / "work", FetchSettings()):
        pass
