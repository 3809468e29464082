"""What is told over MQTT, through a real broker that is killed, stopped and started again."""

import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("paho.mqtt.client")

from edge import bus as bus_module
from edge.bus import Bus
from edge.errors import DataError, MissingExtraError, UsageError
from firmware_bridge import mqtt
from firmware_bridge.home_assistant import Topics, discovery
from firmware_bridge.mqtt import Settings, make
from tests.firmware_bridge.mqtt_broker import DEADLINE_S, Broker, House, answer, wait_for, watching

TOPIC = "vivavoce/test"


@pytest.fixture
def broker(tmp_path):
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def house():
    return House()


@pytest.fixture
def watcher(broker):
    with watching(broker.port) as watcher:
        yield watcher


@pytest.fixture
def running(house, broker, monkeypatch):
    """Run a sink on a bus that retries at once."""
    monkeypatch.setattr(bus_module, "_RETRY_S", (0.05, 0.1))
    monkeypatch.setattr(bus_module, "_CHECK_S", 0.05)

    def start(**settings):
        sink = make(Settings(**{"port": broker.port, "topic": TOPIC, **settings}), "home", house)
        house.bus = Bus([sink], lambda: house.status)
        house.bus.start()
        wait_for(lambda: house.bus.counts["home"].up)
        return house.bus

    yield start
    if house.bus is not None:
        house.bus.close()


def sink_of(house, port, **settings):
    return make(Settings(**{"port": port, "topic": TOPIC, **settings}), "home", house)


class TestTold:
    def test_answers_and_states(self, running, watcher, house):
        bus = running()
        assert watcher.until(f"{TOPIC}/availability")[0] == "online"
        assert watcher.until(f"{TOPIC}/mute")[0] == "OFF"
        assert watcher.until(f"{TOPIC}/problem")[0] == "OFF"
        assert watcher.json(f"{TOPIC}/status") == house.status.to_dict()
        told = answer(action="ask")
        bus.push(told)
        assert watcher.json(f"{TOPIC}/answer") == {"event_type": "ask", **told.to_dict()}
        house.change(source="lost", source_name="unplugged")
        assert watcher.until(f"{TOPIC}/problem", "ON")
        assert watcher.json(f"{TOPIC}/status")["source_name"] == "unplugged"

    def test_what_is_kept_is_there_for_who_comes_later_and_answers_are_not(self, running, broker, house, watcher):
        bus = running()
        house.change(muted=True)
        bus.push(answer())
        watcher.until(f"{TOPIC}/answer")
        with watching(broker.port) as later:
            later.say("end", "1")
            later.until("end")
            assert later.kept[f"{TOPIC}/mute"] == "ON"
            assert json.loads(later.kept[f"{TOPIC}/status"]) == house.status.to_dict()
            assert later.kept[f"{TOPIC}/availability"] == "online"
            assert f"{TOPIC}/answer" not in later.latest

    def test_a_planned_end_is_told_once_and_is_no_last_will(self, running, watcher):
        running().close()
        assert watcher.until(f"{TOPIC}/availability", "offline")
        watcher.say("end", "1")
        told = []
        while (message := watcher.told.get(timeout=DEADLINE_S))[0] != "end":
            told.append(message)
        assert told == []

    def test_an_old_answer_is_not(self, running, watcher, caplog):
        bus = running(stale_s=5.0)
        bus.push(answer(id="old", at_s=time.time() - 60))
        bus.push(answer(id="new"))
        assert watcher.json(f"{TOPIC}/answer")["id"] == "new"
        assert "the answer old is not told any more: it is 60 s old" in caplog.text

    def test_as_a_hotword_of_hermes_if_it_passes(self, running, watcher):
        bus = running(hermes_site="kitchen")
        bus.push(answer(action="block"))
        bus.push(answer(word="a/b+#"))
        told = watcher.json("hermes/hotword/a_b__/detected")
        assert (told["modelId"], told["siteId"]) == ("a/b+#", "kitchen")
        assert [topic for topic in watcher.latest if topic.startswith("hermes")] == ["hermes/hotword/a_b__/detected"]


class TestOrders:
    @pytest.mark.parametrize("what", ["mute", "playing"])
    def test_there_and_back(self, running, watcher, house, what):
        running()
        watcher.say(f"{TOPIC}/{what}/set", "ON")
        assert house.asked.get(timeout=DEADLINE_S) == (what, True)
        assert watcher.until(f"{TOPIC}/{what}", "ON")
        watcher.say(f"{TOPIC}/{what}/set", "OFF")
        assert house.asked.get(timeout=DEADLINE_S) == (what, False)
        assert watcher.until(f"{TOPIC}/{what}", "OFF")

    def test_anything_else_is_one_line(self, running, watcher, house, caplog):
        running()
        for said in (b"on", b"", b"\xff" * 100_000, b"ON ", b"1"):
            watcher.say(f"{TOPIC}/mute/set", said)
        watcher.say(f"{TOPIC}/mute/set", "ON")
        assert house.asked.get(timeout=DEADLINE_S) == ("mute", True)
        assert house.asked.empty()
        lines = [record.message for record in caplog.records if record.levelno == logging.WARNING]
        assert lines == ["vivavoce/test/mute/set: got b'on', expected ON or OFF, not retained"]

    def test_an_order_that_fails_ends_nothing(self, running, watcher, house, monkeypatch, caplog):
        def fail(muted):
            raise RuntimeError("a bug")

        monkeypatch.setattr(house, "mute", fail)
        running()
        watcher.say(f"{TOPIC}/mute/set", "ON")
        watcher.say(f"{TOPIC}/playing/set", "ON")
        assert house.asked.get(timeout=DEADLINE_S) == ("playing", True)
        assert "the order failed" in caplog.text

    def test_what_the_broker_kept_is_of_another_time(self, running, watcher, house, caplog):
        watcher.say(f"{TOPIC}/mute/set", "ON", retain=True)
        running()
        watcher.say(f"{TOPIC}/playing/set", "ON")
        assert house.asked.get(timeout=DEADLINE_S) == ("playing", True)
        assert "got b'ON' (retained)" in caplog.text


class TestHomeAssistant:
    def test_discovery_is_kept_and_leads_to_what_is_told(self, running, broker):
        running()
        with watching(broker.port, topic="homeassistant/#") as later:
            found = {}
            for component, name in (
                ("event", "answer"),
                ("switch", "mute"),
                ("sensor", "live_probability"),
                ("binary_sensor", "problem"),
            ):
                payload, retained = later.until(f"homeassistant/{component}/vivavoce_test/{name}/config")
                assert retained
                found[name] = json.loads(payload)
        assert found["answer"]["event_types"] == ["pass", "block", "ask"]
        assert found["answer"]["state_topic"] == f"{TOPIC}/answer"
        assert found["mute"]["command_topic"] == f"{TOPIC}/mute/set"
        assert found["mute"]["state_topic"] == f"{TOPIC}/mute"
        assert found["live_probability"]["state_topic"] == f"{TOPIC}/answer"
        assert found["problem"]["device_class"] == "problem"
        assert len({record["unique_id"] for record in found.values()}) == 4
        for record in found.values():
            assert record["availability_topic"] == f"{TOPIC}/availability"
            assert record["device"]["identifiers"] == ["vivavoce_test"]
            assert record["device"]["name"] == "Vivavoce test"

    def test_when_it_starts_it_is_told_again(self, running, watcher, house):
        running()
        watcher.until(f"{TOPIC}/status")
        watcher.say("homeassistant/status", "offline")
        watcher.say("homeassistant/status", "online")
        assert watcher.until("homeassistant/switch/vivavoce_test/mute/config")
        assert watcher.until(f"{TOPIC}/availability", "online")
        assert watcher.until(f"{TOPIC}/mute", "OFF")

    def test_without_discovery_nothing_is_told_there(self, running, watcher):
        running(discovery=False)
        watcher.until(f"{TOPIC}/status")
        assert not [topic for topic in watcher.latest if topic.startswith("homeassistant")]

    def test_two_devices_share_no_name(self):
        one, two = (discovery(Topics(f"vivavoce/{name}"), "homeassistant") for name in ("a", "b"))
        assert not one.keys() & two.keys()
        assert not {r["unique_id"] for r in one.values()} & {r["unique_id"] for r in two.values()}
        assert Topics("v/küche 1").node == "v_k_che_1"


PROCESS = """
import sys
from edge.bus import Bus
from firmware_bridge.mqtt import Settings, make
from tests.firmware_bridge.mqtt_broker import House
house = House()
bus = Bus([make(Settings(port=int(sys.argv[1]), topic="vivavoce/test"), "home", house)], lambda: house.status)
bus.start()
sys.stdin.read()
"""


def test_the_last_will_of_a_process_that_is_killed(broker, watcher):
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(broker.port)],
        stdin=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    with process:
        assert watcher.until(f"{TOPIC}/status")
        assert watcher.latest[f"{TOPIC}/availability"] == "online"
        process.kill()
        assert watcher.until(f"{TOPIC}/availability", "offline")
    with watching(broker.port) as later:
        assert later.until(f"{TOPIC}/availability") == ("offline", True)


class TestBroker:
    def test_killed_and_started_again_everything_returns(self, running, broker, house):
        bus = running()
        bus.push(answer(id="before"))
        wait_for(lambda: bus.counts["home"].told >= 1)
        broker.kill()
        wait_for(lambda: not bus.counts["home"].up)
        house.change(muted=True)
        bus.push(answer(id="meanwhile"))
        told = bus.counts["home"].told
        broker.start()
        # What was retained is gone with the broker: it forgets everything.
        with watching(broker.port) as watcher:
            assert watcher.until(f"{TOPIC}/mute", "ON")
            assert watcher.until(f"{TOPIC}/status")
            assert watcher.latest[f"{TOPIC}/availability"] == "online"
            wait_for(lambda: bus.counts["home"].told > told)
            bus.push(answer(id="after"))
            assert json.loads(watcher.until(f"{TOPIC}/answer")[0])["id"] in ("meanwhile", "after")
            watcher.say(f"{TOPIC}/mute/set", "OFF")
            assert house.asked.get(timeout=DEADLINE_S) == ("mute", False)
        with watching(broker.port, topic="homeassistant/#") as later:
            assert later.until("homeassistant/switch/vivavoce_test/mute/config")[1]
        assert bus.counts["home"].dropped == 0

    def test_one_that_hangs_costs_seconds_and_not_an_answer(self, running, broker, watcher, monkeypatch, caplog):
        monkeypatch.setattr(mqtt, "_CONFIRM_S", 0.2)
        monkeypatch.setattr(mqtt, "_CONNECT_S", 0.5)
        bus = running()
        broker.process.send_signal(signal.SIGSTOP)
        try:
            bus.push(answer(id="patient"))
            wait_for(lambda: bus.counts["home"].failures >= 2)
        finally:
            broker.process.send_signal(signal.SIGCONT)
        assert watcher.json(f"{TOPIC}/answer")["id"] == "patient"
        assert "does not confirm what it is sent" in caplog.text

    def test_the_end_does_not_wait_for_one_that_hangs(self, running, broker, monkeypatch):
        monkeypatch.setattr(mqtt, "_CONFIRM_S", 0.2)
        monkeypatch.setattr(mqtt, "_KEEPALIVE_S", 1000)
        bus = running()
        broker.process.send_signal(signal.SIGSTOP)
        try:
            bus.push(answer())
            bus.close()
            wait_for(lambda: not [one for one in threading.enumerate() if one.name.startswith("paho-mqtt")])
        finally:
            broker.process.send_signal(signal.SIGCONT)

    def test_one_that_is_not_there(self, house, tmp_path):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            sink = sink_of(house, taken.getsockname()[1])
            with pytest.raises(DataError, match=r"broker 127.0.0.1:\d+: cannot be reached"):
                sink.open()
            sink.close()
            with pytest.raises(DataError, match="there is no connection"):
                sink.push(answer())
            sink.close()

    def test_what_listens_and_is_no_broker(self, house, monkeypatch):
        monkeypatch.setattr(mqtt, "_CONNECT_S", 0.2)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            sink = sink_of(house, listener.getsockname()[1])
            with pytest.raises(DataError, match="takes connections and does not answer"):
                sink.open()
            sink.close()

    def test_one_that_speaks_something_else(self, house):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()

            def serve():
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20)

            serving = threading.Thread(target=serve)
            serving.start()
            sink = sink_of(house, listener.getsockname()[1])
            with pytest.raises(DataError, match=r"broker 127\.0\.0\.1"):
                sink.open()
            sink.close()
            serving.join(DEADLINE_S)


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


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "problem"),
        [
            ({"topic": "a/#"}, "sinks.home.topic: got 'a/#'"),
            ({"topic": "a//b"}, "expected a topic of at most 200 bytes"),
            ({"topic": "/a"}, "sinks.home.topic"),
            ({"topic": "$SYS/a"}, "no $ in front"),
            ({"topic": "a\0"}, "sinks.home.topic"),
            ({"topic": "ä" * 101}, "sinks.home.topic"),
            ({"discovery_prefix": "+"}, "sinks.home.discovery_prefix"),
            ({"discovery_prefix": ""}, "sinks.home.discovery_prefix"),
            ({"host": ""}, "sinks.home.host: got ''"),
            ({"host": "a b"}, "sinks.home.host"),
            ({"password_file": "/etc/hostname"}, "a password without a name"),
            ({"username": "a", "password_file": "/nowhere"}, "sinks.home.password_file: /nowhere: no such file"),
            ({"tls_key": "/etc/hostname"}, "expected both or none"),
            ({"tls_ca": "/nowhere"}, "sinks.home.tls_ca: /nowhere: no such file"),
            ({"hermes_site": "a/b"}, "sinks.home.hermes_site"),
        ],
    )
    def test_that_cannot_work(self, house, settings, problem):
        with pytest.raises(UsageError) as caught:
            make(Settings(**settings), "home", house)
        assert problem in str(caught.value)

    def test_the_topic_is_the_hosts_by_default(self, house, monkeypatch):
        monkeypatch.setattr(socket, "gethostname", lambda: "my host.lan")
        assert make(Settings(), "home", house).topics.base == "vivavoce/my_host_lan"

    def test_ports(self, house):
        assert "127.0.0.1:1883" in make(Settings(), "home", house)._broker
        assert "127.0.0.1:8883" in make(Settings(tls=True), "home", house)._broker

    def test_without_the_library_one_line_says_what_to_install(self, house, monkeypatch):
        monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'vivavoce\[mqtt\]'"):
            make(Settings(), "home", house)


def test_opened_and_closed_again_and_again_nothing_is_left(broker, house):
    def count():
        return len(os.listdir("/proc/self/fd"))

    with contextlib.closing(sink_of(house, broker.port)) as sink:
        sink.open()
        sink.close()
        before = count()
        for _ in range(5):
            sink.open()
            sink.push(answer())
            sink.close()
    wait_for(lambda: count() <= before)
