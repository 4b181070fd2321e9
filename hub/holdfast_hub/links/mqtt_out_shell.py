"""The connection to the broker that readings go to: MQTT 5 on paho, in a thread of paho's.

Each connection has a client of its own, so nothing is left in paho's queue when one is lost: what is sent again, and
when to connect again, readings/outbox.py decides. TCP_NODELAY is set, without which an acknowledgement takes 44 ms.
"""

import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from holdfast_hub.links.broker import Where, send_at_once, words_of
from holdfast_hub.ports import BrokerNews
from holdfast_hub.records import Publication

KEEPALIVE_S = 30
MOST_UNDER_WAY = 0xFFFF


class MqttOut:
    """A Broker of ports.py. call: runs a function in the thread of those who ask. Set news before connect."""

    def __init__(self, where: Where, call: Callable[[Callable[[], None]], object]) -> None:
        self.news: BrokerNews | None = None
        self._where = where
        self._call = call
        self._connection: _Connection | None = None

    def connect(self, attempt: int, will: Publication) -> None:
        """Begin to connect."""
        assert self.news is not None, "news"  # noqa: S101 - the assembly has set it
        self.close()
        self._connection = _Connection(self._where, attempt, will, self.news, self._call)

    def publish(self, key: int, publication: Publication) -> None:
        """Hand a message to paho, which sends it at once."""
        if self._connection is not None:
            self._connection.publish(key, publication)

    def close(self) -> None:
        """Leave the broker, which then does not publish the will."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Connection:
    """One connection, from the first octet to the last. Its news are told in the thread of those who ask."""

    def __init__(
        self,
        where: Where,
        attempt: int,
        will: Publication,
        news: BrokerNews,
        call: Callable[[Callable[[], None]], object],
    ) -> None:
        self._where = where
        self._attempt = attempt
        self._news = news
        self._call = call
        self._keys: dict[int, int] = {}
        self._retains = True
        # Only paho's thread keeps it once close has let it go: so its sockets are closed when that thread ends.
        self._client: Client | None
        self._client = client = Client(
            CallbackAPIVersion.VERSION2, where.client_id, protocol=MQTTv5, reconnect_on_failure=False
        )
        client.max_inflight_messages_set(MOST_UNDER_WAY)
        client.will_set(will.topic, will.payload, 1, will.retain, _properties(PacketTypes.WILLMESSAGE, will))
        if where.user is not None:
            client.username_pw_set(where.user, where.password)
        if where.tls is not None:
            client.tls_set_context(where.tls)
        client.on_socket_open = send_at_once
        client.on_connect = self._connected
        client.on_publish = self._published
        client.on_disconnect = self._disconnected
        threading.Thread(target=self._open, args=(client,), name="mqtt-out-open", daemon=True).start()

    def publish(self, key: int, publication: Publication) -> None:
        if self._client is None:
            return
        properties = _properties(PacketTypes.PUBLISH, publication)
        retain = publication.retain and self._retains
        sent = self._client.publish(publication.topic, publication.payload, 1, retain, properties)
        self._keys[sent.mid] = key

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()

    # --- in threads of paho and of _open ---

    def _open(self, client: Client) -> None:
        """Resolve the name, connect, shake hands: each may take long, and none may stop the hub."""
        where = self._where
        try:
            client.connect(where.host, where.port, KEEPALIVE_S, clean_start=True)
        except (OSError, ValueError) as error:
            self._tell_lost(f"{where.host}:{where.port} cannot be reached: {words_of(error)}")
            return
        client.loop_start()
        if self._client is None:  # closed in the meantime
            client.disconnect()

    def _connected(self, _client: Client, _data: Any, _flags: Any, code: Any, properties: Properties | None) -> None:
        said: Callable[[str, int], int] = lambda name, default: getattr(properties, name, default)  # noqa: E731
        if code.is_failure:
            self._tell_lost(f"the broker refused the connection: {code.getName()}", code.value)
        elif said("MaximumQoS", 2) < 1:
            self._tell_lost("the broker takes no message of quality of service 1")
        else:
            self._retains = bool(said("RetainAvailable", 1))
            self._tell(
                partial(
                    self._news.accepted,
                    self._attempt,
                    said("ReceiveMaximum", MOST_UNDER_WAY),
                    said("MaximumPacketSize", 0),
                )
            )

    def _published(self, _client: Client, _data: Any, mid: int, code: Any, _properties: Any) -> None:
        self._tell(partial(self._acked, mid, code.value))

    def _disconnected(self, _client: Client, _data: Any, flags: Any, code: Any, _properties: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            self._tell_lost(f"the broker ended the connection: {code.getName()}", code.value)
        else:
            self._tell_lost("the connection to the broker was lost")

    def _tell_lost(self, why: str, code: int = 0) -> None:
        self._tell(partial(self._news.lost, self._attempt, why, code))

    def _tell(self, news: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop of those who ask has ended
            self._call(news)

    # --- in the thread of those who ask ---

    def _acked(self, mid: int, code: int) -> None:
        key = self._keys.pop(mid, None)
        if key is not None:
            self._news.acked(self._attempt, key, code)


def _properties(packet: int, publication: Publication) -> Properties:
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    if publication.properties:
        properties.UserProperty = list(publication.properties)
    if publication.content_type is not None:
        properties.ContentType = publication.content_type
    if publication.expires_s is not None:
        properties.MessageExpiryInterval = publication.expires_s
    return properties
