"""Properties of the whole server: nothing a peer sends breaks it, and delegation only ever shrinks.

The second is a model: random clients issue, exchange, revoke, lock and wait, and after each step every token that is
still active must be within what it came from.
"""

import contextlib
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from holdfast_core import labels as L
from holdfast_core.errors import PeerError
from holdfast_server.authz.caller import Caller
from holdfast_server.authz.errors import AuthorizeError, OAuthError, ServerRefusal
from holdfast_server.authz.token_request import TokenRequest, parse_token_request
from holdfast_server.records import Client, ResourceServer
from testkit.authz import EKG, NOW_S, REDIRECT_URI, build_story_as, change_client, change_rs, exchange_params

PARAMETERS = """
grant_type client_id audience scope req_cnf ace_profile cnonce code redirect_uri code_verifier subject_token
subject_token_type requested_token_type actor_token actor_token_type resource token unknown
""".split()  # noqa: SIM905 - a list of strings would be three times as long

SCALARS = st.none() | st.booleans() | st.integers(-70000, 70000) | st.text(max_size=8) | st.binary(max_size=40)
LABELS = st.integers(-5, 12)
KEYS = st.dictionaries(LABELS, SCALARS, max_size=5)
VALUES = SCALARS | KEYS | st.dictionaries(LABELS, KEYS, max_size=2) | st.lists(SCALARS, max_size=2)
REQUESTS = st.dictionaries(st.sampled_from(PARAMETERS), VALUES, max_size=8)


@given(REQUESTS)
def test_any_parameters_are_a_request_or_an_oauth_error(params):
    try:
        outcome = parse_token_request(params)
    except OAuthError as refused:
        outcome = refused.ace_error
    errors = (L.ERR_INVALID_REQUEST, L.ERR_INVALID_SCOPE, L.ERR_UNSUPPORTED_POP_KEY)
    assert isinstance(outcome, TokenRequest) or outcome in errors


def test_any_parameters_get_an_answer_or_a_refusal(story, sensor):
    statuses = set()

    @settings(max_examples=100)
    @given(REQUESTS)
    def ask(params):
        for endpoint in (story.server.token, story.server.introspect, story.server.revoke):
            try:
                endpoint(params, sensor, NOW_S)
                statuses.add(200)
            except ServerRefusal as refused:
                statuses.add(refused.http_status)

    with story.store.transaction():
        ask()
    assert {200, 400, 403} <= statuses <= {200, 400, 401, 403}


def test_any_authorization_request_is_shown_or_refused(story):
    names = ["response_type", "client_id", "redirect_uri", "audience", "scope", "code_challenge", "state"]
    values = st.sampled_from(["code", "doctor_app", REDIRECT_URI, EKG]) | st.text(max_size=50)

    redirects = set()

    @settings(max_examples=100)
    @given(st.dictionaries(st.sampled_from(names), values))
    def ask(params):
        try:
            redirects.add(story.server.authorize(params, NOW_S).redirect_uri)
        except AuthorizeError as refused:
            redirects.add(refused.redirect_uri)
        assert redirects <= {None, REDIRECT_URI}

    ask()
    assert None in redirects


NAMES = ("read", "write", "calibrate")
SCOPES = {name: ((f"/{name}", L.METHOD_GET),) for name in NAMES}
SOME = st.sets(st.sampled_from(NAMES), min_size=1)
HOPS = ("hop0", "hop1", "hop2")


class Delegation(RuleBasedStateMachine):
    """Three RSs that are clients of each other; every token is a reference, so each can be exchanged on."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.story = build_story_as(self.folder.name)
        self.now_s = NOW_S
        self.issued = []  # (token, audience)
        for number, hop in enumerate(HOPS):
            lifetime_s = (600, 3600, 60)[number]
            rs = ResourceServer(hop, (hop,), SCOPES, token_lifetime_s=lifetime_s)
            self.story.registry.add_resource_server(rs, NOW_S)
            grant_types = (L.GRANT_CLIENT_CREDENTIALS, L.PRIV_GRANT_TOKEN_EXCHANGE)
            self.story.registry.add_client(Client(hop, grant_types, dict.fromkeys(HOPS, NAMES)), NOW_S)

    def teardown(self):
        self.story.store.close()
        self.folder.cleanup()

    def _ask(self, params, caller):
        try:
            answer = self.story.server.token(params, caller, self.now_s)
        except PeerError:
            return
        self.issued.append((answer["access_token"], params["audience"]))

    @rule(client=st.sampled_from(HOPS), audience=st.sampled_from(HOPS), names=SOME)
    def issue(self, client, audience, names):
        params = {"audience": audience, "scope": " ".join(sorted(names))}
        self._ask(params, Caller(client, client, authenticated=True))

    @precondition(lambda self: self.issued)
    @rule(data=st.data(), audience=st.sampled_from(HOPS), names=SOME)
    def exchange(self, data, audience, names):
        token, at = data.draw(st.sampled_from(self.issued))
        params = exchange_params(token, audience=audience, scope=" ".join(sorted(names)))
        self._ask(params, Caller(at, at, authenticated=True))

    @precondition(lambda self: self.issued)
    @rule(data=st.data())
    def revoke(self, data):
        token, _ = data.draw(st.sampled_from(self.issued))
        for client in HOPS:
            with contextlib.suppress(PeerError):  # another client's
                self.story.server.revoke({"token": token}, Caller(client, authenticated=True), self.now_s)

    @rule(client=st.sampled_from(HOPS), disabled=st.booleans())
    def lock(self, client, disabled):
        change_client(self.story, client, disabled=disabled)

    @rule(rs=st.sampled_from(HOPS), names=SOME)
    def shrink(self, rs, names):
        change_rs(self.story, rs, scope_map={name: SCOPES[name] for name in names})

    @rule(seconds=st.integers(1, 400))
    def wait(self, seconds):
        self.now_s += seconds

    @invariant()
    def what_is_derived_stays_within_its_origin(self):
        records = {record.token_id: record for record in self.story.store.tokens(limit=10_000)}
        for record in records.values():
            if record.parent_id is None:
                continue
            parent = records[record.parent_id]
            assert set(record.scope.split()) <= set(parent.scope.split())
            assert record.expires_at <= parent.expires_at
            assert record.revoked_at is not None or parent.revoked_at is None

    @invariant()
    def a_token_is_worth_what_the_registry_allows_now(self):
        clients = {client.client_id: client for client in self.story.store.clients()}
        offered = {rs.rs_id: set(rs.scope_map) for rs in self.story.store.resource_servers()}
        records = {record.token_id: record for record in self.story.store.tokens(limit=10_000)}

        def left(record):
            if clients[record.client_id].disabled:
                return set()
            names = set(record.scope.split()) & offered[record.audience]
            return names if record.parent_id is None else names & left(records[record.parent_id])

        for token, audience in self.issued:
            record = self.story.store.token(token)
            rs = Caller(rs_id=audience, authenticated=True)
            told = self.story.server.introspect({"token": token}, rs, self.now_s)
            live = record.revoked_at is None and self.now_s < record.expires_at
            assert told["active"] == (live and bool(left(record)))
            if told["active"]:
                assert set(told["scope"].split()) == left(record)


TestDelegation = Delegation.TestCase
TestDelegation.settings = settings(max_examples=25, stateful_step_count=25, deadline=None, derandomize=True)


def test_the_model_can_fail(story):
    """The same check, with a record that breaks it."""
    story.tube_token(story.doctor_token()["access_token"])
    record = story.store.tokens()[0]
    assert record.parent_id == 1
    story.store._execute("UPDATE tokens SET scope = 'read_result fly' WHERE token_id = ?", (record.token_id,))
    machine = Delegation()
    machine.teardown()
    machine.story = story
    try:
        machine.what_is_derived_stays_within_its_origin()
    except AssertionError:
        return
    raise AssertionError("the broken record went unnoticed")
