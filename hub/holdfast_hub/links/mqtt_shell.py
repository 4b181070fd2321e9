"""MQTT as a link: each datagram is one message of the core's framing.py, on PREFIX/DEVICE/down and PREFIX/DEVICE/up.

paho speaks with the broker in a thread of its own, and connects again after 1 s, 2 s, 4 s, at most 60 s. Quality of
service is 0, as a network's is. A topic that comes in is looked up in the table of devices; a topic that goes out is
made of what the table holds. Who else may publish there is for the broker's rules to say; OSCORE tells who has.
"""

import asyncio
import contextlib
import threading
from collections import deque
from typing import Any

from paho.mqtt.client import MQTT_ERR_SUCCESS, Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from holdfast_core.framing import DOWN, UP, decode_message, encode_message
from holdfast_hub.devices.table import DeviceTable
from holdfast_hub.links.broker import Where, send_at_once
from holdfast_hub.links.line import Changed, Counts, Received
from holdfast_hub.records import Device

KEEPALIVE_S = 30
FIRST_RETRY_S, MAX_RETRY_S = 1, 60
SUBSCRIBE_AGAIN_S = 60
MAX_WAITING = 1024
"""Messages that have come and that the hub has not looked at: what comes on top is lost."""
MAX_UNDER_WAY = 256
"""Messages that have not gone out: a broker that takes none makes datagrams lost, and no memory full."""
NO_BROKER, REFUSED, NOT_SUBSCRIBED = (
    "the broker cannot be reached",
    "the broker refuses this hub",
    "the broker does not let this hub subscribe",
)


class MqttLink:
    """The Link of ports.py. prefix: of the topics, judged by the reader of the configuration."""

    def __init__(self, name: str, where: Where, prefix: str, received: Received, changed: Changed) -> None:
        self.counts: Counts = {"lost": 0, "strange": 0}
        self.is_up = False
        self._name = name
        self._where = where
        self._prefix = prefix + "/"
        self._received = received
        self._changed = changed
        self._devices = DeviceTable()
        self._client: Client | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._under_way = 0
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._is_called = False
        self._overflown = 0
        self._said = ""
        self._is_refused = False

    def start(self) -> None:
        """See Line."""
        self._loop = asyncio.get_running_loop()
        where = self._where
        self._client = client = Client(CallbackAPIVersion.VERSION2, where.client_id, protocol=MQTTv311)
        if where.user is not None:
            client.username_pw_set(where.user, where.password)
        if where.tls is not None:
            client.tls_set_context(where.tls)
        client.reconnect_delay_set(FIRST_RETRY_S, MAX_RETRY_S)
        client.on_socket_open = send_at_once
        client.on_connect = self._connected
        client.on_connect_fail = lambda *_: self._tell(NO_BROKER)
        client.on_subscribe = self._subscribed
        client.on_disconnect = self._disconnected
        client.on_publish = self._published
        client.on_message = self._came
        client.connect_async(where.host, where.port, KEEPALIVE_S)
        client.loop_start()

    def use(self, devices: DeviceTable) -> None:
        """See Line."""
        self._devices = devices

    def close(self) -> None:
        """See Line. The thread of paho ends by itself."""
        client, self._client, self.is_up = self._client, None, False
        if client is not None:
            client.disconnect()

    def reaches(self, _device: Device) -> bool:
        """See Line."""
        return self.is_up

    def send(self, datagram: bytes, device: Device, far: tuple[bytes, int]) -> bool:
        """See Link."""
        client = self._client
        if client is None or not self.is_up or self._devices.at(self._name, device.address) is None:
            self.counts["lost"] += 1
            return False
        with self._lock:
            if self._under_way >= MAX_UNDER_WAY:
                self.counts["lost"] += 1
                return False
            self._under_way += 1
        topic = f"{self._prefix}{device.address}{DOWN.decode()}"
        sent = client.publish(topic, encode_message(datagram, far))
        if sent.rc != MQTT_ERR_SUCCESS:  # the connection has ended in this moment
            self.counts["lost"] += 1
            return False
        return True

    # --- in paho's thread, or in that of a caller ---

    def _connected(self, client: Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        self._is_refused = code.is_failure
        if code.is_failure:
            self._tell(REFUSED)
            return
        with self._lock:
            self._under_way = 0
        client.subscribe(f"{self._prefix}+{UP.decode()}")

    def _subscribed(self, client: Client, _data: Any, _mid: int, codes: Any, _properties: Any) -> None:
        if any(code.is_failure for code in codes):
            self._tell(NOT_SUBSCRIBED)
            again = threading.Timer(SUBSCRIBE_AGAIN_S, client.subscribe, (f"{self._prefix}+{UP.decode()}",))
            again.daemon = True
            again.start()
        else:
            self._tell("")

    def _disconnected(self, _client: Client, _data: Any, _flags: Any, _code: Any, _properties: Any) -> None:
        if not self._is_refused:  # else it has been said
            self._tell(NO_BROKER)

    def _published(self, _client: Client, _data: Any, _mid: int, _code: Any, _properties: Any) -> None:
        with self._lock:
            self._under_way = max(0, self._under_way - 1)

    def _came(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            topic = "" if message.retain else message.topic  # a datagram that was kept is none
        except UnicodeDecodeError:
            topic = ""
        with self._lock:
            if len(self._waiting) >= MAX_WAITING:
                self._overflown += 1
                return
            self._waiting.append((topic, bytes(message.payload)))
            if self._is_called:
                return
            self._is_called = True
        self._call(self._take)

    def _tell(self, why: str) -> None:
        self._call(self._change, why)

    def _call(self, what: Any, *args: object) -> None:
        assert self._loop is not None  # noqa: S101 - start has set it
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(what, *args)

    # --- in the event loop ---

    def _change(self, why: str) -> None:
        if self._client is None:
            return
        was_up, self.is_up = self.is_up, not why
        if self.is_up != was_up or why != self._said:
            self._said = why
            self._changed(self._name, why)

    def _take(self) -> None:
        with self._lock:
            came, self._waiting = self._waiting, deque()
            self._is_called = False
            self.counts["lost"] += self._overflown
            self._overflown = 0
        for topic, payload in came:
            device = self._device_of(topic)
            received = None if device is None else decode_message(payload)
            if device is None or received is None:
                self.counts["strange"] += 1
            elif self._client is not None:
                self._received(received[0], device, received[1])

    def _device_of(self, topic: str) -> Device | None:
        """The device that says so; None for what no device of the table can have published."""
        end = UP.decode()
        if not topic.startswith(self._prefix) or not topic.endswith(end):
            return None
        return self._devices.at(self._name, topic[len(self._prefix) : -len(end)])
