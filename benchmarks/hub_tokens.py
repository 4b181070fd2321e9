"""What each way of bringing a token to a device behind a hub puts on each leg: CoAP octets, first and again.

hub.py runs it. A real authorization server, the hub's own rooms and real devices are on a link of virtual time, so the
numbers do not vary. Counted is one POST to authz-info and all that it causes, after another token has made the contexts
that stay. "again" is the same token posted once more: a client that starts a new session. Datagrams are counted without
UDP, IP or the radio's own frames. Readable tokens are for coap_dtls, which Holdfast's devices do not speak: theirs is
the POST alone.
"""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.ace_oscore import encode_authz_info
from holdfast_core.kinds import CWT_ENCRYPTED, CWT_MAC, CWT_NESTED, CWT_SIGNED, REFERENCE
from holdfast_hub.records import PHANTOM, SPLIT, Device
from holdfast_server.records import ResourceServer
from testkit.authz import NOW_S, build_story_as, change_client, cose_key
from testkit.hub_tokens import World
from testkit.sealing import HUB, NURSE, SCOPES, nurse_token

PLAIN, INTROSPECTION = "by value", "introspection"
LEGS = ("client to hub", "hub to client", "hub to device", "device to hub", "device and AS", "hub and AS")
RADIO = LEGS[:5]
"""All but the hub's own line to the server."""
WAYS: dict[tuple[str, str], dict[str, Any]] = {
    (INTROSPECTION, REFERENCE): {"token_format": REFERENCE, "connected": True},
    **{(PLAIN, name): {"token_format": name} for name in (CWT_NESTED, CWT_ENCRYPTED)},
    **{(PHANTOM, name): {"sealed_format": name} for name in (CWT_NESTED, CWT_ENCRYPTED)},
    **{(SPLIT, name): {"token_format": name, "is_split": True} for name in (CWT_NESTED, CWT_ENCRYPTED)},
    **{
        (way, name): {"token_format": name, "is_split": way == SPLIT}
        for way in (PLAIN, SPLIT)
        for name in (CWT_SIGNED, CWT_MAC)
    },
}
READABLE = (CWT_SIGNED, CWT_MAC)


def octets_of(way: str, token_format: str) -> dict[str, Any]:
    """One line: octets on each leg of a first post and of the same again."""
    with tempfile.TemporaryDirectory() as folder:
        story = build_story_as(Path(folder) / "state")
        extra = {"profiles": (L.PROFILE_COAP_DTLS,)} if token_format in READABLE else {}
        settings = {"connected": False, "clock": True, **extra, **WAYS[way, token_format]}
        story.registry.add_resource_server(ResourceServer("device", ("device",), SCOPES, **settings), NOW_S)
        shows = way if way in (PHANTOM, SPLIT) else ""
        world = World(story, devices=(Device("device", "udp", port=7001, tokens=shows),))
        key = cose_key(7)
        change_client(
            story,
            NURSE,
            scopes={"device": ("read",)},
            profiles=(L.PROFILE_COAP_DTLS, L.PROFILE_COAP_OSCORE),
            public_keys=(cbor.encode(key),),
        )
        change_client(story, HUB, scopes={"device": ("read",)})
        asks = {"req_cnf": {L.CNF_COSE_KEY: key}} if token_format in READABLE else {}
        _post(world, nurse_token(story, "device", world.now_s, **asks), token_format)
        answer = nurse_token(story, "device", world.now_s, **asks)
        first, again = (_post(world, answer, token_format) for _ in range(2))
        story.store.close()
    return {
        "way": way,
        "format": token_format,
        "carried": len(answer["access_token"]),
        "first": first,
        "again": again,
        "radio_first": sum(first[leg] for leg in RADIO),
        "radio_again": sum(again[leg] for leg in RADIO),
    }


def _post(world: World, answer: dict[str, Any], token_format: str) -> dict[str, int]:
    """Post a token and read once with it; return the octets of the post on each leg."""
    world.wait(20)  # what a flood could take has come back
    begun = len(world.link.log)
    if token_format in READABLE:
        world.post(encode_authz_info(answer["access_token"], b"nonce..1", b"i"), "device")
    else:
        session = world.open(world.held(answer), "device")
    octets: Counter[str] = Counter()
    for _, sender, receiver, datagram in world.link.log[begun:]:
        octets[_leg(sender, receiver)] += len(datagram)
    if token_format not in READABLE and world.read(session) != b"4.5":
        raise SystemExit("the session does not work, so nothing was measured")
    return {leg: octets[leg] for leg in LEGS}


def _leg(sender: str, receiver: str) -> str:
    ends = {"as" if "as" in name.split("-") else name for name in (sender, receiver)}
    if "as" in ends:
        return "device and AS" if "device" in (sender, receiver) else "hub and AS"
    if "nurse" in (sender, receiver):
        return "client to hub" if sender == "nurse" else "hub to client"
    return "device to hub" if sender == "device" else "hub to device"


def table() -> list[dict[str, Any]]:
    """Every line, in the order of WAYS, with what it saves against the same format by value."""
    rows = [octets_of(way, token_format) for way, token_format in WAYS]
    plain = {row["format"]: row for row in rows if row["way"] == PLAIN}
    for row in rows:
        other = plain.get(row["format"])
        if other is not None:
            row["saved_to_hub"] = other["first"]["client to hub"] - row["first"]["client to hub"]
            row["saved_to_device"] = other["first"]["hub to device"] - row["first"]["hub to device"]
    return rows


def measure(share: float = 1.0) -> list[dict[str, Any]]:  # noqa: ARG001 - each way is posted twice, whatever the share
    """The table as hub.py prints it: a line for the first post, and one for the same again."""
    rows: list[dict[str, Any]] = []
    for row in table():
        first = {"what": f"{row['way']}, {row['format']}", "carried": row["carried"], **row["first"]}
        first |= {name: row[name] for name in ("saved_to_hub", "saved_to_device") if row["way"] in (PHANTOM, SPLIT)}
        again = {"what": "  again", **row["again"]}
        rows += [{**first, "radio": row["radio_first"]}, {**again, "radio": row["radio_again"]}]
    return [{"section": "CoAP octets of one POST to authz-info", **row} for row in rows]
