"""A registered party of the authorization server on a real UDP socket.

It asks in its OSCORE context and keeps what came.

For tests of the CoAP shell in this process and of `holdfast server serve` in another one.
"""

import asyncio
import os
import socket

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.coap_events import FailureEvent, ResponseEvent
from holdfast_core.coap_message import decode, request
from holdfast_core.coap_stack import CoapStack
from holdfast_core.oscore import SecurityContext
from holdfast_core.oscore_option import decode_option
from holdfast_core.provisioning import AsContext
from holdfast_core.rederive import RederivedContext
from holdfast_core.sender_sequence import SenderSequence
from testkit.udp_pump import UdpPump


def context_of(party, sequence=0):
    """The party's side of its context with the AS. party: an AsContext of a provisioning record, or an OscoreParty.

    sequence: the next sequence number of a party of the registry that does not rederive.
    """
    if not hasattr(party, "sequence_reserved"):
        return RederivedContext(party, os.urandom)
    if party.rederives:
        told = AsContext(party.master_secret, party.master_salt, party.recipient_id, party.sender_id)
        return RederivedContext(told, os.urandom)
    return SecurityContext(
        party.master_secret,
        party.master_salt,
        party.recipient_id,
        party.sender_id,
        sequence=SenderSequence(sequence),
    )


class Peer(UdpPump):
    """use: async with Peer(("127.0.0.1", port)) as peer. datagrams: everything that came, in order."""

    def __init__(self, server):
        super().__init__(CoapStack(os.urandom))
        self.server = server
        self.datagrams = []
        feed = self.stack.feed

        def keep(datagram, peer, now_ms):
            self.datagrams.append(datagram)
            return feed(datagram, peer, now_ms)

        self.stack.feed = keep

    async def ask(self, message, context=None):
        """Send one request and return the response, or the reason why no response came."""
        number = self.stack.request(self.server, message, self.now_ms, context)
        self.flush()
        async with asyncio.timeout(20):
            while True:
                for event in self.events:
                    if isinstance(event, (ResponseEvent, FailureEvent)) and event.request_id == number:
                        self.events.remove(event)
                        return event.message if isinstance(event, ResponseEvent) else event.reason
                self._arrived.clear()
                await self._arrived.wait()

    async def post(self, path, fields, context=None):
        """POST a map in application/ace+cbor."""
        payload = fields if isinstance(fields, bytes) else cbor.encode(fields)
        return await self.ask(request(L.CODE_POST, path, payload, L.CF_ACE_CBOR), context)

    def throw(self, datagram):
        """Send a datagram without expecting anything."""
        self._socket.sendto(datagram, self.server)


async def until(condition):
    """Let the loop turn until condition() is true."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - sockets make the turns, nobody could set an event
            await asyncio.sleep(0)


def partial_ivs(datagrams):
    """The Partial IVs in OSCORE responses that carry one, each with the R2 of its context where a response names R2."""
    ivs = []
    for datagram in datagrams:
        value = decode(datagram).get(L.OPT_OSCORE)
        if value:
            option = decode_option(value)
            ivs.append((option.kid_context, option.piv))
    return ivs


def free_ports(kinds=(socket.SOCK_STREAM, socket.SOCK_DGRAM)):
    """One port of the loopback for each kind of socket that is free now."""
    sockets = [socket.socket(socket.AF_INET, kind) for kind in kinds]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
