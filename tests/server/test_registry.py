"""The registry and the keyring: records that can be, secrets shown once, and what devices are told."""

import re

import pytest

from holdfast_core import labels as L
from holdfast_core.errors import LocalError
from holdfast_core.kinds import CWT_NESTED
from holdfast_core.provisioning import decode_provisioning, encode_provisioning
from holdfast_server.authz.caller import Caller
from holdfast_server.authz.keyring import Keyring, SigningKey
from holdfast_server.authz.registry import secret_matches
from holdfast_server.records import MAX_LIFETIME_S, Client, RegistryError, ResourceServer
from testkit.authz import DOCTOR, DOCTOR_APP, EKG, ISSUER, NOW_S, TUBE, CountingRng, build_story_as, change_rs

SCOPES = {"read": (("/temp", L.METHOD_GET),)}


# --- records ---


@pytest.mark.parametrize(
    "client",
    [
        Client("", (), {}),
        Client("c\n2026-11-24  disabled", (), {}),
        Client("\x1b[2Jc", (), {}),
        Client("c", (77,), {}),
        Client("c", (), {}, redirect_uris=("callback",)),
        Client("c", (), {}, redirect_uris=("//host/callback",)),
        Client("c", (), {}, redirect_uris=("https://host/#f",)),
        Client("c", (), {}, redirect_uris=("https://host/#",)),
        Client("c", (), {}, redirect_uris=("",)),
        Client("c", (), {}, redirect_uris=("https://host/a b\n",)),
        Client("c", (), {}, redirect_uris=("https:///cb",)),
        Client("c", (), {}, redirect_uris=("http://app.example/cb",)),
        Client("c", (), {}, redirect_uris=("http://127.0.0.1@app.example/cb",)),
        Client("c", (), {}, redirect_uris=("http://[::1/cb",)),
        Client("c", (), {}, redirect_uris=("https://host other/cb",)),
        Client("c", (), {}, redirect_uris=("https://app.example\\@host/cb",)),
        Client("c", (), {}, redirect_uris=("https://user:password@host/cb",)),
        Client("c", (), {}, redirect_uris=("https://h\u00f6st/cb",)),
        Client("c", (), {}, redirect_uris=("https://host:port/cb",)),
        Client("c", (), {}, redirect_uris=("https://host:65536/cb",)),
        Client("c", (), {}, redirect_uris=("http://127.0.0.1:0/cb",)),
        Client("c", (), {}, redirect_uris=("javascript:alert(1)",)),
        Client("c", (), {}, redirect_uris=("data:text/html,x",)),
        Client("c", (), {}, redirect_uris=("https://host/cb", "file:///etc/passwd")),
        Client("c", (), {}, public_keys=(b"\xa0",)),
        Client("c", (), {}, public_keys=(b"",)),
        Client(DOCTOR_APP, (), {}),
    ],
)
def test_a_client_that_cannot_be_is_refused(story, client):
    before = story.store.clients()
    with pytest.raises(RegistryError):
        story.registry.add_client(client, NOW_S)
    assert story.store.clients() == before


@pytest.mark.parametrize(
    "uri", ["https://app.example/cb?x=1", "http://127.0.0.1:9/cb", "http://[::1]:9/cb", "com.example.app:/cb"]
)
def test_redirect_uris_of_all_usual_kinds_are_taken(story, uri):
    story.registry.add_client(Client("c", (), {}, redirect_uris=(uri,)), NOW_S)
    assert story.store.client("c").redirect_uris == (uri,)


@pytest.mark.parametrize(
    "rs",
    [
        ResourceServer("", ("a",), SCOPES),
        ResourceServer("r", (), SCOPES),
        ResourceServer("r\r\n", ("a",), SCOPES),
        ResourceServer("r", ("a", "b\0"), SCOPES),
        ResourceServer("r", ("a", ""), SCOPES),
        ResourceServer("r", ("a",), SCOPES, "jwt"),
        ResourceServer("r", ("a",), SCOPES, "cwt-nested", token_lifetime_s=0),
        ResourceServer("r", ("a",), SCOPES, "cwt-nested", exi_lifetime_s=-1),
        ResourceServer("r", ("a",), SCOPES, "cwt-nested", token_lifetime_s=MAX_LIFETIME_S + 1),
        ResourceServer("r", ("a",), SCOPES, "cwt-nested", exi_lifetime_s=MAX_LIFETIME_S + 1),
        ResourceServer("r", ("a",), SCOPES, "reference", exi_lifetime_s=5),
        ResourceServer("r", ("a",), SCOPES, "cwt-signed"),
        ResourceServer("r", ("a",), {"two words": (("/x", 1),)}),
        ResourceServer("r", ("a",), {"x": (("no-slash", 1),)}),
        ResourceServer("r", ("a",), {"x": (("/x", 0),)}),
        ResourceServer("r", ("a",), {"x": (("/x", 128),)}),
        ResourceServer("r", ("a",), SCOPES, public_key=b"\xa0"),
        ResourceServer(EKG, (EKG,), SCOPES),
    ],
)
def test_an_rs_that_cannot_be_is_refused(story, rs):
    before = story.store.resource_servers()
    with pytest.raises(RegistryError):
        story.registry.add_resource_server(rs, NOW_S)
    assert story.store.resource_servers() == before


def test_two_servers_share_no_key(story):
    keys = [key for rs_id in (EKG, TUBE) for key in story.keyring.held_keys("encrypt", rs_id)]
    assert len(keys) == 4
    assert len({key.kid for key in keys}) == 4
    assert len({key.secret.reveal() for key in keys}) == 4


def test_two_parties_share_no_context(story):
    story.registry.add_oscore_party(NOW_S, rs_id=TUBE)
    parties = story.store.oscore_parties()
    assert len(parties) == 3
    assert len({party.recipient_id for party in parties}) == 3
    assert len({party.master_secret.reveal() for party in parties}) == 3
    assert all(party.recipient_id != party.sender_id for party in parties)
    assert {(len(one.recipient_id), len(one.master_secret.reveal()), len(one.master_salt)) for one in parties} == {
        (3, 16, 8)
    }


def test_a_party_has_one_context(story):
    for party in ({"rs_id": EKG}, {"client_id": DOCTOR_APP}):
        with pytest.raises(RegistryError, match="has an OSCORE context already"):
            story.registry.add_oscore_party(NOW_S, **party)
    assert len(story.store.oscore_parties()) == 2


def test_unknown_parties_are_named_as_such(story):
    with pytest.raises(RegistryError, match="no such client"):
        story.registry.new_client_secret("stranger", NOW_S)
    with pytest.raises(RegistryError, match="no such resource server"):
        story.exports.for_rs("stranger", NOW_S)
    with pytest.raises(RegistryError, match="no such user"):
        story.registry.set_disabled(True, NOW_S, user_id="stranger")


@pytest.mark.parametrize("party", [{"client_id": DOCTOR_APP}, {"user_id": DOCTOR}, {"rs_id": EKG}])
def test_locking_a_party_revokes_what_it_holds_and_unlocking_does_not_bring_it_back(story, party):
    token = story.doctor_token()["access_token"]
    story.registry.set_disabled(True, NOW_S, **party)
    story.registry.set_disabled(False, NOW_S, **party)
    assert story.server.introspect({"token": token}, story.ekg, NOW_S) == {"active": False}
    fresh = story.doctor_token()["access_token"]
    assert story.server.introspect({"token": fresh}, story.ekg, NOW_S)["active"]


def test_locking_an_rs_locks_it_out_and_no_other(story):
    subject = story.doctor_token()["access_token"]
    tubes = story.tube_token(subject)["access_token"]
    others = story.store.token(story.doctor_token()["access_token"])
    story.registry.set_disabled(True, NOW_S, rs_id=TUBE)
    assert story.store.resource_server(TUBE).disabled
    assert story.store.token(tubes).revoked_at == NOW_S
    assert story.store.resource_server(EKG).disabled is False
    assert story.store.tokens(DOCTOR_APP)[0] == others
    assert story.server.introspect({"token": subject}, story.ekg, NOW_S)["active"]


def test_who_takes_the_name_of_a_removed_rs_is_told_nothing_of_its_tokens(story):
    subject = story.doctor_token()["access_token"]
    tubes = story.tube_token(subject)["access_token"]
    list(story.registry.removing(NOW_S, rs_id=EKG))
    heir = ResourceServer("heir", (EKG,), {"read_ekg": (("/everything", L.METHOD_GET),)})
    story.registry.add_resource_server(heir, NOW_S)
    asks = Caller(rs_id="heir", authenticated=True)
    assert story.server.introspect({"token": subject}, asks, NOW_S) == {"active": False}
    assert story.store.token(tubes).revoked_at == NOW_S
    assert [row.rs_id for row in story.store.audit_rows() if row.event == "rs-removed"] == [EKG]
    with pytest.raises(RegistryError, match="no such resource server"):
        list(story.registry.removing(NOW_S, rs_id=EKG))


def test_only_an_active_user_with_a_password_has_a_hash_to_check(story):
    assert story.store.password_hash_of(DOCTOR) is None
    story.registry.replace_password(DOCTOR, "$argon2id$x", NOW_S)
    assert story.store.password_hash_of(DOCTOR) == "$argon2id$x"
    story.registry.set_disabled(True, NOW_S, user_id=DOCTOR)
    assert story.store.password_hash_of(DOCTOR) is None
    assert story.store.password_hash_of("stranger") is None


def test_secrets_are_compared_against_something_even_without_a_client():
    assert not secret_matches(None, b"")
    assert not secret_matches(Client("c", (), {}), b"anything")


# --- what devices are told ---


def test_the_tube_is_told_its_keys_and_nothing_of_others(story):
    provisioning = story.exports.for_rs(TUBE, NOW_S)
    again = decode_provisioning(encode_provisioning(provisioning))
    assert (again.issuer, again.rs.rs_id, again.rs.audiences) == (ISSUER, TUBE.encode(), (TUBE,))
    assert (again.rs.formats, again.rs.connected, again.as_context, again.client_id) == (
        ("cwt-nested",),
        False,
        None,
        None,
    )
    assert sorted(key.role for key in again.keys) == ["encrypt", "encrypt", "sign", "sign"]
    assert again.time_floor_s == NOW_S
    own = {key.secret.reveal() for key in story.keyring.held_keys("encrypt", TUBE)}
    assert {key.material.reveal() for key in again.keys if key.role == "encrypt"} == own


def test_a_device_is_told_which_exi_tokens_were_made_before_its_export(story):
    assert story.exports.for_rs(TUBE, NOW_S).rs.exi_floor == 0
    last = [story.store.next_exi_sequence(TUBE) for _ in range(3)][-1]
    assert decode_provisioning(encode_provisioning(story.exports.for_rs(TUBE, NOW_S))).rs.exi_floor == last == 3


def test_each_export_is_a_later_edition_whatever_the_clock_says(story):
    first = story.exports.for_rs(TUBE, NOW_S).edition
    list(story.registry.removing(NOW_S, rs_id=TUBE))
    add = ResourceServer(TUBE, (TUBE,), {"read_result": (("/result", L.METHOD_GET),)}, CWT_NESTED, connected=False)
    story.registry.add_resource_server(add, NOW_S)
    again = story.exports.for_rs(TUBE, NOW_S - 10**8)
    assert first < again.edition < story.exports.for_client(DOCTOR_APP, NOW_S).edition
    story.store.after_restore(NOW_S)
    assert story.exports.for_rs(TUBE, NOW_S).edition > again.edition + 1000


def test_the_ekg_is_told_how_to_reach_the_as_and_holds_no_token_key(story):
    provisioning = decode_provisioning(encode_provisioning(story.exports.for_rs(EKG, NOW_S)))
    party = story.store.oscore_party(rs_id=EKG)
    assert (provisioning.keys, provisioning.client_id, provisioning.as_peer) == ((), EKG, ("127.0.0.1", 5683))
    assert (provisioning.as_context.sender_id, provisioning.as_context.recipient_id) == (
        party.recipient_id,
        party.sender_id,
    )
    assert provisioning.as_context.master_secret == party.master_secret


def test_a_client_device_is_told_how_to_reach_the_as_and_no_more(story):
    provisioning = decode_provisioning(encode_provisioning(story.exports.for_client(DOCTOR_APP, NOW_S)))
    party = story.store.oscore_party(client_id=DOCTOR_APP)
    assert (provisioning.rs, provisioning.keys, provisioning.client_id) == (None, (), DOCTOR_APP)
    assert provisioning.as_context.sender_id == party.recipient_id
    with pytest.raises(RegistryError, match="no OSCORE context"):
        story.exports.for_client("stranger", NOW_S)


def test_rotation_by_the_registry_keeps_old_keys_as_long_as_the_settings_say(story):
    for rs_id, role in ((None, "sign"), (TUBE, "encrypt")):
        story.registry.rotate_key(NOW_S, rs_id)
        until = [key.retired_until for key in story.keyring.held_keys(role, rs_id) if key.state == "retired"]
        assert until == [NOW_S + story.settings.key_overlap_s]
    with pytest.raises(RegistryError, match="no such resource server"):
        story.registry.rotate_key(NOW_S, "stranger")


def test_a_retired_key_is_told_to_devices_as_long_as_its_tokens_may_live(story):
    change_rs(story, TUBE, token_lifetime_s=story.settings.key_overlap_s + 1000)
    signed, sealed = story.keyring.signing_key().kid, story.keyring.encryption_key(TUBE).kid
    for rs_id in (None, TUBE):
        story.registry.rotate_key(NOW_S, rs_id)
    for after_s, told in ((999, True), (1000, False)):
        story.store.sweep(NOW_S + story.settings.key_overlap_s + after_s)
        kids = [key.kid for key in story.exports.for_rs(TUBE, NOW_S).keys]
        assert (signed in kids, sealed in kids) == (told, told)


def test_no_two_exports_share_a_seed(story):
    first, second = (story.exports.for_rs(TUBE, NOW_S) for _ in range(2))
    assert first.seed != second.seed


# --- keyring ---


def test_making_keys_twice_makes_none_new(story):
    before = [key.kid for key in story.keyring.public_keys()]
    story.keyring.make_keys("sign", None, NOW_S)
    assert [key.kid for key in story.keyring.public_keys()] == before
    assert len(before) == 2


def test_rotation_runs_next_to_current_to_retired(story):
    current, upcoming = story.keyring.signing_key().kid, None
    for key in story.keyring.public_keys():
        upcoming = key.kid if key.kid != current else upcoming
    story.keyring.rotate("sign", None, NOW_S, 100)
    assert story.keyring.signing_key().kid == upcoming
    states = {key.kid: (key.state, key.retired_until) for key in story.keyring.held_keys("sign")}
    assert states[current] == ("retired", NOW_S + 100)
    assert states[upcoming] == ("current", None)
    assert sorted(state for state, _ in states.values()) == ["current", "next", "retired"]


def test_a_key_outlives_the_process(tmp_path):
    first = build_story_as(tmp_path)
    kid = first.keyring.signing_key().kid
    signature = first.keyring.signing_key().sign(b"message")
    reopened = Keyring(first.store, CountingRng(b"other"))
    assert reopened.signing_key().kid == kid
    assert reopened.signing_key().sign(b"message") == signature  # RFC 6979
    first.store.close()


def test_without_keys_nothing_is_signed_or_encrypted(story):
    empty = Keyring(story.store, CountingRng())
    with pytest.raises(LocalError):
        empty.encryption_key("stranger")
    story.store._execute("DELETE FROM keys")
    with pytest.raises(LocalError):
        empty.signing_key()


def test_a_scalar_out_of_range_is_drawn_again(story):
    draws = [bytes(32), b"\xff" * 32, bytes(31) + b"\5"]
    keyring = Keyring(story.store, lambda _: draws.pop(0))
    assert keyring._scalar().reveal() == bytes(31) + b"\5"
    assert draws == []


def test_a_taken_kid_is_drawn_again(story):
    taken = story.keyring.signing_key().kid
    draws = [taken, b"free"]
    assert Keyring(story.store, lambda _: draws.pop(0))._free_kid() == b"free"


# --- nothing shows a secret ---


def secrets_of(story):
    """Return every secret value of a played story, as bytes."""
    doctor = story.doctor_token()
    tube = story.tube_token(doctor["access_token"])
    code = story.code()
    values = [story.doctor_secret.reveal(), doctor["access_token"], code]
    values += [answer["cnf"][L.CNF_OSC][L.OSC_MS] for answer in (doctor, tube)]
    values += [party.master_secret.reveal() for party in story.store.oscore_parties()]
    values += [
        key.secret.reveal() for role, rs in (("sign", None), ("encrypt", TUBE)) for key in story.store.keys(role, rs)
    ]
    return values


def spellings(secret):
    """Return how a secret might show in text: hex, Python's bytes, its text."""
    found = [secret.hex(), repr(secret)[2:-1], re.sub(r"(..)", r"\\x\1", secret.hex())]
    return [spelling for spelling in found if len(spelling) > 8]


def test_no_repr_and_no_audit_row_shows_a_secret(story):
    secrets = secrets_of(story)
    things = [story.store.audit_rows(1000), story.store.clients(), story.store.users(), story.store.tokens()]
    things += [story.store.oscore_parties(), story.store.keys("sign"), story.store.keys("encrypt", TUBE)]
    things += [story.keyring.signing_key(), story.exports.for_rs(EKG, NOW_S), story]
    things += [story.keyring.trust_for(TUBE, ISSUER).keys, SigningKey(b"k", story.store.keys("sign")[0].secret)]
    shown = "\n".join(repr(thing) for thing in things)
    assert len(secrets) > 10
    assert len(shown) > 2000
    assert [secret for secret in secrets for spelling in spellings(secret) if spelling in shown] == []
