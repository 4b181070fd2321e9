"""The store's rows: one-time codes, families of tokens, the sweep, restored backups, names full of SQL."""

import base64
import hashlib
import os
import threading
from dataclasses import replace

import pytest

from holdfast_server.authz.errors import StoreFailed
from holdfast_server.authz.revocation import Revocations
from holdfast_server.records import Client, CodeRecord, ResourceServer, TokenRecord, User, token_hash_of
from holdfast_server.store.home import EPOCH_JUMP
from holdfast_server.store.sqlite import Store
from testkit.authz import DOCTOR_APP, EKG, NOW_S, TUBE, build_story_as, consent_of


def token_record(name, now_s=NOW_S, parent_id=None, **changes):
    values = {
        "token_hash": token_hash_of(name.encode()),
        "token_format": "reference",
        "client_id": DOCTOR_APP,
        "user_id": None,
        "audience": EKG,
        "scope": "read_ekg",
        "claims": b"\xa0",
        "pop_kid": None,
        "issued_at": now_s,
        "expires_at": now_s + 100,
        "parent_id": parent_id,
    }
    return TokenRecord(**{**values, **changes})


def code_record(name, expires_at=NOW_S + 100):
    return CodeRecord(name.encode(), DOCTOR_APP, "doctor", "http://x/", "c", EKG, "read_ekg", "read_ekg", expires_at)


# --- codes ---


def test_fifty_connections_redeem_one_code_and_one_succeeds(tmp_path):
    """Threads, each with a connection of its own to the same database, as other processes would have."""
    story = build_story_as(tmp_path)
    story.store.add_code(code_record("one"))
    start = threading.Barrier(50)
    won = []

    def redeem():
        with Store(tmp_path, serving=False) as store:
            start.wait()
            if store.consume_code(b"one", NOW_S):
                won.append(threading.get_ident())

    threads = [threading.Thread(target=redeem) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    story.store.close()


def test_a_code_is_consumed_once_and_an_unknown_one_never(story):
    story.store.add_code(code_record("one"))
    assert not story.store.consume_code(b"two", NOW_S)
    assert story.store.consume_code(b"one", NOW_S)
    assert not story.store.consume_code(b"one", NOW_S + 1)
    assert story.store.code(b"one").consumed_at == NOW_S


# --- tokens ---


def test_revoking_reaches_all_descendants_and_nobody_else(story):
    store = story.store
    root = store.add_token(token_record("root"))
    child = store.add_token(token_record("child", parent_id=root))
    grandchild = store.add_token(token_record("grandchild", parent_id=child))
    other = store.add_token(token_record("other"))
    assert sorted(Revocations(store).revoke([child], NOW_S, "x")) == [child, grandchild]
    assert sorted(Revocations(store).revoke([root], NOW_S, "x")) == [root]
    assert store.token(b"other").revoked_at is None
    assert other not in (root, child, grandchild)


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"client_id": EKG}, ["b"]),
        ({"user_id": "doctor"}, ["c"]),
        ({"audiences": (TUBE,)}, ["b"]),
        ({"audiences": (TUBE, EKG)}, ["a", "b", "c"]),
        ({}, []),
        ({"client_id": "nobody"}, []),
    ],
)
def test_tokens_are_found_by_what_they_have_in_common_a_few_at_a_time(story, criteria, expected):
    records = {
        "a": token_record("a"),
        "b": token_record("b", client_id=EKG, audience=TUBE),
        "c": token_record("c", user_id="doctor"),
    }
    ids = {story.store.add_token(record): name for name, record in records.items()}
    found, after = [], 0
    while some := story.store.tokens_after(after, 1, **criteria):
        (after,) = some
        found.append(ids[after])
    assert found == expected
    assert sorted(ids[token_id] for token_id in story.store.revoke_tokens(sorted(ids), NOW_S)) == ["a", "b", "c"]
    assert story.store.tokens_after(0, 9, **criteria) == []
    assert [ids[token_id] for token_id in story.store.tokens_after(0, 9, **criteria, revoked=True)] == expected


def test_a_pop_key_counts_only_for_its_client_audience_and_while_its_token_lives(story):
    store = story.store
    token_id = store.add_token(token_record("a", pop_kid=b"k"))
    assert store.pop_key_issued(DOCTOR_APP, EKG, b"k", NOW_S)
    assert not store.pop_key_issued(EKG, EKG, b"k", NOW_S)
    assert not store.pop_key_issued(DOCTOR_APP, TUBE, b"k", NOW_S)
    assert not store.pop_key_issued(DOCTOR_APP, EKG, b"other", NOW_S)
    assert not store.pop_key_issued(DOCTOR_APP, EKG, b"k", NOW_S + 100)
    store.revoke_tokens([token_id], NOW_S)
    assert not store.pop_key_issued(DOCTOR_APP, EKG, b"k", NOW_S)


def test_a_token_is_found_by_the_hash_that_a_revocation_list_will_name(story):
    token = story.doctor_token()["access_token"]
    text = base64.urlsafe_b64encode(token).rstrip(b"=")
    assert story.store.token(token).token_hash == hashlib.sha256(text).digest()
    assert story.store.token(text) is None


def test_the_hash_of_the_token_in_rfc_9770_figure_3():
    """The RFC prints the token and its base64url text; the hash of the text is plain SHA-256."""
    token = bytes.fromhex(
        "d83dd0835820a3010a044c53796d6d6574726963313238054d99a0d7846e762c49ffe8a63e0ba05858b918a11fd81e438b7f973d9e2e"
        "119bcb22424ba0f38a80f27562f400ee1d0d6c0fdb559c02421fd384fc2ebe22d7071378b0ea7428fff157444d45f7e6afcda1aae5f6"
        "495830c58627087fc5b4974f319a8707a635dd643b"
    )
    assert token_hash_of(token).hex() == "1a06427bcbe5d29385202b8255820b8370ae481065a1e94017c0185bfbd51707"


# --- sweep, restore, deletion ---


def test_the_sweep_is_bounded_and_takes_only_what_has_expired(story):
    for number in range(10):
        story.store.add_token(token_record(f"old{number}", now_s=NOW_S - 200))
    story.store.add_token(token_record("live"))
    story.store.add_code(code_record("old", expires_at=NOW_S))
    story.store.add_code(code_record("live", expires_at=NOW_S + 1))
    assert story.store.sweep(NOW_S, limit=4) == 5
    assert story.store.sweep(NOW_S, limit=100) == 6
    assert story.store.sweep(NOW_S) == 0
    assert len(story.store.tokens()) == 1
    assert story.store.code(b"live") is not None


def test_the_sweep_finds_its_rows_by_index(story):
    for table, column in (("tokens", "expires_at"), ("authorization_codes", "expires_at"), ("audit", "at")):
        plan = story.store._all(f"EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE {column} <= 1 LIMIT 5")
        assert "USING INDEX" in plan[0]["detail"]


def test_old_audit_rows_go_and_young_ones_stay(story):
    rows = len(story.store.audit_rows(1000))
    assert story.store.sweep_audit(NOW_S) == 0
    assert story.store.sweep_audit(NOW_S + 1, limit=2) == 2
    assert story.store.sweep_audit(NOW_S + 1) == rows - 2
    assert story.store.audit_rows() == []


def test_after_a_restore_no_counter_repeats_and_no_code_lives(story):
    code = story.code()
    before = {party.recipient_id: party.sequence_reserved for party in story.store.oscore_parties()}
    exi_before = story.store.next_exi_sequence(TUBE)
    story.store.after_restore(NOW_S)
    after = {party.recipient_id: party.sequence_reserved for party in story.store.oscore_parties()}
    assert all(EPOCH_JUMP <= after[kid] - reserved < 3 * EPOCH_JUMP for kid, reserved in before.items())
    assert story.store.next_exi_sequence(TUBE) > exi_before + EPOCH_JUMP
    assert [party.window for party in story.store.oscore_parties()] == [None] * len(before)
    assert not story.store.consume_code(hashlib.sha256(code).digest(), NOW_S)


def test_deleting_a_client_takes_its_codes_tokens_and_context_with_it(story):
    story.doctor_token()
    assert story.store.delete_client(DOCTOR_APP)
    assert not story.store.delete_client(DOCTOR_APP)
    assert story.store.tokens() == []
    assert story.store.oscore_party(client_id=DOCTOR_APP) is None
    assert story.store.oscore_party(client_id=EKG) is not None


def test_sender_sequence_reservations_never_go_back(story):
    kid = story.store.oscore_parties()[0].recipient_id
    story.store.reserve_sender_sequence(kid, 128)
    story.store.reserve_sender_sequence(kid, 64)
    assert story.store.oscore_party_by_kid(kid).sequence_reserved == 128
    assert story.store.oscore_party_by_kid(b"nobody") is None


def test_records_come_back_as_they_went_in(tmp_path):
    client = Client("c", (1, 2), {"a": ("x", "y")}, {"a": "x"}, ("http://x/",), (1, 2), (b"\1\2",), disabled=True)
    client = replace(
        client, public=True, narrows=True, lenient=True, tells_token_type=False, title="C", secret_hash=b"h" * 32
    )
    rs = ResourceServer("r", ("a", "b"), {"x": (("/x", 1),)}, "cwt-nested", (1,), 5, 6, False, True)
    rs = replace(rs, clock=True, title="R", scope_titles={"x": "X"}, public_key=b"k", disabled=True)
    with Store(tmp_path) as store:
        store.put_client(client, NOW_S)
        store.put_resource_server(rs, NOW_S)
        assert store.clients() == [client]
        assert store.resource_servers() == [rs]
        assert store.members_of("b") == [rs]
        assert store.members_of("c") == []


def test_a_thread_that_is_not_the_owner_is_refused(story):
    errors = []

    def misuse():
        try:
            story.store.clients()
        except StoreFailed as error:
            errors.append(error)

    thread = threading.Thread(target=misuse)
    thread.start()
    thread.join()
    assert len(errors) == 1


def test_the_state_directory_is_not_world_readable_even_under_a_loose_umask(tmp_path):
    previous = os.umask(0)
    try:
        with Store(tmp_path / "s") as store:
            store.put_client(Client("c", (), {}), NOW_S)
            modes = {entry.stat().st_mode & 0o077 for entry in (tmp_path / "s").iterdir()}
    finally:
        os.umask(previous)
    assert modes == {0}


# --- names ---


SQL_TRICKS = ["x'; DROP TABLE clients; --", 'x" OR 1=1', "x\0y", "%_", "\u2028", "{{7*7}}", "a\nevent=fake"]


@pytest.mark.parametrize("trick", SQL_TRICKS)
def test_names_are_parameters_and_never_statements(story, trick):
    story.store.put_client(Client(trick, (), {trick: (trick,)}), NOW_S)
    story.store.put_resource_server(ResourceServer(trick, (trick,), {trick: ((trick, 1),)}), NOW_S)
    story.store.put_user(User(trick, trick, {trick: (trick,)}), NOW_S)
    story.store.put_consent(trick, trick, trick, trick, NOW_S)
    story.store.audit(NOW_S, "event", client_id=trick, rs_id=trick, user_id=trick)
    assert story.store.client(trick).scopes == {trick: (trick,)}
    assert [rs.rs_id for rs in story.store.members_of(trick)] == [trick]
    assert story.store.user(trick).password_hash == trick
    assert consent_of(story.store, trick, trick, trick) == trick
    assert story.store.audit_rows(1)[0].client_id == trick
    assert len(story.store.clients()) == 3
