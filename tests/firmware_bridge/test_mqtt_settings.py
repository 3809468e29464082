"""Settings of the sink of MQTT."""

import socket
import sys

import pytest

pytest.importorskip("paho.mqtt.client")

from edge.errors import MissingExtraError, UsageError
from firmware_bridge.mqtt import Settings, make
from tests.firmware_bridge.mqtt_sink import house_fixture  # noqa: F401  # fixtures


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
