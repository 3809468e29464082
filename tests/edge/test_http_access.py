"""Who may ask: tokens, client certificates and limits, with real sockets and certificates made for the test."""

import datetime
import ipaddress
import os
import socket
import socketserver
import ssl
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from edge.errors import UsageError
from edge.http_access import Access, LimitedServer, open_access
from edge.loopback import is_loopback

TOKEN = "0123456789abcdef0123456789abcdef"


def secret(path, content, mode=0o600):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return str(path)


def make_certificates(folder):
    """Make an authority, a server and a client of it, and a client of another authority; return their paths."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.datetime.now(datetime.UTC)

    def save(name, certificate, key):
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        secret(
            folder / f"{name}.key",
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )
        return str(folder / f"{name}.pem"), str(folder / f"{name}.key")

    def make(name, issuer=None, *, days=30, usage=None):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer_name, issuer_key = (subject, key) if issuer is None else issuer
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=60))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        )
        if issuer is None:
            builder = builder.add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=True,
                    crl_sign=True,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        return (subject, key), save(name, builder.sign(issuer_key, hashes.SHA256()), key)

    authority, ours = make("authority")
    stranger, _ = make("stranger")
    found = {
        "authority": ours[0],
        "server": make("server", authority, usage=ExtendedKeyUsageOID.SERVER_AUTH)[1],
        "client": make("client", authority, usage=ExtendedKeyUsageOID.CLIENT_AUTH)[1],
        "unknown": make("unknown", stranger, usage=ExtendedKeyUsageOID.CLIENT_AUTH)[1],
        "expired": make("expired", authority, days=-1, usage=ExtendedKeyUsageOID.CLIENT_AUTH)[1],
    }
    return found


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    pytest.importorskip("cryptography", reason="certificates are made with cryptography")
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


@contextmanager
def serving(access=None, app=hello, **limits):
    server = LimitedServer("127.0.0.1", 0, Access() if access is None else access, app, **limits)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(server, *lines, tls=None, host="127.0.0.1"):
    """Send a request and return the status, or "" if the server hung up."""
    request = "\r\n".join(["GET / HTTP/1.1", *([f"Host: {host}"] if host else []), *lines, "", ""]).encode("latin-1")
    try:
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as plain:
            if tls is None:
                return exchange(plain, request)
            with tls.wrap_socket(plain, server_hostname="127.0.0.1") as encrypted:
                return exchange(encrypted, request)
    except (ssl.SSLError, ConnectionError):
        return ""


def exchange(connection, request):
    connection.sendall(request)
    got = b""
    while block := connection.recv(4096):
        got += block
    return got.split(b"\r\n", 1)[0].decode().partition(" ")[2]


def client_context(certificates, name=None):
    context = ssl.create_default_context(cafile=certificates["authority"])
    if name is not None:
        context.load_cert_chain(*certificates[name])
    return context


def wait_for(condition):
    """Wait for something that another thread does after the client has its answer."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def opened(host="127.0.0.1", **files):
    files = {"token_file": "", "tls_certificate": "", "tls_key": "", "client_ca": "", **files}
    return open_access(host, where="metrics", **files)


# ------------------------------------------------------------------------------------------ who starts


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST"])
def test_a_server_of_this_device_needs_nothing(host):
    assert is_loopback(host)
    assert opened(host) == Access()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "localhost.example.org", "", "127.0.0.1.nip.io"])
def test_a_server_that_others_reach_is_not_started_without_credentials(host, certificates):
    with pytest.raises(UsageError, match=r"metrics\.host: got .*others can reach.*token_file"):
        opened(host)
    certificate, key = certificates["server"]
    with pytest.raises(UsageError, match=r"metrics\.host"):
        opened(host, tls_certificate=certificate, tls_key=key)  # encrypted, and open to everybody


def test_a_token_or_client_certificates_are_enough(tmp_path, certificates):
    access = opened("0.0.0.0", token_file=secret(tmp_path / "token", TOKEN + "\n"))
    assert (access.token, access.tls, access.client_certificates) == (TOKEN.encode(), None, False)
    certificate, key = certificates["server"]
    access = opened("::", tls_certificate=certificate, tls_key=key, client_ca=certificates["authority"])
    assert access.client_certificates
    assert access.tls.verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601, 0o666])
def test_a_token_that_everybody_may_open_is_refused(tmp_path, mode):
    path = secret(tmp_path / "token", TOKEN, mode)
    with pytest.raises(UsageError, match=rf"metrics\.token_file: .*mode {mode:04o}"):
        opened(token_file=path)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"short", b"a" * 5000, b"two words of a long text", "gehe\u00efm-geheim-geheim".encode()]
)
def test_a_token_that_is_none_is_refused(tmp_path, content):
    with pytest.raises(UsageError, match="expected one line of 16 to 4096"):
        opened(token_file=secret(tmp_path / "token", content))


def test_files_that_are_not_there_are_told_by_their_setting(tmp_path, certificates):
    with pytest.raises(UsageError, match=r"metrics\.token_file: .*No such file"):
        opened(token_file=str(tmp_path / "none"))
    with pytest.raises(UsageError, match=r"metrics\.token_file: .*directory"):
        opened(token_file=str(tmp_path))
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(UsageError, match=r"metrics\.token_file: .*folder or device"):
        opened(token_file=str(tmp_path / "pipe"))
    certificate, key = certificates["server"]
    with pytest.raises(UsageError, match=r"metrics\.tls_key: got none"):
        opened(tls_certificate=certificate)
    with pytest.raises(UsageError, match=r"metrics\.tls_certificate: got none"):
        opened(tls_key=key)
    with pytest.raises(UsageError, match=r"metrics\.tls_certificate: got none"):
        opened(client_ca=certificates["authority"])
    with pytest.raises(UsageError, match=r"metrics\.tls_certificate: .*cannot be used"):
        opened(tls_certificate=certificate, tls_key=certificates["client"][1])
    with pytest.raises(UsageError, match=r"metrics\.client_ca: .*cannot be used"):
        opened(tls_certificate=certificate, tls_key=key, client_ca=secret(tmp_path / "empty", b"nothing"))


def test_a_key_with_a_password_is_refused_and_not_asked_for(tmp_path, certificates):
    from cryptography.hazmat.primitives import serialization

    certificate, key = certificates["server"]
    with open(key, "rb") as file:
        loaded = serialization.load_pem_private_key(file.read(), None)
    locked = loaded.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    with pytest.raises(UsageError, match="without a password"):
        opened(tls_certificate=certificate, tls_key=secret(tmp_path / "key", locked))


# ------------------------------------------------------------------------------------------ who is answered


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Authorization: Bearer",
        "Authorization: Bearer ",
        f"Authorization: Bearer {TOKEN[:-1]}",
        f"Authorization: Bearer {TOKEN}0",
        f"Authorization: Bearer {TOKEN.upper()}",
        f"Authorization: Basic {TOKEN}",
        f"Authorization: {TOKEN}",
        f"Authorization: Bearer {TOKEN} {TOKEN}",
        "Authorization: Bearer \xff\xfe",
        f"X-Authorization: Bearer {TOKEN}",
    ],
)
def test_without_the_token_nothing_is_told(header):
    with serving(Access(token=TOKEN.encode())) as server:
        assert ask(server, *([] if header is None else [header])) == "401 Unauthorized"
        assert server.refused == {"token": 1}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_with_the_token_it_is(scheme):
    with serving(Access(token=TOKEN.encode())) as server:
        # A name of this device is no danger where a token is demanded.
        assert ask(server, f"Authorization: {scheme} {TOKEN}", host="speaker.lan:9464") == "200 OK"
        assert not server.refused


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9464", "localhost:9464", "[::1]:9464"])
def test_without_a_token_this_device_is_answered(host):
    with serving() as server:
        assert ask(server, host=host) == "200 OK"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9464", "localhost.evil.example", "", "[::1].evil"])
def test_a_web_page_whose_name_means_this_device_is_refused(host):
    with serving() as server:
        assert ask(server, host=host) == "421 Misdirected Request"


@pytest.mark.parametrize("name", [None, "unknown", "expired", "server"])
def test_client_certificates_that_are_not_of_the_authority_are_refused(certificates, name):
    certificate, key = certificates["server"]
    access = opened("0.0.0.0", tls_certificate=certificate, tls_key=key, client_ca=certificates["authority"])
    with serving(access) as server:
        assert ask(server, tls=client_context(certificates, name), host="speaker.lan") == ""
        wait_for(lambda: server.refused == {"tls": 1})


def test_a_client_certificate_of_the_authority_is_accepted(certificates):
    certificate, key = certificates["server"]
    access = opened("0.0.0.0", tls_certificate=certificate, tls_key=key, client_ca=certificates["authority"])
    with serving(access) as server:
        assert ask(server, tls=client_context(certificates, "client"), host="speaker.lan") == "200 OK"
        assert ask(server) == ""  # not encrypted
        wait_for(lambda: server.refused == {"tls": 1})


def test_token_and_certificate_are_both_demanded_where_both_are_given(tmp_path, certificates):
    certificate, key = certificates["server"]
    access = opened(
        "0.0.0.0",
        token_file=secret(tmp_path / "token", TOKEN),
        tls_certificate=certificate,
        tls_key=key,
        client_ca=certificates["authority"],
    )
    with serving(access) as server:
        known = client_context(certificates, "client")
        assert ask(server, tls=known) == "401 Unauthorized"
        assert ask(server, f"Authorization: Bearer {TOKEN}", tls=client_context(certificates)) == ""
        assert ask(server, f"Authorization: Bearer {TOKEN}", tls=known) == "200 OK"


# ------------------------------------------------------------------------------------------ limits


def test_a_client_that_sends_nothing_or_a_byte_at_a_time_is_hung_up_on():
    with serving(request_s=0.2) as server:
        for sends in (b"", b"GET / HTTP/1.1\r\nX-Slow: "):
            with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as client:
                client.sendall(sends)
                began = time.monotonic()
                with suppress(ConnectionError):
                    while not hung_up(client):
                        client.sendall(b"a" if sends else b"")
                assert time.monotonic() - began < 9
        wait_for(lambda: server.refused == {"time": 2})
        assert ask(server) == "200 OK"


def hung_up(client):
    client.settimeout(0.02)
    try:
        return client.recv(100) == b""
    except TimeoutError:
        return False


def test_a_client_that_does_not_shake_hands_keeps_nobody_waiting(certificates):
    certificate, key = certificates["server"]
    access = opened(tls_certificate=certificate, tls_key=key)
    with serving(access, request_s=5.0) as server, socket.create_connection(("127.0.0.1", server.server_port)):
        assert ask(server, tls=client_context(certificates)) == "200 OK"
    with serving(access, request_s=0.1) as server:
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as client:
            assert client.recv(1) == b""
        wait_for(lambda: server.refused == {"time": 1})


@pytest.mark.parametrize(
    "request_", [b"GET /" + b"a" * 20_000, b"GET / HTTP/1.1\r\n" + (b"X-A: " + b"b" * 300 + b"\r\n") * 60]
)
def test_a_request_that_is_too_large_is_hung_up_on(request_):
    with serving() as server:
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as client:
            try:
                client.sendall(request_ + b"\r\n\r\n")
                got = client.recv(4096)
            except ConnectionError:
                got = b""
        assert b"hello" not in got
        wait_for(lambda: server.refused == {"size": 1})
        assert ask(server) == "200 OK"


def test_one_connection_too_many_is_hung_up_on():
    with serving(connections=2, request_s=10.0) as server:
        with (
            socket.create_connection(("127.0.0.1", server.server_port)) as first,
            socket.create_connection(("127.0.0.1", server.server_port)) as second,
            socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as third,
        ):
            assert third.recv(1) == b""
            assert server.refused == {"connections": 1}
            for client in (first, second):
                assert exchange(client, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") == "200 OK"
        # There is room again.
        wait_for(lambda: ask(server) == "200 OK")


def test_a_thread_that_cannot_be_started_leaves_its_room(monkeypatch):
    def full(self, request, client_address):
        raise RuntimeError("can't start new thread")

    with serving(connections=1) as server:
        with monkeypatch.context() as patch:
            patch.setattr(socketserver.ThreadingMixIn, "process_request", full)
            assert ask(server) == ""
        assert ask(server) == "200 OK"


def test_nonsense_is_no_error_of_ours(caplog):
    with serving() as server:
        for nonsense in (b"\x00" * 100, b"\x16\x03\x01\x00", b"GET\r\n\r\n", b"\r\n", b"GET / HTTP/9.9\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as client:
                client.sendall(nonsense)
                with suppress(OSError):  # the server may be gone by now, which shutdown calls "not connected"
                    client.shutdown(socket.SHUT_WR)
                with suppress(ConnectionError):
                    assert b"hello" not in client.recv(4096)
        assert ask(server) == "200 OK"
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_failing_application_does_not_end_the_server(capsys, caplog):
    def broken(environ, start_response):
        raise RuntimeError("broken")

    with serving(app=broken) as server:
        assert ask(server) == "500 Internal Server Error"
        assert ask(server) == "500 Internal Server Error"  # and the server lives
    assert capsys.readouterr().err == ""
    assert [record.message for record in caplog.records] == ["a request could not be answered"] * 2
