"""Whom a request is for: the hub itself, or a device of its table and nobody else (RFC 7252 sections 5.7.2 and 5.7.3).

A client names a device by Proxy-Uri, by Proxy-Scheme and Uri-Host, by Uri-Host alone, or by sending to the UDP port of
the hub that belongs to one device.  A name is looked up in a table and never resolved, so no request leads anywhere
that the operator has not named.
"""

from collections.abc import Iterable
from urllib.parse import unquote_to_bytes, urlsplit

from holdfast_core import labels as L
from holdfast_core.coap_message import Message
from holdfast_hub.proxy.options import Refused
from holdfast_hub.records import Device

COAP_PORT = 5683
_OF_THE_URI = frozenset((L.OPT_URI_HOST, L.OPT_URI_PORT, L.OPT_URI_PATH, L.OPT_URI_QUERY, L.OPT_PROXY_URI))
_MAX_SEGMENT = 255


class Targets:
    """The table. own_names: what the hub itself is called in a URI; "device.hub" is the device, too."""

    def __init__(self, devices: Iterable[Device] = (), own_names: Iterable[str] = ()) -> None:
        self._own = frozenset(name.lower() for name in own_names)
        self.replace(devices)

    def replace(self, devices: Iterable[Device]) -> None:
        """Make these the devices, from now on."""
        self.by_name = {device.name: device for device in devices}
        self._by_host = {name.lower(): device for name, device in self.by_name.items()}
        self._by_port = {device.port: device for device in self.by_name.values() if device.port is not None}

    def find(self, message: Message, port: object) -> Device | None:
        """The device that a request is for, None for the hub; the options that named it are taken out or rewritten.

        port: the UDP port of ours that the request came to.
        Raises Refused: 5.05 for what a forward proxy must not reach, 4.04 for a host that is nobody here.
        """
        host = scheme = None
        for number, value in message.options:
            if number == L.OPT_URI_HOST:
                host = value
            elif number == L.OPT_PROXY_URI:
                return self._by_uri(message, value)
            elif number == L.OPT_PROXY_SCHEME:
                scheme = value
        if scheme is not None:
            if scheme.lower() != b"coap" or host is None:
                raise Refused(L.CODE_PROXYING_NOT_SUPPORTED)
            return self._forward(host, message.uint(L.OPT_URI_PORT))
        behind = self._by_port.get(port)  # type: ignore[call-overload]
        if behind is not None or host is None:
            return behind  # type: ignore[no-any-return]
        return self._reverse(host)

    def _reverse(self, host: bytes) -> Device | None:
        name = _text(host)
        device = self._named(name)
        if device is None and not (name in self._own or _is_literal(name)):
            raise Refused(L.CODE_NOT_FOUND)
        return device

    def _forward(self, host: bytes, port: int | None) -> Device | None:
        name = _text(host)
        if name in self._own:
            return None
        device = self._named(name)
        allowed: tuple[int | None, ...] = (None, COAP_PORT)
        if device is not None and isinstance(device.address, tuple):
            allowed += (device.address[1],)
        if device is None or port not in allowed:
            raise Refused(L.CODE_PROXYING_NOT_SUPPORTED)
        return device

    def _named(self, name: str) -> Device | None:
        first, dot, rest = name.partition(".")
        return self._by_host.get(first if dot and rest in self._own else name)

    def _by_uri(self, message: Message, uri: bytes) -> Device | None:
        """Take a Proxy-Uri apart (RFC 7252 section 6.4); it counts for more than all Uri-* options (section 5.10.2)."""
        if not uri.isascii() or not uri.decode().isprintable() or b" " in uri:  # urlsplit would pass over some
            raise Refused(L.CODE_BAD_REQUEST)
        try:
            parts = urlsplit(uri.decode())
            port = parts.port
        except ValueError:
            raise Refused(L.CODE_BAD_REQUEST) from None
        if not parts.scheme or not parts.hostname or parts.fragment or "@" in parts.netloc:
            raise Refused(L.CODE_BAD_REQUEST)
        if parts.scheme != "coap":
            raise Refused(L.CODE_PROXYING_NOT_SUPPORTED)
        device = self._forward(unquote_to_bytes(parts.hostname), port)
        segments = parts.path[1:].split("/") if parts.path not in ("", "/") else []
        queries = parts.query.split("&") if parts.query else []
        options = [(L.OPT_URI_PATH, unquote_to_bytes(segment)) for segment in segments]
        options += [(L.OPT_URI_QUERY, unquote_to_bytes(query)) for query in queries]
        if any(len(value) > _MAX_SEGMENT for _, value in options):
            raise Refused(L.CODE_BAD_REQUEST)
        rest = [option for option in message.options if option[0] not in _OF_THE_URI]
        message.options = sorted(options + rest, key=_number)  # stable: repeats stay in order
        return device


def _number(option: tuple[int, bytes]) -> int:
    return option[0]


def _text(host: bytes) -> str:
    """A host as it is compared; what is no ASCII is the name of nobody."""
    return host.decode("ascii", "replace").lower()


def _is_literal(name: str) -> bool:
    """Whether a host is an address, not a name: then the client has named whom it sent to."""
    return ":" in name or name.replace(".", "").isdigit()
