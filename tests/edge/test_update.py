"""``vivavoce update``: bundles that come in folders, archives and from servers, whole, broken or malicious."""

import gzip
import http.server
import io
import json
import os
import re
import shutil
import ssl
import stat
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest
from updating import SHIPPED_VERSION, make_bundle

from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.bundle_identity import bundle_hash
from edge.bundle_manifest import MANIFEST_NAME, MAX_FILE_BYTES
from edge.bundle_writing import seal
from edge.cli import main
from edge.download import FetchSettings
from edge.errors import DataError, UsageError
from edge.fetching import fetched
from edge.slots import Slots
from edge.unpacking import ENDINGS, MAX_ARCHIVE_BYTES, unpack
from edge.update import UpdateSettings, open_slots

BENCH = Path(__file__).parents[1] / "bench" / "update_faults.py"


@pytest.fixture
def bundle(tmp_path):
    return make_bundle(tmp_path, "1.0")


@pytest.fixture
def call(capsys, tmp_path):
    """Return a function that runs a step and gives code, JSON lines and lines on stderr."""

    def run(*words):
        code = main(["update", *map(str, words), "--slots", str(tmp_path / "slots"), "--json"])
        told = capsys.readouterr()
        return code, [json.loads(line) for line in told.out.splitlines()], told.err.splitlines()

    return run


def pack(bundle, path, prefix="bundle"):
    """Pack a bundle as people do: its folder, or what is in it."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(bundle.iterdir()):
                archive.write(file, f"{prefix}/{file.name}" if prefix else file.name)
    else:
        kind = {".gz": "gz", ".tgz": "gz", ".xz": "xz", ".bz2": "bz2"}.get(path.suffix, "")
        with tarfile.open(path, f"w:{kind}") as archive:
            archive.add(bundle, prefix or ".")
    return path


# ------------------------------------------------------------------------------------------------ command


def test_the_whole_way_by_commands(call, bundle, tmp_path):
    code, (record,), complaints = call("install", bundle, "--allow-unsigned")
    assert (code, complaints, record["candidate"], record["bundle_version"]) == (0, [], "a", SHIPPED_VERSION)
    assert (record["whole"], record["a"]) == (True, {"version": "1.0", "sha256": bundle_hash(bundle)})
    code, (record,), _ = call("roll-back", "--reason", "not today")
    assert (code, record["candidate"], record["refused"][0]["reason"]) == (0, "", "not today")
    code, records, (line,) = call("install", bundle, "--allow-unsigned")
    assert (code, records) == (2, [])
    assert "failed here (not today)" in line
    code, (record,), _ = call("install", bundle, "--allow-unsigned", "--retry", "--now")
    assert (code, record["probation"], record["bundle"]) == (0, True, str(tmp_path / "slots" / "a"))
    code, (record,), _ = call("confirm")
    assert (code, record["probation"], record["minimum"]["version"]) == (0, False, "1.0")
    code, records, (line,) = call("confirm")
    assert (code, records) == (2, [])
    assert "not on probation" in line
    code, (again,), _ = call("status")
    assert (code, again) == (0, record)
    code, records, (line,) = call("roll-back")
    assert (code, records) == (2, [])
    assert "--allow-downgrade" in line
    code, (record,), _ = call("roll-back", "--allow-downgrade")
    assert (code, record["active"], record["bundle"]) == (0, "shipped", str(DEFAULT_BUNDLE))


def test_status_for_people(bundle, tmp_path, capsys):
    slots = ["--slots", str(tmp_path / "slots")]
    assert main(["update", "status", *slots]) == 0
    assert not (tmp_path / "slots").exists()
    assert f"in use       {SHIPPED_VERSION}  {DEFAULT_BUNDLE}" in capsys.readouterr().out
    for words in (["install", str(bundle), "--allow-unsigned", "--now"], ["roll-back"], ["status"]):
        assert main(["update", *words, *slots]) == 0
    text = capsys.readouterr().out
    assert "on probation" in text
    assert "before       the one that ships" in text
    assert "the owner said so" in text


def test_status_tells_of_damage(call, bundle, tmp_path):
    call("install", bundle, "--allow-unsigned", "--now")
    (tmp_path / "slots" / "a" / "wake.tflite").unlink()
    code, (record,), complaints = call("status")
    assert (code, record["whole"], record["bundle"], record["active"]) == (2, False, str(DEFAULT_BUNDLE), "a")
    assert any("wake.tflite" in line for line in complaints)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["install", "BUNDLE"], "got no public key, expected the key that bundles are signed with"),
        (["install", "", "--allow-unsigned"], "got an empty name"),
        (["install", "nothing", "--allow-unsigned"], "got no archive, expected the folder of a bundle"),
        (["install", "nothing.tar", "--allow-unsigned"], r"nothing\.tar: cannot be read \(No such file or directory\)"),
        (["install", "http://127.0.0.1/b.tar", "--allow-unsigned"], "expected https://HOST/PATH"),
        (["install", "https://me:pw@127.0.0.1/b.tar", "--allow-unsigned"], "without a user's name"),
        (["install", "https://[::1/b.tar", "--allow-unsigned"], "expected https://HOST/PATH"),
        (["install", "https://127.0.0.1/b", "--allow-unsigned"], "an https address that ends with"),
        (["install", "file:///etc/b.tar", "--allow-unsigned"], "expected https://HOST/PATH"),
        (["install", "BUNDLE", "--public-key", "nothing.pub"], r"nothing\.pub"),
        (["roll-back"], "got the bundle that ships in use"),
    ],
)
def test_calls_that_cannot_be_meant_are_one_line(call, bundle, words, told):
    code, records, (line,) = call(*[str(bundle) if word == "BUNDLE" else word for word in words])
    assert (code, records) == (2, [])
    assert re.search(told, line)


def test_a_bundle_that_does_not_run_is_not_staged(call, bundle, tmp_path):
    (bundle / "wake.tflite").write_bytes((bundle / "liveness.tflite").read_bytes())
    seal(bundle)
    code, records, (line,) = call("install", bundle, "--allow-unsigned")
    assert (code, records) == (2, [])
    assert "wake.tflite" in line
    assert Slots(tmp_path / "slots").state().candidate == ""


def test_signed_bundles_are_taken_from_whom_is_trusted(call, bundle, tmp_path, capsys):
    pytest.importorskip("cryptography", reason="cryptography is not installed (the extra `signed`)")
    for name in ("ours", "theirs"):
        assert main(["bundle", "keygen", "--out", str(tmp_path / name), "--no-password"]) == 0
    assert main(["bundle", "sign", str(bundle), "--secret-key", str(tmp_path / "ours.key")]) == 0
    capsys.readouterr()
    archive = pack(bundle, tmp_path / "b.tar.xz")
    code, _, (line,) = call("install", archive, "--public-key", tmp_path / "theirs.pub")
    assert code == 2
    assert line.startswith(f"vivavoce: {archive}/{MANIFEST_NAME}")  # and not the folder it was unpacked into
    code, (record,), _ = call("install", archive, "--public-key", tmp_path / "ours.pub")
    assert (code, record["candidate"]) == (0, "a")
    slots = open_slots(UpdateSettings(slots=str(tmp_path / "slots"), public_keys=(str(tmp_path / "ours.pub"),)))
    assert slots.candidate().signature.state == "trusted"


def test_settings_need_a_key_and_a_folder(tmp_path):
    with pytest.raises(UsageError, match=r"update\.slots: got no folder"):
        open_slots(UpdateSettings())
    with pytest.raises(UsageError, match=r"update\.public_keys"):
        open_slots(UpdateSettings(slots=str(tmp_path)))
    assert open_slots(UpdateSettings(slots=str(tmp_path), allow_unsigned=True)).active() == DEFAULT_BUNDLE


# ------------------------------------------------------------------------------------------------ archives


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


# ---------------------------------------------------------------------------------------------- downloads


class Server:
    """A server on this machine that speaks https, and does what it is told with each request."""

    def __init__(self, folder):
        self.content, self.tag, self.requests = b"", '"1"', []
        self.answers = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # its name is given
                outer.requests.append(dict(self.headers))
                (outer.answers.pop(0) if outer.answers else outer.serve)(self)

            def log_message(self, *_):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass

        self._server = Quiet(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate(folder))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.address = f"https://localhost:{self._server.server_port}/b.tar"

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def serve(self, request, upto=None, tag=True, length=True):
        """Send the file, or its rest; all of it or a part."""
        begin, status = 0, 200
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if asked and request.headers.get("If-Range") == self.tag:
            begin, status = int(asked[1]), 206
        request.send_response(status)
        if tag:
            request.send_header("ETag", self.tag)
        if length:
            request.send_header("Content-Length", str(len(self.content) - begin))
        if status == 206:
            request.send_header("Content-Range", f"bytes {begin}-{len(self.content) - 1}/{len(self.content)}")
        request.end_headers()
        request.wfile.write(self.content[begin:upto])
        request.wfile.flush()
        request.close_connection = True

    def cut(self, upto, **how):
        return lambda request: self.serve(request, upto, **how)

    def status(self, code, **headers):
        def answer(request):
            request.send_response(code)
            for name, value in headers.items():
                request.send_header(name.replace("_", "-"), value)
            request.send_header("Content-Length", "0")
            request.end_headers()

        return answer


def certificate(folder):
    """Make a certificate for this machine, signed by itself."""
    x509 = pytest.importorskip("cryptography.x509", reason="cryptography is not installed (the extra `signed`)")
    import datetime

    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def server(bundle, tmp_path, monkeypatch):
    (tmp_path / "tls").mkdir()
    found = Server(tmp_path / "tls")
    found.content = pack(bundle, tmp_path / "served.tar").read_bytes()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "tls" / "cert.pem"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def get(server, bundle, tmp_path):
    """Return a function that downloads, verifies, and gives the waits between its attempts."""

    def run(**limits):
        waits = []
        settings = FetchSettings(**{"silence_s": 5.0, **limits})
        with fetched(server.address, tmp_path / "work", settings, wait=waits.append) as folder:
            assert bundle_hash(open_bundle(folder).path) == bundle_hash(bundle)
        assert list((tmp_path / "work").iterdir()) == []
        return waits

    return run


def test_a_download(get, server):
    assert get() == []
    assert len(server.requests) == 1


def test_a_command_installs_from_an_address(call, server):
    code, (record,), complaints = call("install", server.address, "--allow-unsigned")
    assert (code, complaints, record["candidate"]) == (0, [], "a")


def test_a_download_that_was_broken_off_is_gone_on_with(get, server):
    server.answers = [server.cut(100_000), server.cut(150_000), server.status(503)]
    assert get() == [1.0, 2.0, 4.0]
    ranges = [request.get("Range") for request in server.requests]
    assert ranges == [None, "bytes=100000-", "bytes=150000-", "bytes=150000-"]
    assert server.requests[1]["If-Range"] == '"1"'


def test_the_next_call_goes_on_as_well(get, server):
    server.answers = [server.cut(100_000)]
    with pytest.raises(DataError, match=r"the connection ended after 100000 of \d+ bytes.*goes on where it stopped"):
        get(attempts=1)
    assert get() == []
    assert server.requests[1]["Range"] == "bytes=100000-"


def test_a_file_that_changed_meanwhile_is_got_from_its_beginning(get, server):
    server.answers = [server.cut(100_000)]
    with pytest.raises(DataError):
        get(attempts=1)
    server.tag = '"2"'
    assert get() == []
    assert server.requests[1]["Range"] == "bytes=100000-"


@pytest.mark.parametrize("tag", ["", 'W/"1"'])
def test_without_a_sign_of_its_version_a_download_begins_anew(get, server, tag):
    server.tag = tag
    server.answers = [server.cut(100_000)]
    assert get() == [1.0]
    assert [request.get("Range") for request in server.requests] == [None, None]


def test_another_address_does_not_go_on_with_it(get, server):
    server.answers = [server.cut(100_000)]
    with pytest.raises(DataError):
        get(attempts=1)
    server.address = server.address.replace("/b.tar", "/other.tar")
    assert get() == []
    assert "Range" not in server.requests[1]


def test_a_rest_that_does_not_exist_begins_anew(get, server):
    server.answers = [server.cut(100_000), server.status(416)]
    assert get() == [1.0, 2.0]
    assert "Range" not in server.requests[2]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda s: s.status(404), "the server says 404 Not Found"),
        (lambda s: s.status(302, Location="http://localhost/b.tar"), "got a redirection to http://localhost/b.tar"),
        (
            lambda s: s.status(302, Location="file:///etc/passwd"),
            "Redirection to url 'file:///etc/passwd' is not allowed",
        ),
        (lambda s: s.status(206, Content_Range="bytes 5-9/10"), "that was not asked for"),
        (lambda s: s.status(204), "that was not asked for"),
    ],
)
def test_answers_that_no_attempt_mends(get, server, answer, told):
    server.answers = [answer(server)]
    with pytest.raises(DataError, match=told) as caught:
        get()
    assert "\n" not in str(caught.value)
    assert len(server.requests) == 1


def test_a_redirection_to_https_is_followed_but_not_for_ever(get, server):
    server.answers = [server.status(302, Location=server.address)]
    assert get() == []
    server.answers = [server.status(302, Location=server.address) for _ in range(20)]
    with pytest.raises(DataError, match="the server says 302"):
        get()


def test_a_server_that_is_not_there_or_not_trusted(get, server, monkeypatch, tmp_path):
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(DataError, match="its certificate is not trusted: self-signed certificate"):
        get()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "tls" / "cert.pem"))
    server.address = "https://localhost:1/b.tar"
    with pytest.raises(DataError, match=r"cannot be got \(Connection refused\).*after 2 attempts"):
        get(attempts=2)


def test_a_download_has_limits_of_size(get, server, monkeypatch, tmp_path):
    monkeypatch.setattr("edge.download.MAX_ARCHIVE_BYTES", 100_000)
    with pytest.raises(DataError, match=r"got \d+ bytes, expected at most 100000 bytes"):
        get()
    server.answers = [server.cut(None, length=False)]  # and believes no server that does not say how much it is
    with pytest.raises(DataError, match="got more, expected at most 100000 bytes"):
        get()


def test_a_download_has_limits_of_time(server, tmp_path):
    times = iter([0.0, 0.0, 1.0, 61.0, 62.0, 63.0])
    with (
        pytest.raises(DataError, match=r"got only a part in 60 s, expected all of it"),
        fetched(server.address, tmp_path / "work", FetchSettings(seconds=60.0), clock=lambda: next(times)),
    ):
        pass


def test_a_server_that_says_nothing_is_left(get, server):
    released = threading.Event()
    server.answers = [lambda request: released.wait(30)]
    try:
        with pytest.raises(DataError, match=r"cannot be got \(.*timed out.*\)"):
            get(attempts=1, silence_s=0.2)
    finally:
        released.set()


def test_what_came_whole_and_is_no_good_is_not_kept(call, server, tmp_path):
    good, server.content = server.content, b"no archive" * 1000
    code, _, (line,) = call("install", server.address, "--allow-unsigned")
    assert code == 2
    assert server.address in line
    server.content = good
    assert call("install", server.address, "--allow-unsigned")[0] == 0
    assert "Range" not in server.requests[1]


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"address": 1}', b'{"validator": "\\u0000"}', b"\xff" * 20_000])
def test_a_damaged_note_begins_anew(get, server, tmp_path, note):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "download").write_bytes(b"part")
    (tmp_path / "work" / "download.json").write_bytes(note)
    assert get() == []
    assert "Range" not in server.requests[0]


# ------------------------------------------------------------------------------------- stopped in the middle


def test_a_disk_that_is_full_is_one_line(bundle, tmp_path):
    archive = pack(bundle, tmp_path / "b.tar")
    slots = tmp_path / "slots"
    before = Slots(slots).initialise()
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000)); "
        "from edge.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["update", "install", str(archive), "--slots", str(slots), "--allow-unsigned"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"vivavoce: \S+ cannot be written \(File too large\), expected room.*\n", done.stderr)
    assert Slots(slots).state() == before
    shutil.rmtree(slots / "fetch", ignore_errors=True)


@pytest.mark.parametrize("scene", ["staged over an old one", "switched", "rolled back"])
def test_an_update_that_is_stopped_anywhere_leaves_a_bundle_that_works(tmp_path, scene):
    """The bench does the same for every step, and looks at every outcome of a loss of power."""
    done = subprocess.run(
        [
            sys.executable,
            str(BENCH),
            "--scene",
            scene,
            "--commands",
            "0",
            "--every",
            "9",
            "-o",
            str(tmp_path / "r.json"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "r.json").read_bytes())
    assert result["faults"] == 0
    assert result["kills"] >= 13
    assert 2 * result["kills_inside_a_write"] >= result["kills"] - 2
    assert result["different_outcomes"] >= 8
