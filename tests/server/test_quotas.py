"""Quotas of those who have authenticated: what runs wild is refused with the right codes, and counted."""

import json
from types import SimpleNamespace

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import request
from holdfast_server.authz.authorization_server import AuthorizationServer
from holdfast_server.authz.caller import Caller
from holdfast_server.authz.errors import OAuthError, TooManyRequests
from holdfast_server.authz.quotas import (
    BURST_S,
    BY_REQUESTS,
    BY_ROWS,
    BY_TOKENS,
    ROWS_BURST_S,
    Quotas,
)
from holdfast_server.authz.settings import QuotaSettings
from holdfast_server.cli.serve import keep_counts, write_usage
from holdfast_server.coap.site import CoapSite
from holdfast_server.process.config import ConfigError, parse
from holdfast_server.wire.ace_cbor import decode_token_request
from testkit.authz import DOCTOR_APP, NOW_S, CountingRng, code_params, exchange_params
from testkit.web import opened_web, redeem_fields

PANEL = {"grant_type": L.GRANT_CLIENT_CREDENTIALS, "audience": "sensor"}


class Metered:
    """The story's server with quotas, and a clock for them."""

    def __init__(self, story, **settings):
        self.story = story
        self.store = story.store
        self.ms = 1_000_000
        self.now_s = NOW_S
        self.quotas = Quotas(QuotaSettings(**settings), lambda: self.ms)
        self.server = AuthorizationServer(
            story.store, story.keyring, story.settings, CountingRng(b"metered"), None, self.quotas
        )

    def tries(self, params, caller, count):
        """How many were answered, refused by quota, and refused otherwise."""
        told = {"issued": 0, "limited": 0, "refused": 0}
        for _ in range(count):
            try:
                self.server.token(dict(params), caller, self.now_s)
                told["issued"] += 1
            except TooManyRequests:
                told["limited"] += 1
            except OAuthError:
                told["refused"] += 1
        return told

    def rows(self, *events):
        return [(row.event, row.reason) for row in self.store.audit_rows(100_000) if row.event in events]


def test_requests_are_bounded_for_each_party_and_no_other_feels_it(story, sensor):
    metered = Metered(story, requests_per_s=2)
    told = metered.tries({"grant_type": 99}, sensor, 100)
    assert told == {"issued": 0, "limited": 100 - 2 * BURST_S, "refused": 2 * BURST_S}
    assert metered.server.introspect({"token": b"x"}, story.ekg, NOW_S) == {"active": False}
    assert metered.tries(PANEL, sensor, 1)["limited"] == 1
    metered.ms += 500
    assert metered.tries(PANEL, sensor, 2) == {"issued": 1, "limited": 1, "refused": 0}
    with pytest.raises(TooManyRequests, match=BY_REQUESTS):
        metered.server.revoke({"token": b"x"}, sensor, NOW_S)
    tube = Caller(rs_id="sensor", authenticated=True)
    for _ in range(2 * BURST_S):
        metered.server.introspect({"token": b"x"}, tube, NOW_S)
    with pytest.raises(TooManyRequests, match=BY_REQUESTS):
        metered.server.introspect({"token": b"x"}, tube, NOW_S)


def test_live_tokens_are_bounded_and_a_withdrawn_or_deleted_one_makes_room(story, sensor):
    metered = Metered(story, live_tokens=3)
    assert metered.tries(PANEL, sensor, 5) == {"issued": 3, "limited": 2, "refused": 0}
    assert metered.rows("token-refused") == [("token-refused", f"too-many-requests: {BY_TOKENS}")] or BY_TOKENS in str(
        metered.rows("token-refused")
    )
    newest = story.store.tokens("panel")[0]
    story.store.revoke_tokens([newest.token_id], NOW_S)
    story.store.revoke_tokens([newest.token_id], NOW_S)
    assert metered.tries(PANEL, sensor, 2)["issued"] == 1
    story.store.sweep(NOW_S + 601)
    assert story.store.live_tokens_of("panel") == 0
    assert metered.tries(PANEL, sensor, 4)["issued"] == 3


def test_rows_of_the_audit_are_bounded_and_a_code_that_met_the_bound_is_not_used_up(story, sensor):
    metered = Metered(story, audit_rows_per_s=1, requests_per_s=10_000)
    told = metered.tries(PANEL, sensor, ROWS_BURST_S + 50)
    assert told == {"issued": ROWS_BURST_S, "limited": 50, "refused": 0}
    assert len(metered.rows("token-refused")) == 1
    assert BY_ROWS in metered.rows("token-refused")[0][1]
    few = Metered(story, live_tokens=1)
    one, two = story.code(), story.code()
    few.server.token(code_params(one), story.doctor_app, NOW_S)
    with pytest.raises(TooManyRequests):
        few.server.token(code_params(two), story.doctor_app, NOW_S)
    story.store.revoke_tokens([token.token_id for token in story.store.tokens(DOCTOR_APP)], NOW_S)
    assert few.server.token(code_params(two), story.doctor_app, NOW_S)["access_token"]


def test_a_refusal_is_written_at_once_and_then_counted_a_row_a_minute(story, sensor):
    metered = Metered(story, requests_per_s=10_000)
    wrong = {**PANEL, "audience": "nothing"}
    for _ in range(3):
        metered.tries(wrong, sensor, 500)
        metered.now_s += 60
    reasons = [reason for _, reason in reversed(metered.rows("token-refused"))]
    assert reasons == [reasons[0]] + [f"{reasons[0]}; 499 more since the row before"] * 2
    keep_counts(metered.server, story.store, metered.quotas, NOW_S)
    assert metered.rows("token-refused")[0][1] == reasons[1]
    usage = {usage.client_id: usage for usage in story.store.client_usages()}["panel"]
    assert (usage.requests, usage.refused, usage.limited, usage.last_at) == (1500, 1500, 0, NOW_S)
    write_usage(story.store, metered.quotas, NOW_S + 1)
    assert {usage.client_id: usage for usage in story.store.client_usages()}["panel"] == usage


def test_over_https_it_is_429_with_retry_after_and_over_coap_4_29_with_max_age(tmp_path):
    with opened_web(tmp_path) as web:
        metered = Metered(web.story, requests_per_s=1)
        web.story.server._quotas = metered.quotas
        browser = web.browser()
        for _ in range(BURST_S):
            assert browser.token(redeem_fields("AA")).status_code == 400
        told = browser.token(redeem_fields("AA"))
        assert (told.status_code, told.content, told.headers["retry-after"]) == (429, b"", "5")
        context = SimpleNamespace(owner=web.story.ekg)
        site = CoapSite(metered.server)
        asked = request(L.CODE_POST, "/token", b"\xa0", L.CF_ACE_CBOR)
        codes = [site.answer(asked, context, NOW_S) for _ in range(BURST_S + 1)]
        assert {answer.code for answer in codes[:-1]} == {L.CODE_BAD_REQUEST}
        assert (codes[-1].code, codes[-1].payload, codes[-1].uint(L.OPT_MAX_AGE)) == (L.CODE_TOO_MANY_REQUESTS, b"", 5)
    assert decode_token_request(b"\xa0") == {}


def test_a_stranger_uses_up_nobodys_quota(story):
    metered = Metered(story, requests_per_s=1)
    public = Caller(DOCTOR_APP, public=True)
    metered.tries({"grant_type": 99}, public, 100)
    assert metered.tries({"grant_type": 99}, story.doctor_app, 1)["limited"] == 0


def test_the_defaults_do_not_bother_a_busy_ward(story):
    """An EKG that exchanges for a tube each second, for a quarter of an hour, and a rush of a hundred at once."""
    metered = Metered(story)
    subject = metered.server.token(code_params(story.code()), story.doctor_app, NOW_S)["access_token"]
    told = metered.tries(exchange_params(subject), story.ekg, 100)
    assert told["issued"] == 100
    for _ in range(900 // 10):
        metered.ms += 10_000
        assert metered.tries(exchange_params(subject), story.ekg, 10)["limited"] == 0


def test_quotas_are_configured_in_the_one_file(tmp_path):
    document = {"issuer": "https://as.example", "quota": {"live_tokens": 7}}
    assert parse(document, tmp_path).quota == QuotaSettings(live_tokens=7)
    for wrong in ({"live_tokens": 0}, {"requests_per_s": "x"}, {"requests": 1}):
        with pytest.raises(ConfigError, match="quota"):
            parse({**document, "quota": wrong}, tmp_path)


def test_stats_say_what_each_client_has_used(run):
    run("rs", "add", "tube", "--scope", "read=GET:/t", "--format", "cwt-encrypted")
    run("client", "add", "svc", "--grant", "client_credentials", "--allow", "tube=read")
    (usage,) = json.loads(run("client", "stats", "--json").stdout)
    assert usage == {
        "client_id": "svc",
        "requests": 0,
        "issued": 0,
        "live_tokens": 0,
        "refused": 0,
        "limited": 0,
        "last": None,
    }
    assert "svc" in run("client", "stats").stdout
