"""A broker that wants a password or a certificate."""

import shutil
import socket
import subprocess

import pytest

pytest.importorskip("paho.mqtt.client")

from edge.errors import DataError
from firmware_bridge import mqtt
from tests.firmware_bridge.mqtt_broker import DEADLINE_S, Broker, answer, watching
from tests.firmware_bridge.mqtt_sink import TOPIC, house_fixture, sink_of  # noqa: F401  # fixtures


@pytest.fixture
def locked(tmp_path):
    """Start a broker that knows one user."""
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("mosquitto is not installed here")
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "vv", "geheim ü"], check=True, capture_output=True)
    broker = Broker(tmp_path, "allow_anonymous false", f"password_file {passwords}")
    broker.start()
    yield broker
    broker.kill()


class TestPassword:
    def test_right(self, locked, house, tmp_path):
        secret = tmp_path / "secret"
        secret.write_text("geheim ü\nnot this\n")
        sink = sink_of(house, locked.port, username="vv", password_file=str(secret))
        sink.open()
        sink.push(answer())
        sink.close()

    @pytest.mark.parametrize("password", ["wrong", None])
    def test_wrong(self, locked, house, tmp_path, password):
        secret = tmp_path / "secret"
        secret.write_text(password or "")
        known = {"username": "vv", "password_file": str(secret)} if password else {}
        sink = sink_of(house, locked.port, **known)
        with pytest.raises(DataError, match=r"refuses the connection \(Not authorized\); check username"):
            sink.open()
        sink.close()

    def test_as_plain_text_through_a_network_is_warned_of(self, house, tmp_path, caplog):
        secret = tmp_path / "secret"
        secret.write_text("geheim")
        known = {"username": "vv", "password_file": str(secret)}
        sink_of(house, 1, host="127.0.0.9", **known)
        sink_of(house, 1, host="localhost", **known)
        sink_of(house, 1, host="broker.example", tls=True, **known)
        assert not caplog.records
        sink_of(house, 1, host="broker.example", **known)
        assert "the password goes to broker.example as plain text" in caplog.text
        assert "geheim" not in caplog.text


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Make an authority, a broker's certificate for 127.0.0.1, and a client's."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    ca = ("-x509", "-days", "2", "-subj", "/CN=ca", "-addext", "keyUsage=critical,keyCertSign")
    try:
        openssl(*new, *ca, "-keyout", "ca.key", "-out", "ca.pem")
    except FileNotFoundError:
        pytest.skip("openssl is not installed here")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    for name in ("broker", "client"):
        openssl(*new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        sign = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl("x509", "-req", "-in", f"{name}.csr", *sign, "-out", f"{name}.pem")
    openssl("ec", "-aes128", "-in", "client.key", "-passout", "pass:x", "-out", "locked.key")
    return folder


@pytest.fixture
def encrypted(tmp_path, certificates):
    """Start a broker that wants a certificate."""
    broker = Broker(
        tmp_path,
        f"cafile {certificates / 'ca.pem'}",
        f"certfile {certificates / 'broker.pem'}",
        f"keyfile {certificates / 'broker.key'}",
        "require_certificate true",
    )
    broker.start()
    yield broker
    broker.kill()


class TestEncryption:
    def files(self, folder, key="client.key", ca="ca.pem"):
        return {
            "tls_ca": str(folder / ca),
            "tls_certificate": str(folder / "client.pem"),
            "tls_key": str(folder / key),
        }

    def test_there_and_back(self, encrypted, house, certificates):
        sink = sink_of(house, encrypted.port, **self.files(certificates))
        sink.open()
        try:
            sink.push(answer())

            def prepare(client):
                client.tls_set(*self.files(certificates).values())

            with watching(encrypted.port, prepare=prepare) as watcher:
                watcher.say(f"{TOPIC}/mute/set", "ON")
                assert house.asked.get(timeout=DEADLINE_S) == ("mute", True)
        finally:
            sink.close()

    def test_a_broker_that_is_signed_by_somebody_else(self, encrypted, house, certificates):
        sink = sink_of(house, encrypted.port, **self.files(certificates, ca="client.pem"))
        with pytest.raises(DataError, match="certificate verify failed"):
            sink.open()
        sink.close()

    def test_without_a_certificate_it_is_refused(self, encrypted, house, certificates):
        sink = sink_of(house, encrypted.port, tls_ca=str(certificates / "ca.pem"))
        with pytest.raises(DataError, match=r"broker 127\.0\.0\.1"):
            sink.open()
        sink.close()

    def test_a_key_that_wants_a_password_is_one_line(self, house, certificates):
        sink = sink_of(house, 1, **self.files(certificates, key="locked.key"))
        with pytest.raises(DataError, match="certificates or key cannot be used"):
            sink.open()
        sink.close()

    def test_one_that_does_not_finish_its_greeting(self, house, certificates, monkeypatch):
        monkeypatch.setattr(mqtt, "_CONNECT_S", 0.2)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            sink = sink_of(house, listener.getsockname()[1], tls_ca=str(certificates / "ca.pem"))
            with pytest.raises(DataError, match="cannot be reached"):
                sink.open()
            sink.close()
