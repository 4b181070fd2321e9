"""A radio of this machine through bleak, which is no part of the hub: pip install bleak.

Checked against bleak's documentation alone, and against no real radio yet.
"""

from collections.abc import Callable
from typing import Any

from holdfast_hub.links.ble_shell import RECEIVE, SEND, Connection, RadioError
from holdfast_hub.links.settings import LinksUnusable

PIECE_LEN = 20


class BleakRadio:
    """The Radio of ble_shell.py. adapter: such as hci0, "" for the first. Raises LinksUnusable: there is no bleak."""

    def __init__(self, adapter: str) -> None:
        try:
            import bleak  # noqa: PLC0415 - an optional package
            from bleak.exc import BleakError  # noqa: PLC0415
        except ImportError:
            raise LinksUnusable('A link of kind "ble" needs the Python package bleak: install it.') from None
        self._client: Any = bleak.BleakClient
        self._errors = (BleakError, OSError, TimeoutError, EOFError)
        self._more = {"adapter": adapter} if adapter else {}

    async def connect(self, address: str, heard: Callable[[bytes], None], gone: Callable[[], None]) -> Connection:
        """See Radio."""
        client = self._client(address, disconnected_callback=lambda _: gone(), **self._more)
        try:
            await client.connect()
            await client.start_notify(SEND, lambda _, piece: heard(bytes(piece)))
        except self._errors:
            await _BleakConnection(client, self._errors).close()
            raise RadioError from None
        return _BleakConnection(client, self._errors)


class _BleakConnection:
    def __init__(self, client: Any, errors: tuple[type[Exception], ...]) -> None:
        self._client = client
        self._errors = errors

    @property
    def piece_len(self) -> int:
        characteristic = self._client.services.get_characteristic(RECEIVE)
        return getattr(characteristic, "max_write_without_response_size", PIECE_LEN)

    async def write(self, piece: bytes) -> None:
        try:
            await self._client.write_gatt_char(RECEIVE, piece, response=False)
        except self._errors:
            raise RadioError from None

    async def close(self) -> None:
        try:
            await self._client.disconnect()
        except self._errors:
            return
