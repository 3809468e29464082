"""``vivavoce update``: bundles from a server that breaks off, changes, lies, or is silent."""

import http.server
import re
import ssl
import threading

import pytest

from edge.bundle import open_bundle
from edge.bundle_identity import bundle_hash
from edge.download import FetchSettings
from edge.errors import DataError
from edge.fetching import fetched
from tests.edge.update_calls import bundle_fixture, call_fixture, pack  # noqa: F401  # fixtures


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
