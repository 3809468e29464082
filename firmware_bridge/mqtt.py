"""Answers over MQTT, and a device that Home Assistant finds by itself (the extra ``mqtt``).

What is sent under which topic is in docs/outputs.md. Whatever the broker does, nothing here waits longer than a few
seconds: a connection that is lost is told of, and made anew with everything that belongs to it.
"""

import contextlib
import json
import logging
import re
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from edge.answers import Answer, Message, Status
from edge.errors import DataError, MissingExtraError, VivavoceError
from edge.house import House
from firmware_bridge.home_assistant import OFF, OFFLINE, ON, ONLINE, Topics, discovery
from firmware_bridge.mqtt_settings import Settings, check_settings, checked_topic, encryption, password

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo

__all__ = ["SUMMARY", "MqttSink", "Settings", "make"]

SUMMARY = "answers over MQTT, with a device in Home Assistant"

_log = logging.getLogger(__name__)

_CONNECT_S = 5.0
"""Time to connect, and then to be welcomed, s."""
_CONFIRM_S = 5.0
"""Time in which the broker confirms what it was sent, s."""
_FAREWELL_S = 1.0
"""The same at the end, s."""
_KEEPALIVE_S = 15
_LONGEST_PAYLOAD = 64
"""Bytes of what is said to a device, at most; ON and OFF have three."""


def make(settings: Settings, name: str, house: House) -> "MqttSink":
    """Make the sink; see :class:`edge.plugins.SinkPlugin`."""
    return MqttSink(settings, name, house)


class _Packet(NamedTuple):
    topic: str
    payload: str
    retain: bool = False


class MqttSink:
    """A broker; see the module.

    Parameters
    ----------
    settings : Settings
    name : str
    house : House

    Raises
    ------
    MissingExtraError
        If paho-mqtt is not installed.
    UsageError
        If the settings cannot work.
    """

    wants: tuple[type[Message], ...] = (Answer, Status)

    def __init__(self, settings: Settings, name: str, house: House) -> None:
        try:
            import paho.mqtt.client  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("telling over MQTT", "mqtt") from error
        self.name = name
        self._settings = settings
        self._house = house
        where = f"sinks.{name}"
        topic = settings.topic or f"vivavoce/{re.sub(r'[^A-Za-z0-9_-]', '_', socket.gethostname()) or 'device'}"
        self.topics = Topics(checked_topic(topic, f"{where}.topic"))
        self._prefix = checked_topic(settings.discovery_prefix, f"{where}.discovery_prefix")
        self._broker = settings.broker
        check_settings(settings, where)
        self._client: Client | None = None
        self._welcomed = threading.Event()
        self._lost = ""
        """Why there is no connection; empty while there is one."""
        self._refused: set[str] = set()
        """Topics under which something was said that could not be used, and nothing since that could."""

    # ------------------------------------------------------------------------------------ for the bus

    def open(self) -> None:
        """Connect, and tell of the device.

        Raises
        ------
        DataError
            If the broker cannot be reached, or does not let us in.
        """
        self._lost = ""
        self._welcomed.clear()
        client = self._client = self._made()
        try:
            client.connect(self._settings.host, self._settings.actual_port, keepalive=_KEEPALIVE_S)
        except (OSError, ValueError) as error:
            raise DataError(f"{self._broker}: cannot be reached ({error}); check host, port and network") from error
        client.loop_start()
        if not self._welcomed.wait(_CONNECT_S) and not self._lost:
            raise DataError(f"{self._broker}: takes connections and does not answer; check that it is an MQTT broker")
        self.check()
        orders = [self.topics["mute/set"], self.topics["playing/set"]]
        if self._settings.discovery:
            orders.append(f"{self._prefix}/status")
        client.subscribe([(topic, 1) for topic in orders])
        self._send(self._greeting())

    def push(self, message: Message) -> None:
        """Tell of an answer, or of how the daemon is, and wait until the broker has it."""
        if isinstance(message, Status):
            self._send(self._state(message))
        elif isinstance(message, Answer):
            age_s = time.time() - message.at_s
            if age_s > self._settings.stale_s:
                _log.warning(
                    "sink %s: the answer %s is not told any more: it is %.0f s old", self.name, message.id, age_s
                )
                return
            self._send(self._told(message))

    def check(self) -> None:
        """See :class:`edge.bus.CheckedSink`."""
        if self._lost:
            raise DataError(f"{self._broker}: {self._lost}")

    def close(self) -> None:
        """Say good-bye, and disconnect."""
        client, self._client = self._client, None
        if client is None:
            return
        if self._welcomed.is_set() and not self._lost:
            gone = client.publish(self.topics["availability"], OFFLINE, qos=1, retain=True)
            ends = time.monotonic() + _FAREWELL_S
            while not gone.is_published() and not self._lost and time.monotonic() < ends:
                time.sleep(0.01)
            client.disconnect()
            # Gone in order; else the broker would tell of our last will, too.
            while not self._lost and time.monotonic() < ends:
                time.sleep(0.01)
        connection = client.socket()
        if connection is not None:
            # The thread of the client waits for confirmations, and a broker that hangs gives none. Not the method of a
            # TLS connection, which takes the encryption away below that thread.
            try:
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError as error:
                _log.debug("%s: %s", self._broker, error)
        with contextlib.suppress(AttributeError):  # where the thread ends while it is looked at
            client.loop_stop()

    # ------------------------------------------------------------------------------------ what is told

    def _greeting(self) -> list[_Packet]:
        found = discovery(self.topics, self._prefix) if self._settings.discovery else {}
        packets = [_Packet(topic, _json(record), retain=True) for topic, record in found.items()]
        return [*packets, _Packet(self.topics["availability"], ONLINE, retain=True)]

    def _state(self, status: Status) -> list[_Packet]:
        states = {
            "mute": _switch(status.muted),
            "playing": _switch(status.playing),
            "problem": _switch(status.source == "lost"),
            "status": _json(status.to_dict()),
        }
        return [_Packet(self.topics[name], payload, retain=True) for name, payload in states.items()]

    def _told(self, answer: Answer) -> list[_Packet]:
        packets = [_Packet(self.topics["answer"], _json({"event_type": answer.action, **answer.to_dict()}))]
        site = self._settings.hermes_site
        word = re.sub(r"[/+#\x00]", "_", answer.word)
        if site and word and answer.action == "pass":
            hermes = {
                "modelId": answer.word,
                "modelVersion": answer.bundle,
                "modelType": "universal",
                "currentSensitivity": 0.5,
                "siteId": site,
                "sessionId": None,
                "sendAudioCaptured": None,
            }
            packets.append(_Packet(f"hermes/hotword/{word}/detected", _json(hermes)))
        return packets

    def _send(self, packets: Iterable[_Packet]) -> None:
        """Publish, and wait until the broker has confirmed all of it.

        Raises
        ------
        DataError
            If it does not.
        """
        client = self._client
        if client is None:
            raise DataError(f"{self._broker}: there is no connection")
        sent = [client.publish(topic, payload, qos=1, retain=retain) for topic, payload, retain in packets]
        ends = time.monotonic() + _CONFIRM_S
        for one in sent:
            self._confirmed(one, ends)

    def _confirmed(self, sent: "MQTTMessageInfo", ends: float) -> None:
        while not self._lost:
            try:
                sent.wait_for_publish(0.1)
            except (RuntimeError, ValueError) as error:
                raise DataError(f"{self._broker}: cannot be told ({error})") from error
            if sent.is_published():
                return
            if time.monotonic() > ends:
                raise DataError(f"{self._broker}: does not confirm what it is sent; see whether it hangs")
        self.check()

    # ------------------------------------------------------------------------------------ the client

    def _made(self) -> "Client":
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        settings = self._settings
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id or self.topics.node,
            reconnect_on_failure=False,  # the bus opens again, by the one way that tells everything
        )
        client.connect_timeout = _CONNECT_S
        if settings.username:
            client.username_pw_set(settings.username, password(settings.password_file))
        if settings.encrypted:
            client.tls_set_context(encryption(settings))
        client.will_set(self.topics["availability"], OFFLINE, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _on_connect(self, client: "Client", data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._lost = f"refuses the connection ({reason}); check username, password_file and client_id"
        self._welcomed.set()

    def _on_disconnect(self, client: "Client", data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._lost = self._lost or f"the connection was lost ({reason})"
        self._welcomed.set()

    def _on_subscribe(self, client: "Client", data: Any, number: int, reasons: Any, properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            _log.warning("sink %s: %s does not let us hear all of its orders; check its rules", self.name, self._broker)

    def _on_message(self, client: "Client", data: Any, message: "MQTTMessage") -> None:
        if message.topic == f"{self._prefix}/status":
            if message.payload == ONLINE.encode():
                _log.info("sink %s: Home Assistant has started; told again", self.name)
                for topic, payload, retain in (*self._greeting(), *self._state(self._house.status)):
                    client.publish(topic, payload, qos=1, retain=retain)
            return
        orders = {self.topics["mute/set"]: self._house.mute, self.topics["playing/set"]: self._house.playing}
        order = orders.get(message.topic)
        if order is None:
            return
        said = bytes(message.payload[:_LONGEST_PAYLOAD])
        # What the broker kept is from another time: nobody wants to be unmuted by a restart.
        if said not in (ON.encode(), OFF.encode()) or message.retain:
            if message.topic not in self._refused:
                self._refused.add(message.topic)
                kept = " (retained)" if message.retain else ""
                _log.warning("%s: got %r%s, expected %s or %s, not retained", message.topic, said, kept, ON, OFF)
            return
        self._refused.discard(message.topic)
        try:
            order(said == ON.encode())
        except VivavoceError as error:  # a switch that mutes wins
            _log.warning("%s: %s", message.topic, error)
        except Exception:  # the thread of the client must live on
            _log.exception("%s: the order failed", message.topic)


def _switch(on: bool) -> str:
    return ON if on else OFF


def _json(record: Mapping[str, Any]) -> str:
    return json.dumps(record, allow_nan=False)
