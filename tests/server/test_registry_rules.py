"""The rules of the registry hold for every program that calls it, not only for the command line."""

import dataclasses

import pytest

from holdfast_core import labels as L
from holdfast_core.secret import Secret
from holdfast_server.authz.administrator import ADMIN_AUDIENCE
from holdfast_server.authz.changes import Changes
from holdfast_server.coap.context_exchange import UNUSED, ContextExchange
from holdfast_server.records import (
    MAX_USERNAME_LEN,
    AlreadyRegistered,
    Client,
    NotRegistered,
    RegistryError,
    ResourceServer,
    User,
)
from holdfast_server.web.authenticator import MAX_PASSWORD_LEN, MIN_PASSWORD_LEN, hash_password
from holdfast_server.wire.context_forms import ContextParameters
from testkit.authz import DOCTOR, DOCTOR_APP, EKG, NOW_S, REDIRECT_URI, TUBE, CountingRng, build_story_as

SCOPES = {"read": (("/temp", L.METHOD_GET),)}
SIGNED = {"token_format": "cwt-signed", "profiles": (L.PROFILE_COAP_DTLS,), "connected": False}
OWN_CLIENT = Client("panel", (L.GRANT_CLIENT_CREDENTIALS,), {})
CODE_CLIENT = Client("app", (L.GRANT_AUTHORIZATION_CODE,), {}, redirect_uris=(REDIRECT_URI,))


@pytest.fixture
def changes(story):
    return Changes(story.store, story.registry, story.keyring)


@pytest.fixture
def unchanged(story):
    """What a refusal must leave as it was; called again after it."""

    def rows():
        store = story.store
        return [store.clients(), store.resource_servers(), store.users(), store.oscore_parties(), store.audit_rows(99)]

    before = rows()
    return lambda: rows() == before


def rs_like(story, rs_id, **more):
    return dataclasses.replace(story.store.resource_server(rs_id), **more)


# --- names ---


def test_a_name_that_is_taken_is_refused_for_each_kind(story, unchanged):
    for kind, name, add in (
        ("client", DOCTOR_APP, lambda: story.registry.add_client(Client(DOCTOR_APP, (), {}), NOW_S)),
        ("rs", TUBE, lambda: story.registry.add_resource_server(ResourceServer(TUBE, ("new",), SCOPES), NOW_S)),
        ("user", DOCTOR, lambda: story.registry.add_user(User(DOCTOR), NOW_S)),
    ):
        with pytest.raises(AlreadyRegistered) as caught:
            add()
        assert (caught.value.kind, caught.value.party_id) == (kind, name)
    assert unchanged()


def test_a_name_that_nobody_has_is_named_with_its_kind(story, changes, unchanged):
    nobody = dataclasses.replace(story.store.client(DOCTOR_APP), client_id="nobody")
    for kind, ask in (
        ("client", lambda: story.registry.client("nobody")),
        ("rs", lambda: story.registry.resource_server("nobody")),
        ("user", lambda: story.registry.user("nobody")),
        ("client", lambda: list(story.registry.locking(True, NOW_S, client_id="nobody"))),
        ("rs", lambda: list(story.registry.removing(NOW_S, rs_id="nobody"))),
        ("client", lambda: story.registry.live_tokens(NOW_S, client_id="nobody")),
        ("rs", lambda: story.registry.live_tokens(NOW_S, rs_id="nobody")),
        ("user", lambda: story.registry.live_tokens(NOW_S, user_id="nobody")),
        ("rs", lambda: story.registry.left_behind("nobody")),
        ("rs", lambda: story.registry.import_key("nobody", b"k", story.doctor_secret, NOW_S)),
        ("rs", lambda: story.registry.add_oscore_party(NOW_S, rs_id="nobody")),
        ("client", lambda: changes.client(nobody, NOW_S, "client-changed", "x").finish()),
    ):
        with pytest.raises(NotRegistered) as caught:
            ask()
        assert (caught.value.kind, caught.value.party_id) == (kind, "nobody")
    assert unchanged()


@pytest.mark.parametrize("party", [{}, {"client_id": DOCTOR_APP, "rs_id": EKG}, {"rs_id": EKG, "user_id": DOCTOR}])
def test_one_party_at_a_time_is_locked_and_removed(story, unchanged, party):
    token = story.doctor_token()["access_token"]
    for steps in (
        story.registry.locking(True, NOW_S, **party),
        story.registry.locking(False, NOW_S, **party),
        story.registry.removing(NOW_S, **party),
    ):
        with pytest.raises(RegistryError, match="name one"):
            list(steps)
    assert story.store.token(token).revoked_at is None
    assert not story.store.resource_server(EKG).disabled


@pytest.mark.parametrize("party", [{"client_id": DOCTOR_APP}, {"rs_id": EKG}, {"user_id": DOCTOR}])
def test_what_goes_with_a_party_is_its_live_tokens_and_what_was_exchanged_for_them(story, party):
    tokens = [story.doctor_token()["access_token"]]
    tokens.append(story.tube_token(tokens[0])["access_token"])
    numbers = [story.store.token(token).token_id for token in tokens]
    assert [token.token_id for token in story.registry.live_tokens(NOW_S, **party)] == numbers
    story.registry.set_disabled(True, NOW_S, **party)
    assert story.registry.live_tokens(NOW_S, **party) == []


@pytest.mark.parametrize("user_id", ["", "n" * (MAX_USERNAME_LEN + 1), "two\nlines", "\x1b[2J"])
def test_a_name_that_nobody_could_log_in_with_is_refused(story, unchanged, user_id):
    with pytest.raises(RegistryError, match=f"1 to {MAX_USERNAME_LEN} printable characters"):
        story.registry.add_user(User(user_id), NOW_S)
    assert unchanged()


def test_the_longest_name_and_one_of_spaces_are_taken(story):
    for user_id in ("n" * MAX_USERNAME_LEN, "Dr. Who"):
        story.registry.add_user(User(user_id), NOW_S)
        assert story.store.user(user_id).user_id == user_id


def test_a_right_that_cannot_be_printed_is_refused_for_a_person_and_in_the_audit(story, changes, unchanged):
    for scopes in ({"a\n": ("b",)}, {"a": ("b\x1b",)}):
        with pytest.raises(RegistryError, match="cannot be printed"):
            story.registry.add_user(User("nurse", "", scopes), NOW_S)
        person = dataclasses.replace(story.store.user(DOCTOR), scopes=scopes)
        with pytest.raises(RegistryError, match="cannot be printed"):
            changes.user(person, NOW_S, "user-allowed", "x").finish()
    for change, record in (
        (changes.client, story.store.client(DOCTOR_APP)),
        (changes.user, story.store.user(DOCTOR)),
        (changes.resource_server, story.store.resource_server(EKG)),
    ):
        with pytest.raises(RegistryError, match="cannot be printed"):
            change(record, NOW_S, "denied", "a=b\n2026-11-24 all-is-well").finish()
    assert unchanged()


@pytest.mark.parametrize("length", [0, MIN_PASSWORD_LEN - 1, MAX_PASSWORD_LEN + 1])
def test_a_password_that_is_too_short_or_too_long_has_no_hash(length):
    with pytest.raises(RegistryError, match=f"A password has {MIN_PASSWORD_LEN} to {MAX_PASSWORD_LEN} characters"):
        hash_password("x" * length)


@pytest.mark.parametrize("length", [MIN_PASSWORD_LEN, MAX_PASSWORD_LEN])
def test_the_shortest_and_the_longest_password_have_one(length):
    assert hash_password("x" * length).startswith("$argon2id$")


# --- clients ---


def test_a_client_that_redeems_codes_says_where_they_go(story, changes, unchanged):
    nowhere = dataclasses.replace(CODE_CLIENT, redirect_uris=())
    with pytest.raises(RegistryError, match="authorization_code wants --redirect-uri"):
        story.registry.add_client(nowhere, NOW_S, with_secret=True)
    known = dataclasses.replace(story.store.client(DOCTOR_APP), redirect_uris=())
    with pytest.raises(RegistryError, match="authorization_code wants --redirect-uri"):
        changes.client(known, NOW_S, "client-changed", "x").finish()
    assert unchanged()


def test_a_public_client_gets_no_secret(story, unchanged):
    public = dataclasses.replace(CODE_CLIENT, public=True)
    with pytest.raises(RegistryError, match="a public client has no secret"):
        story.registry.add_client(public, NOW_S, with_secret=True)
    assert unchanged()
    assert story.registry.add_client(public, NOW_S) is None
    assert story.store.client("app").public


def test_a_client_that_has_a_context_is_not_made_public(story, changes, unchanged):
    record = dataclasses.replace(story.store.client(DOCTOR_APP), public=True, secret_hash=None)
    with pytest.raises(RegistryError, match="not public"):
        changes.client(record, NOW_S, "client-changed", "x").finish()
    assert unchanged()


# --- audiences and scopes ---


def test_the_audience_of_the_server_itself_is_nobodys(story, changes, unchanged):
    for do in (
        lambda: story.registry.add_resource_server(ResourceServer("r", ("r", ADMIN_AUDIENCE), SCOPES), NOW_S),
        lambda: changes.resource_server(rs_like(story, EKG, audiences=(ADMIN_AUDIENCE,)), NOW_S, "c", "x").finish(),
    ):
        with pytest.raises(RegistryError, match="this server's own audience"):
            do()
    assert unchanged()


def test_an_audience_has_one_rs_unless_all_of_its_members_take_signed_tokens(story, changes, unchanged):
    taken = f"{EKG} has the audience {EKG} already"
    for record in (ResourceServer("r", ("r", EKG), SCOPES), ResourceServer("r", (EKG,), SCOPES, **SIGNED)):
        with pytest.raises(RegistryError, match=taken):
            story.registry.add_resource_server(record, NOW_S)
    with pytest.raises(RegistryError, match=taken):
        changes.resource_server(rs_like(story, TUBE, audiences=(EKG,)), NOW_S, "rs-changed", "x").finish()
    assert unchanged()
    for name in ("lamp", "lantern"):
        story.registry.add_resource_server(ResourceServer(name, ("lights",), SCOPES, **SIGNED), NOW_S)
    assert [rs.rs_id for rs in story.store.members_of("lights")] == ["lamp", "lantern"]
    alone = rs_like(story, "lamp", token_format="cwt-mac")
    with pytest.raises(RegistryError, match="lantern has the audience lights already"):
        changes.resource_server(alone, NOW_S, "rs-changed", "x").finish()


def test_an_rs_has_a_scope_at_least(story, changes, unchanged):
    for do in (
        lambda: story.registry.add_resource_server(ResourceServer("r", ("r",), {}), NOW_S),
        lambda: changes.resource_server(rs_like(story, EKG, scope_map={}), NOW_S, "rs-changed", "x").finish(),
    ):
        with pytest.raises(RegistryError, match="A resource server has a scope at least"):
            do()
    assert unchanged()


@pytest.mark.parametrize("sense", [{"connected": True}, {"exi_lifetime_s": 60}, {"freshness": True}, {"clock": True}])
def test_a_device_without_any_sense_of_time_is_known_as_one(sense):
    rs = ResourceServer("r", ("r",), SCOPES, "cwt-nested", connected=False)
    assert rs.is_timeless
    assert not dataclasses.replace(rs, **sense).is_timeless


# --- OSCORE contexts ---


def test_a_connected_rs_has_a_context_from_the_start_and_another_has_none(story):
    story.registry.add_resource_server(ResourceServer("r", ("r",), SCOPES), NOW_S)
    story.registry.add_resource_server(ResourceServer("s", ("s",), SCOPES, "cwt-nested", connected=False), NOW_S)
    assert story.store.oscore_party(rs_id="r").client_id is None
    assert story.store.oscore_party(rs_id="s") is None


def test_a_device_that_is_a_client_too_has_one_context_as_both(story, changes):
    story.registry.add_client(OWN_CLIENT, NOW_S)
    rs = ResourceServer("r", ("r",), SCOPES)
    story.registry.add_resource_server(rs, NOW_S, client_id="panel")
    both = story.store.oscore_party(rs_id="r")
    assert story.store.oscore_party(client_id="panel") == both
    alone = dataclasses.replace(rs, token_format="cwt-nested", connected=False)
    with pytest.raises(RegistryError, match="a device that is a client too is connected"):
        changes.resource_server(alone, NOW_S, "rs-changed", "x").finish()
    assert story.store.oscore_party(rs_id="r") == both


def test_a_client_is_linked_to_one_device_and_not_to_one_that_is_never_connected(story, changes, unchanged):
    add, offline = story.registry.add_resource_server, story.store.resource_server(TUBE)
    new = ResourceServer("r", ("r",), SCOPES)
    never = ResourceServer("s", ("s",), SCOPES, "cwt-nested", connected=False)

    def change(record, client_id):
        changes.resource_server(record, NOW_S, "rs-changed", "x", client_id).finish()

    for said, do in (
        ("There is no client nobody: add it first", lambda: add(new, NOW_S, "nobody")),
        ("There is no client nobody: add it first", lambda: change(rs_like(story, EKG), "nobody")),
        (f"{DOCTOR_APP} has an OSCORE context already", lambda: add(new, NOW_S, DOCTOR_APP)),
        (f"{DOCTOR_APP} has an OSCORE context already", lambda: change(rs_like(story, EKG), DOCTOR_APP)),
        (f"{EKG} has an OSCORE context already", lambda: change(rs_like(story, TUBE, connected=True), EKG)),
        ("a device that is a client too is connected", lambda: change(offline, EKG)),
        ("a device that is a client too is connected", lambda: add(never, NOW_S, EKG)),
    ):
        with pytest.raises(RegistryError, match=said):
            do()
    assert unchanged()


def test_linking_a_client_makes_a_new_context_and_ends_the_one_before(story, changes):
    story.registry.add_client(OWN_CLIENT, NOW_S)
    before = story.store.oscore_party(rs_id=EKG)
    changes.resource_server(rs_like(story, EKG), NOW_S, "rs-changed", "x", "panel").finish()
    after = story.store.oscore_party(client_id="panel")
    assert (after.rs_id, after.client_id) == (EKG, "panel")
    assert after.master_secret != before.master_secret
    assert story.store.oscore_party_by_kid(before.recipient_id) is None
    assert story.store.oscore_party(client_id=EKG) is None


def test_no_party_has_two_contexts(story, unchanged):
    for party in ({"client_id": DOCTOR_APP}, {"rs_id": EKG}, {"client_id": EKG, "rs_id": EKG}):
        with pytest.raises(RegistryError, match="has an OSCORE context already"):
            story.registry.add_oscore_party(NOW_S, **party)
    with pytest.raises(RegistryError, match="There is no client nobody: add it first"):
        story.registry.add_oscore_party(NOW_S, client_id="nobody")
    assert unchanged()


def test_a_server_without_an_address_tells_no_device_one(tmp_path):
    story = build_story_as(tmp_path, as_port=0)
    before = story.store.oscore_parties()
    for do in (
        lambda: story.registry.renew_oscore_party(EKG, NOW_S),
        lambda: story.exports.for_rs(EKG, NOW_S),
        lambda: story.exports.for_client(DOCTOR_APP, NOW_S),
    ):
        with pytest.raises(RegistryError, match="port 0, which no device can be told"):
            do()
    assert story.store.oscore_parties() == before
    assert story.exports.for_rs(TUBE, NOW_S).as_peer is None
    story.store.close()


# --- what leaves the server ---


def test_each_export_of_a_device_ends_the_context_that_it_had(story, unchanged):
    with pytest.raises(NotRegistered):
        story.exports.export_rs("nobody", NOW_S)
    assert unchanged()
    before = story.store.oscore_party(rs_id=EKG)
    told = [story.exports.export_rs(EKG, NOW_S) for _ in range(2)]
    after = story.store.oscore_party(rs_id=EKG)
    assert len({before.master_secret.reveal(), *(one.as_context.master_secret.reveal() for one in told)}) == 3
    assert (told[1].as_context.master_secret, told[1].client_id) == (after.master_secret, EKG)
    assert story.store.oscore_party_by_kid(before.recipient_id) is None
    assert [row.rs_id for row in story.store.audit_rows(99) if row.event == "rs-exported"] == [EKG, EKG]


def test_an_export_remembers_what_the_device_was_told_and_which_keys_it_holds(story):
    kids = [key.kid for key in story.exports.export_rs(TUBE, NOW_S).keys]
    assert len(kids) == 4
    assert all(TUBE in story.store.devices_with(kid) for kid in kids)
    assert story.store.export(TUBE).exported_at == NOW_S
    assert story.exports.outdated(TUBE, NOW_S) == []
    assert story.store.oscore_party(rs_id=TUBE) is None


def test_keys_that_leave_for_another_implementation_are_remembered(story, unchanged):
    with pytest.raises(NotRegistered):
        story.exports.export_keys("nobody", NOW_S)
    assert unchanged()
    public, shared = story.exports.export_keys(TUBE, NOW_S)
    assert (len(public), len(shared)) == (2, 2)
    assert all(story.store.devices_with(key.kid) == [TUBE] for key in (*public, *shared))
    assert story.exports.export_keys(EKG, NOW_S) == ([], [])  # it asks about reference tokens
    assert len(story.exports.export_keys(None, NOW_S)[0]) == 2


def test_a_client_is_exported_with_its_first_context_only(story):
    story.registry.add_client(OWN_CLIENT, NOW_S)
    told = story.exports.export_client("panel", NOW_S)
    assert told.as_context.master_secret == story.store.oscore_party(client_id="panel").master_secret
    with pytest.raises(RegistryError, match="has an OSCORE context already"):
        story.exports.export_client("panel", NOW_S)


def test_nothing_that_lives_by_the_clock_is_made_in_doubt_of_it(story, unchanged):
    story.registry._clock_doubt = "the clock was never set"
    for do in (
        lambda: story.exports.export_rs(EKG, NOW_S),
        lambda: story.exports.export_client(DOCTOR_APP, NOW_S),
        lambda: story.registry.rotate_key(NOW_S, force=True),
    ):
        with pytest.raises(RegistryError, match=r"^registry: Not done, because the clock was never set: see"):
            do()
    assert unchanged()


@pytest.mark.parametrize("party", [{"client_id": None, "rs_id": None}, {"client_id": DOCTOR_APP, "rs_id": EKG}])
def test_a_context_of_another_implementation_is_with_one_party(story, unchanged, party):
    exchange = ContextExchange(story.store, story.registry, CountingRng(b"x"))
    given = ContextParameters(Secret(b"m" * 16), b"", b"\1", b"\2", None, L.ALG_AES_CCM_16_64_128)
    with pytest.raises(RegistryError, match="Say either --client or --rs"):
        exchange.export(given, NOW_S, **party)
    with pytest.raises(RegistryError, match="Say either --client or --rs"):
        exchange.take_in(given, UNUSED, NOW_S, **party)
    for kind, nobody in (("client", {"client_id": "x", "rs_id": None}), ("rs", {"client_id": None, "rs_id": "x"})):
        with pytest.raises(NotRegistered) as caught:
            exchange.take_in(given, UNUSED, NOW_S, **nobody)
        assert caught.value.kind == kind
    assert unchanged()
