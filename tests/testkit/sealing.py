"""A hub at the story's authorization server, and devices behind it: a fridge by references, a pump by split tokens."""

import dataclasses

from holdfast_core import labels as L
from holdfast_core.kinds import CWT_NESTED, REFERENCE
from holdfast_core.names import ACCESS_TOKEN_URN
from holdfast_server.authz.caller import Caller
from holdfast_server.records import Client, ResourceServer
from testkit.authz import NOW_S

HUB, NURSE, FRIDGE, PUMP = "ward_hub", "nurse_app", "fridge_7", "pump_3"
SCOPES = {"read": (("/temperature", L.METHOD_GET),), "set": (("/target", L.METHOD_PUT),)}
HUB_CALLER = Caller(HUB, authenticated=True, address="192.0.2.9")
NURSE_CALLER = Caller(NURSE, authenticated=True)
ASK = {"grant_type": L.GRANT_CLIENT_CREDENTIALS, "scope": "read"}


def add_hub(story, sealed_format=CWT_NESTED, split_format=CWT_NESTED, **rs) -> None:
    """Register the hub, its devices and a client of both.  rs: more of the devices' records."""
    settings = {"connected": False, "clock": True, **rs}
    fridge = ResourceServer(FRIDGE, (FRIDGE,), SCOPES, REFERENCE, sealed_format=sealed_format, **settings)
    pump = ResourceServer(PUMP, (PUMP,), SCOPES, split_format, is_split=True, **settings)
    for record in (fridge, pump):
        story.registry.add_resource_server(record, NOW_S)
    rights = {FRIDGE: ("read", "set"), PUMP: ("read", "set")}
    story.registry.add_client(Client(HUB, (L.PRIV_GRANT_TOKEN_EXCHANGE,), rights, is_hub=True), NOW_S)
    story.registry.add_client(Client(NURSE, (L.GRANT_CLIENT_CREDENTIALS,), rights), NOW_S)


def nurse_token(story, audience=FRIDGE, now_s=NOW_S, **params) -> dict:
    """The answer to the client: a reference, or the part of a split token."""
    return story.server.token({**ASK, "audience": audience, **params}, NURSE_CALLER, now_s)


def seal_params(subject_token: bytes, audience=FRIDGE, **changes) -> dict:
    """What the hub asks."""
    params = {
        "grant_type": L.PRIV_GRANT_TOKEN_EXCHANGE,
        "subject_token": subject_token,
        "subject_token_type": ACCESS_TOKEN_URN,
        "audience": audience,
        **changes,
    }
    return {name: value for name, value in params.items() if value is not None}


def seal(story, subject_token: bytes, now_s=NOW_S, caller=HUB_CALLER, **changes) -> dict:
    """The answer to the hub."""
    return story.server.token(seal_params(subject_token, **changes), caller, now_s)


def change_hub(story, **changes) -> None:
    """Change the hub's record as an operator would."""
    story.store.put_client(dataclasses.replace(story.store.client(HUB), **changes), NOW_S)
