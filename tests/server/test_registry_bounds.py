"""Records at their bounds, and beyond them by one; and removals, which go in steps however much goes with a party."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest

from holdfast_core import labels as L
from holdfast_core.kinds import TOKEN_SHAPES
from holdfast_core.names import GRANT_NAMES
from holdfast_server.authz import parties
from holdfast_server.authz.party_checks import check_client, check_resource_server, check_user
from holdfast_server.authz.registry import MAX_NAMED
from holdfast_server.records import MAX_LIFETIME_S, MAX_USERNAME_LEN, Client, RegistryError, ResourceServer, User
from testkit.authz import DOCTOR_APP, EKG, NOW_S, TUBE

SCOPES = {"read": (("/temp", L.METHOD_GET),)}
METER = ResourceServer("meter", ("meter",), SCOPES, "cwt-nested", scope_titles={"read": "See the temperature"})
APP = Client(
    "app", (L.GRANT_AUTHORIZATION_CODE,), redirect_uris=("https://app.example/back",), scopes={"meter": ("read",)}
)


@pytest.mark.parametrize(
    ("check", "record"),
    [
        (check_client, replace(APP, grant_types=tuple(GRANT_NAMES))),
        (check_resource_server, METER),
        (check_resource_server, replace(METER, token_lifetime_s=1)),
        (check_resource_server, replace(METER, token_lifetime_s=MAX_LIFETIME_S)),
        (check_resource_server, replace(METER, exi_lifetime_s=0)),
        (check_resource_server, replace(METER, exi_lifetime_s=MAX_LIFETIME_S)),
        (check_user, User("d")),
        (check_user, User("d" * MAX_USERNAME_LEN)),
    ],
)
def test_what_is_just_within_the_bounds_is_taken(check, record):
    check(record)


@pytest.mark.parametrize(
    ("check", "record", "said"),
    [
        (check_client, replace(APP, scopes={"meter": ("re\x1bad",)}), "scope has a character"),
        (check_client, replace(APP, scopes={"me\nter": ("read",)}), "scope has a character"),
        (check_client, replace(APP, grant_types=(*GRANT_NAMES, 99)), "grant type is unknown"),
        (check_resource_server, replace(METER, title="\x9b2J"), "title has a character"),
        (check_resource_server, replace(METER, scope_titles={"read": "\x00"}), "title has a character"),
        (check_resource_server, replace(METER, token_shape="+".join(TOKEN_SHAPES)), "token shape is unknown"),
        (check_resource_server, replace(METER, scope_titles={"read": "", "write": ""}), "no scope write"),
        (check_resource_server, replace(METER, token_lifetime_s=0), "--lifetime must be"),
        (check_resource_server, replace(METER, exi_lifetime_s=-1), "--exi must be"),
        (check_user, User(""), "1 to 128 printable"),
        (check_user, User("d" * (MAX_USERNAME_LEN + 1)), "1 to 128 printable"),
    ],
)
def test_what_is_beyond_them_is_refused(check, record, said):
    with pytest.raises(RegistryError, match=re.escape(said)):
        check(record)


def test_as_many_devices_as_are_named_are_all_that_there_are(story):
    for number in range(MAX_NAMED):
        name = f"meter{number:02}"
        story.registry.add_resource_server(replace(METER, rs_id=name, audiences=(name,)), NOW_S)
        story.store.put_device_keys(name, [b"old"])
    with pytest.raises(RegistryError) as refused:
        story.registry.rotate_key(NOW_S)
    assert "meter09 would refuse" in str(refused.value)
    assert "more" not in str(refused.value)


def test_a_removal_deletes_step_by_step_and_says_how_many_it_revoked(story, monkeypatch):
    """Three tokens and the six that were exchanged for them, in steps of two."""
    monkeypatch.setattr(parties, "STEP", 2)
    tokens = [story.doctor_token()["access_token"] for _ in range(3)]
    for token in tokens * 2:
        story.tube_token(token)
    every = {"audiences": (EKG, TUBE), "revoked": True}
    removing = story.registry.removing(NOW_S, client_id=DOCTOR_APP)
    left = [9, *(len(story.store.tokens_after(0, 99, **every)) for _ in removing)]
    assert all(before - after <= 2 for before, after in pairwise(left))
    assert left[-2:] == [0, 0]  # nothing is left for the last step, which deletes the client
    said = [row.reason for row in story.store.audit_rows(100) if row.event == "tokens-revoked" and row.client_id]
    assert said == ["9 of a party that was locked"]
