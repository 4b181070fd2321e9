"""No request costs more because the database is full: its statements use indexes, and take as many steps as before.

A new table gets a row in FILL, and a new request on the path of a peer one in REQUESTS.
"""

import dataclasses

import pytest

from holdfast_core import labels as L
from holdfast_core.token_split import HANDLE_LEN
from holdfast_server.authz.caller import Caller
from holdfast_server.coap.party_contexts import PartyContexts
from holdfast_server.records import Client
from testkit.authz import DOCTOR, DOCTOR_APP, EKG, NOW_S, TUBE, CountingRng, code_params, plain
from testkit.sealing import FRIDGE, NURSE_CALLER, PUMP, add_hub, nurse_token, seal
from testkit.sql import scans_of, statements_of, steps_of
from testkit.web import ADMIN, opened_web, redeem_fields

ROWS = 3000
BATCH = "client"  # that gets tokens for itself

# table -> statement that makes row number :n; each makes the columns it needs as unlike the story's as others would.
FILL = {
    "clients": "INSERT INTO clients (client_id, record, created_at) SELECT 'c' || :n, record, 1 FROM clients "
    f"WHERE client_id = '{DOCTOR_APP}'",
    "resource_servers": "INSERT INTO resource_servers (rs_id, record, created_at) SELECT 'r' || :n, record, 1 "
    f"FROM resource_servers WHERE rs_id = '{TUBE}'",
    "audiences": "INSERT INTO audiences (audience, rs_id) VALUES ('a' || :n, 'r' || :n)",
    "users": "INSERT INTO users (user_id, password_hash, scopes, created_at) SELECT 'u' || :n, '', scopes, 1 "
    f"FROM users WHERE user_id = '{DOCTOR}'",
    "consents": "INSERT INTO consents (user_id, client_id, audience, scope, granted_at) VALUES "
    f"('u' || :n, '{DOCTOR_APP}', '{EKG}', 'read_ekg', 1)",
    "authorization_codes": "INSERT INTO authorization_codes (code_hash, client_id, user_id, redirect_uri, "
    "code_challenge, audience, scope, requested_scope, expires_at) VALUES "
    f"(randomblob(32), '{DOCTOR_APP}', '{DOCTOR}', '', '', '{EKG}', '', '', {NOW_S + 60})",
    "tokens": "INSERT INTO tokens (token_id, token_hash, token_format, client_id, user_id, audience, scope, claims, "
    "pop_kid, issued_at, expires_at, parent_id, code_hash) VALUES (100000 + :n, randomblob(32), 'reference', "
    f"'{DOCTOR_APP}', '{DOCTOR}', '{EKG}', '', x'a0', randomblob(8), 1, {NOW_S + 600}, "
    "iif(:n % 2, NULL, 100000 + :n - 1), iif(:n % 2, randomblob(32), NULL))",
    "keys": "INSERT INTO keys (kid, role, rs_id, alg, secret, state, created_at) VALUES "
    "(randomblob(8), 'encrypt', 'r' || :n, 10, x'00', 'current', 1)",
    "oscore_parties": "INSERT INTO oscore_parties (recipient_id, sender_id, master_secret, master_salt, rs_id, "
    "created_at) VALUES (cast(x'7f' || randomblob(5) AS BLOB), x'00', randomblob(16), x'00', 'r' || :n, 1)",
    "device_keys": "INSERT INTO device_keys (rs_id, kid) VALUES ('r' || :n, randomblob(8))",
    "exports": "INSERT INTO exports (rs_id, exported_at, told) VALUES ('r' || :n, 1, '{}')",
    "exchanged_contexts": "INSERT INTO exchanged_contexts (digest) VALUES (randomblob(32))",
    "client_usage": "INSERT INTO client_usage (client_id) VALUES ('c' || :n)",
    "ended_sessions": "INSERT INTO ended_sessions (nonce) VALUES (randomblob(16))",
    "unfinished_revocations": "INSERT INTO unfinished_revocations (token_id, reason, address) "
    "VALUES (100000 + :n, '', '')",
    "token_rests": "INSERT INTO token_rests (handle, token_id, rest) VALUES (randomblob(9), 100000 + :n, x'00')",
    "audit": "INSERT INTO audit (at, event, client_id, user_id, token_id) VALUES "
    f"(:n, 'token-issued', '{DOCTOR_APP}', '{DOCTOR}', :n)",
}
FIXED = {"migrations", "sequences", "clock", "home", "server_secrets"}  # a row for each thing that this program knows
OWN = {"json_each"}  # the ids that the request itself gives


def fill(store):
    """Put ROWS rows into every table."""
    with store.transaction():
        for statement in FILL.values():
            for n in range(1, ROWS + 1):
                store._connection.execute(statement, {"n": n})
    store._connection.execute("PRAGMA optimize")


class World:
    """The story's server, with what each request needs prepared, so that it is the request alone that is counted."""

    def __init__(self, web):
        self.web, self.story = web, web.story
        self.store = self.story.store
        client = Client(BATCH, (L.GRANT_CLIENT_CREDENTIALS,), {EKG: ("read_ekg",)}, {EKG: "read_ekg"})
        self.story.registry.add_client(client, NOW_S)
        self.batch = Caller(BATCH, authenticated=True)
        self.code = self.story.code()
        self.used_code = self.story.code()
        self.story.server.token(code_params(self.used_code), self.story.doctor_app, NOW_S)
        self.token, self.other = (self.story.doctor_token()["access_token"] for _ in range(2))
        add_hub(self.story)
        self.reference, self.part = (nurse_token(self.story, of)["access_token"] for of in (FRIDGE, PUMP))
        self.browser, self.admin = web.browser("192.0.2.1"), web.browser("192.0.2.2")
        self.page = self.browser.authorize()
        self.consent = self.browser.log_in(self.page)
        self.late = web.browser("192.0.2.3")
        self.late_page = self.late.authorize()
        self.admin.log_in(self.admin.get("/admin"), ADMIN)
        self.web_code = web.browser("192.0.2.4").code()
        self.kid = plain(self.story, self.store.oscore_party(client_id=DOCTOR_APP)).recipient_id
        self.contexts = PartyContexts(self.store, CountingRng(b"derived"), lambda: NOW_S)

    def refuse(self):
        """A request that is refused and noted."""
        with pytest.raises(Exception, match="scope"):
            self.story.server.token({"grant_type": 2, "audience": EKG, "scope": "nothing"}, self.batch, NOW_S)

    def replay(self):
        """A used code again, which revokes what it gave."""
        with pytest.raises(Exception, match="code"):
            self.story.server.token(code_params(self.used_code), self.story.doctor_app, NOW_S)

    def sweep(self):
        """A sweep that finds one expired row of a kind."""
        expire = "UPDATE {} SET expires_at = 5 WHERE {} = (SELECT {} FROM {} ORDER BY {} DESC LIMIT 1)"
        for table, column in (("tokens", "token_id"), ("authorization_codes", "code_hash")):
            self.store._connection.execute(expire.format(table, column, column, table, column))
        assert self.store.sweep(10) == 2

    def lock(self):
        """An operator's command beside the server."""
        self.store.put_client(dataclasses.replace(self.store.client(BATCH), disabled=True), NOW_S)


REQUESTS = {
    "client_credentials": lambda w: w.story.server.token({"grant_type": 2, "audience": EKG}, w.batch, NOW_S),
    "code": lambda w: w.story.server.token(code_params(w.code), w.story.doctor_app, NOW_S),
    "exchange": lambda w: w.story.tube_token(w.token),
    "introspect": lambda w: w.story.server.introspect({"token": w.token}, w.story.ekg, NOW_S),
    "introspect-unknown": lambda w: w.story.server.introspect({"token": b"x" * 16}, w.story.ekg, NOW_S),
    "seal": lambda w: seal(w.story, w.reference),
    "rest": lambda w: seal(w.story, w.part[:HANDLE_LEN], audience=PUMP),
    "revoke-part": lambda w: w.story.server.revoke({"token": w.part}, NURSE_CALLER, NOW_S),
    "revoke": lambda w: w.story.server.revoke({"token": w.other}, w.story.doctor_app, NOW_S),
    "refusal": World.refuse,
    "replayed-code": World.replay,
    "lock": World.lock,
    "sweep": World.sweep,
    "oscore-context": lambda w: w.contexts.find(w.kid),
    "authorize-page": lambda w: w.web.browser().authorize(),
    "login": lambda w: w.late.log_in(w.late_page),
    "consent-page": lambda w: w.browser.authorize(),
    "consent": lambda w: w.browser.submit(w.consent, scope=["read_ekg"], decision="allow"),
    "https-token": lambda w: w.web.browser().token(redeem_fields(w.web_code)),
    "admin-page": lambda w: w.admin.get("/admin"),
    "quota": lambda w: w.store.live_tokens_of(BATCH),
    "usage": lambda w: w.store.add_client_usage(BATCH, 1, 1, 0, NOW_S),
    "readiness": lambda w: w.store.check_writable(),
}


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """(empty, full): two worlds that differ in nothing but what else is in the database."""
    with opened_web(tmp_path_factory.mktemp("empty")) as empty, opened_web(tmp_path_factory.mktemp("full")) as full:
        made = World(empty), World(full)
        fill(made[1].store)
        yield made


def test_every_table_is_filled(worlds):
    _, full = worlds
    rows = full.store._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert {row["name"] for row in rows if not row["name"].startswith("sqlite_")} - FIXED == set(FILL)
    for name in FILL:
        assert full.store._connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] >= ROWS


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_costs_the_same_when_every_table_is_full(worlds, name):
    taken = []
    for world in worlds:
        with statements_of(world.store) as statements, steps_of(world.store) as steps:
            REQUESTS[name](world)
        taken.append(steps[0])
        assert statements
    empty, full = taken
    # B-trees are two levels higher; the admin's page shows more rows, up to its limit.
    assert full <= 1.3 * empty + (8000 if name == "admin-page" else 60), (empty, full)
    assert {table for tables in scans_of(world.store, statements).values() for table in tables} <= FIXED | OWN
