"""Who may connect: settings that would listen to everybody are refused, and others turned away."""

import asyncio
import contextlib
import datetime
import ipaddress
import logging
import socket
import ssl
import sys

import pytest
from wyoming.info import Describe, Info
from wyoming.ping import Ping

from edge.errors import MissingExtraError, UsageError
from edge.strict_toml import from_tables
from firmware_bridge import wyoming_proxy, wyoming_wake, zeroconf_announcement
from firmware_bridge.wyoming_connection import Connection
from firmware_bridge.wyoming_framing import CLIENTS
from firmware_bridge.wyoming_listening import permits
from tests.firmware_bridge.wyoming_house import FakeHouse, client_of, in_time, opened, told, until


@pytest.fixture
def house():
    return FakeHouse()


def settings(**tables):
    return from_tables(wyoming_wake.Settings, tables, "test.toml", name="sinks.wyoming")


@pytest.mark.parametrize("plugin", [wyoming_wake, wyoming_proxy])
@pytest.mark.parametrize(
    ("tables", "fault"),
    [
        ({"host": "0.0.0.0"}, "host: got '0.0.0.0', which others reach"),
        ({"host": "::"}, "host: got '::', which others reach"),
        ({"host": "192.168.1.5"}, "which others reach"),
        ({"host": "house.local"}, "which others reach"),
        ({"host": ""}, "which others reach"),
        ({"host": "0.0.0.0", "allow": ["0.0.0.0/0"]}, "allow: got 0.0.0.0/0, which is everybody"),
        ({"host": "0.0.0.0", "allow": ["192.168.0.0/16", "::/0"]}, "allow: got ::/0, which is everybody"),
        ({"allow": ["192.168.1.5/24"]}, "allow: 192.168.1.5/24 has host bits set"),
        ({"allow": ["kitchen"]}, "allow: 'kitchen' does not appear to be"),
        ({"client_ca": "ca.pem"}, "tls_certificate is missing"),
        ({"tls_key": "key.pem"}, "tls_certificate is missing"),
        ({"host": "0.0.0.0", "tls_certificate": "x.pem"}, "which others reach"),
        ({"zeroconf": True}, "zeroconf: got true, and host 127.0.0.1"),
        ({"name": ""}, "name: got ''"),
        ({"name": "a.b"}, "expected no dots"),
        ({"name": "x" * 41}, "expected 1 to 40 bytes"),
        ({"name": "a\nb"}, "printable"),
        ({"port": 65_536}, "sinks.x.port: got 65536"),
        ({"max_clients": 0}, "max_clients"),
        ({"hosts": "x"}, "did you mean sinks.x.host?"),
    ],
)
def test_what_would_listen_to_everybody_or_cannot_work_is_refused(plugin, tables, fault):
    with pytest.raises(UsageError) as caught:
        from_tables(plugin.Settings, tables, "test.toml", name="sinks.x")
    assert fault in str(caught.value)
    assert str(caught.value).startswith("test.toml: sinks.x")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_nothing(host):
    assert settings(host=host).host == host


def test_beyond_it_networks_or_certificates():
    assert settings(host="0.0.0.0", allow=["192.168.1.0/24"], zeroconf=True)
    assert settings(host="0.0.0.0", tls_certificate="c", client_ca="a")


@pytest.mark.parametrize(
    ("allow", "address", "permitted"),
    [
        ([], "203.0.113.1", True),
        (["192.168.1.0/24", "10.0.0.7"], "192.168.1.77", True),
        (["192.168.1.0/24", "10.0.0.7"], "10.0.0.7", True),
        (["192.168.1.0/24", "10.0.0.7"], "10.0.0.8", False),
        (["192.168.1.0/24"], "192.168.2.1", False),
        (["192.168.1.0/24"], "::ffff:192.168.1.1", True),
        (["192.168.1.0/24"], "::ffff:192.168.2.1", False),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["fe80::/10"], "2001:db8::1", False),
        (["192.168.1.0/24"], "::1", False),
    ],
)
def test_networks(allow, address, permitted):
    assert permits(settings(allow=allow), address) is permitted


async def hung_up(sink):
    reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def test_others_are_turned_away(house, caplog):
    with opened(wyoming_wake, house, allow=["192.0.2.0/24"]) as sink:
        assert in_time(hung_up(sink)) == b""
        assert in_time(hung_up(sink)) == b""
        assert house.health.gauges["wyoming_refused"] == 2
    told_of = [record for record in caplog.records if "networks of allow" in record.message]
    assert len(told_of) == 1


def test_those_who_are_named_are_heard_beyond_loopback(house):
    async def talk(sink):
        async with client_of(sink) as client:
            await client.write_event(Ping().event())
            await told(client, "pong")

    with opened(wyoming_wake, house, host="0.0.0.0", allow=["127.0.0.0/8"]) as sink:
        in_time(talk(sink))


def test_loopback_of_the_other_kind(house):
    async def talk(sink):
        reader, writer = await asyncio.open_connection("::1", sink.port)
        client = Connection(reader, writer, CLIENTS, idle_s=None, message_s=5)
        await client.write(Ping().event())
        assert (await client.read()).type == "pong"
        await client.close()

    with opened(wyoming_wake, house, host="::1") as sink:
        in_time(talk(sink))


# ---------------------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Make two authorities; the first signed a server and a client, the second another client."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tmp_path_factory.mktemp("certificates")
    now = datetime.datetime.now(datetime.UTC)

    def made(name, authority=None):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        issuer, signing = (authority[0].subject, authority[1]) if authority else (subject, key)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
            )
            .sign(signing, hashes.SHA256())
        )
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, key

    ours, theirs = made("ours"), made("theirs")
    made("server", ours)
    made("client", ours)
    made("stranger", theirs)
    return folder


def tls_tables(folder):
    return {
        "host": "0.0.0.0",
        "tls_certificate": str(folder / "server.pem"),
        "tls_key": str(folder / "server.key"),
        "client_ca": str(folder / "ours.pem"),
        "message_s": 2.0,
    }


async def described(sink, folder, who):
    context = ssl.create_default_context(cafile=str(folder / "ours.pem"))
    if who:
        context.load_cert_chain(str(folder / f"{who}.pem"), str(folder / f"{who}.key"))
    reader, writer = await asyncio.open_connection("127.0.0.1", sink.port, ssl=context, limit=1 << 20)
    client = Connection(reader, writer, CLIENTS, idle_s=10, message_s=5)
    try:
        await client.write(Describe().event())
        event = await client.read()
        return event and Info.from_event(event)
    finally:
        await client.close()


def test_with_a_certificate(house, certificates):
    with opened(wyoming_wake, house, **tls_tables(certificates)) as sink:
        assert in_time(described(sink, certificates, "client")).wake


@pytest.mark.parametrize("who", ["", "stranger"])
def test_without_the_right_certificate(house, certificates, who, caplog):
    with opened(wyoming_wake, house, **tls_tables(certificates)) as sink:
        with contextlib.suppress(OSError):
            assert in_time(described(sink, certificates, who)) is None
        in_time(until(lambda: house.health.gauges["wyoming_faults"] == 1))
        assert in_time(described(sink, certificates, "client")).wake, "others are not disturbed"
    assert "no TLS" in caplog.text


def test_without_tls_where_it_is_demanded(house, certificates):
    with opened(wyoming_wake, house, **tls_tables(certificates)) as sink:
        with socket.create_connection(("127.0.0.1", sink.port), timeout=20) as plain:
            plain.sendall(b'{"type": "describe"}\n')
            with contextlib.suppress(ConnectionResetError):
                assert b"info" not in plain.recv(4096)
        in_time(until(lambda: house.health.gauges["wyoming_faults"] == 1))


def test_a_handshake_that_stops_is_given_up_and_counts_as_a_client(house, certificates):
    tables = tls_tables(certificates) | {"message_s": 0.3, "max_clients": 1}
    with opened(wyoming_wake, house, **tables) as sink:
        with socket.create_connection(("127.0.0.1", sink.port), timeout=20) as silent:
            in_time(until(lambda: house.health.gauges["wyoming_clients"] == 1))
            assert in_time(hung_up(sink)) == b""
            assert silent.recv(10) == b""
        in_time(until(lambda: house.health.gauges["wyoming_clients"] == 0))


@pytest.mark.parametrize("broken", ["tls_certificate", "tls_key", "client_ca"])
@pytest.mark.parametrize("how", ["missing", "nonsense", "another"])
def test_files_that_cannot_be_used(house, certificates, tmp_path, broken, how):
    tables = tls_tables(certificates)
    path = {"missing": tmp_path / "none", "nonsense": tmp_path / "nonsense"}.get(how, certificates / "ours.key")
    if how == "nonsense":
        path.write_text("nonsense")
    tables[broken] = str(path)
    with pytest.raises(
        UsageError, match=r"sinks\.wyoming: (tls_certificate|client_ca): got '.*', which cannot be used"
    ):
        wyoming_wake.make(settings(**tables), "wyoming", house)


# ---------------------------------------------------------------------------------------- the extra, and zeroconf


@pytest.mark.parametrize("plugin", [wyoming_wake, wyoming_proxy])
def test_without_the_extra(house, plugin, monkeypatch):
    for name in list(sys.modules):
        if name.partition(".")[0] == "wyoming" or name.startswith("firmware_bridge.wyoming"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "wyoming", None)
    made = from_tables(plugin.Settings, {}, "test.toml", name="sinks.x")
    with pytest.raises(MissingExtraError, match=r"vivavoce\[wyoming\]"):
        plugin.make(made, "x", house)


def test_it_is_found_on_the_network_while_it_is_there(caplog):
    zeroconf = pytest.importorskip("zeroconf")
    caplog.set_level(logging.INFO)
    loopback = ["127.0.0.1"]
    kind = zeroconf_announcement.SERVICE_TYPE

    async def find():
        from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

        seen = {}
        looking = AsyncZeroconf(interfaces=loopback)

        def changed(zeroconf, service_type, name, state_change):
            seen[name] = state_change

        browser = AsyncServiceBrowser(looking.zeroconf, kind, handlers=[changed])
        announcing = asyncio.create_task(
            zeroconf_announcement.announced("vivavoce", "127.0.0.1", 12_345, interfaces=loopback)
        )
        try:
            await until(lambda: seen)
            (name,) = seen
            found = AsyncServiceInfo(kind, name)
            assert await found.async_request(looking.zeroconf, 5000)
            announcing.cancel()
            await asyncio.gather(announcing, return_exceptions=True)
            await until(lambda: seen[name] is zeroconf.ServiceStateChange.Removed)
            return name, found.port, found.parsed_addresses()
        finally:
            await browser.async_cancel()
            await looking.async_close()

    try:
        name, port, addresses = in_time(find())
    except OSError as error:
        pytest.skip(f"no multicast here: {error}")
    assert name.startswith("vivavoce on ")
    assert (port, addresses) == (12_345, ["127.0.0.1"])


def test_where_nothing_can_be_announced_it_is_said_once(monkeypatch, caplog):
    monkeypatch.setattr(zeroconf_announcement, "_RETRY_S", 0.01)
    tries = []

    def fails(host):
        tries.append(host)
        raise OSError("Network is unreachable")

    monkeypatch.setattr(zeroconf_announcement, "_reached_at", fails)

    async def run():
        task = asyncio.create_task(zeroconf_announcement.announced("vivavoce", "0.0.0.0", 1))
        await until(lambda: len(tries) >= 3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    in_time(run())
    assert len(caplog.records) == 1
    assert "cannot be announced" in caplog.text
