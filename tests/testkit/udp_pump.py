"""Pumps a sans-IO endpoint over a real UDP socket in asyncio, for interop tests; it decides nothing.

The clock is the loop's.  on_event(event) is called for each event; wait_for() lets a test await one.
"""

import asyncio
import socket


class UdpPump:
    """An endpoint with a UDP socket on the loopback. use: async with UdpPump(make_stack) as pump."""

    def __init__(self, stack, on_event=None, host="127.0.0.1", port=0):
        self.stack = stack
        self.on_event = on_event
        self.events = []
        self._arrived = asyncio.Event()
        self._timer = None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((host, port))

    @property
    def port(self):
        return self._socket.getsockname()[1]

    @property
    def now_ms(self):
        return int(self._loop.time() * 1000)

    async def __aenter__(self):
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._read)
        return self

    async def __aexit__(self, *_):
        self._loop.remove_reader(self._socket)
        if self._timer is not None:
            self._timer.cancel()
        self._socket.close()

    def flush(self):
        """Send what the endpoint wants to send; call after request, respond or notify from outside on_event."""
        for datagram, peer in self.stack.take_datagrams():
            self._socket.sendto(datagram, peer)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline_ms = self.stack.next_deadline_ms()
        if deadline_ms is not None:
            self._timer = self._loop.call_later(max(0, deadline_ms - self.now_ms + 1) / 1000, self._tick)

    async def wait_for(self, count):
        """Wait until `count` events have come, and return all of them."""
        async with asyncio.timeout(20):
            while len(self.events) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.events

    def _read(self):
        while True:
            try:
                datagram, peer = self._socket.recvfrom(2048)
            except BlockingIOError:
                break
            self._take(self.stack.feed(datagram, peer, self.now_ms))
        self.flush()

    def _tick(self):
        self._timer = None
        self._take(self.stack.tick(self.now_ms))
        self.flush()

    def _take(self, events):
        for event in events:
            if self.on_event is not None:
                self.on_event(event)
            self.events.append(event)
            self._arrived.set()
