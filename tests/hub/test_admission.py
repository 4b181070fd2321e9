"""What the hub refuses early, with which code and for how long; that it allows nothing; that its tables are bounded."""

import pytest

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.ace_oscore import encode_authz_info
from holdfast_core.coap_message import Message, request
from holdfast_hub.admission.desk import AdmissionDesk, Limits, Quotas
from holdfast_hub.admission.tokens import readable_claims
from holdfast_hub.process.config import load
from holdfast_hub.process.early import limits_in
from holdfast_hub.records import Asked, Device, Now
from testkit import mint
from testkit.work import assert_no_more, least_work_of

TUBE = Device("tube-1", "line", audience="tube")
OTHER = Device("tube-2", "line")
NOW_S = 1_800_000_000
OVER = NOW_S - 301


class Field:
    def __init__(self, **limits):
        self.desk = AdmissionDesk(self, Limits(**limits))
        self.said = []
        self.ms = 1000

    def respond(self, asked, message, now_ms):
        self.said.append(message)

    def ask(self, message=None, host="10.0.0.1", device=TUBE, wall_s=NOW_S):
        """What is answered, None when the next desk is asked."""
        message = message or request(L.CODE_GET, "/result")
        served = self.desk.serve(Asked(1, (host, (host, 9), 5683), message, device), Now(self.ms, wall_s))
        assert served == bool(self.said)
        return self.said.pop() if served else None


def signed(claims):
    return cbor.encode(cbor.Tag(L.TAG_CWT, mint.sign1(cbor.encode(claims))))


def maced(claims):
    return cbor.encode(cbor.Tag(L.TAG_COSE_MAC0, [cbor.encode({L.HDR_ALG: 4}), {}, cbor.encode(claims), bytes(8)]))


def shown(make, **more):
    """The body of a POST to authz-info."""
    return encode_authz_info(make(mint.claims("tube", "read", NOW_S, **more)), bytes(8), b"\x01")


def post(body):
    return request(L.CODE_POST, "/authz-info", body, L.CF_ACE_CBOR)


def test_without_limits_all_goes_on():
    field = Field()
    for number in range(2000):
        assert field.ask(host=f"10.0.0.{number % 200}") is None
    assert field.ask(post(shown(signed))) is None
    assert field.ask(post(b"\xff")) is None


def test_a_client_that_asks_too_fast_is_told_when_to_come_again_and_no_other_is():
    field = Field(per_s=0.5, at_once=3)
    assert [field.ask() for _ in range(3)] == [None] * 3
    answer = field.ask()
    assert (answer.code, answer.uint(L.OPT_MAX_AGE)) == (L.CODE_TOO_MANY_REQUESTS, 2)
    assert answer.payload == b"too many requests at once"
    assert field.ask(host="10.0.0.2") is None
    field.ms += 2000
    assert field.ask() is None
    assert field.desk.counts["too-fast"] == 1


def test_all_together_are_bounded_too():
    field = Field(all_per_s=10, all_at_once=5)
    answers = [field.ask(host=f"10.0.0.{number}") for number in range(8)]
    assert [answer is None for answer in answers] == [True] * 5 + [False] * 3
    assert answers[-1].uint(L.OPT_MAX_AGE) == 1


def test_a_clients_quota_is_its_own_and_comes_back():
    field = Field(client_quota=2, quota_s=60)
    assert [field.ask(), field.ask()] == [None, None]
    field.ms += 20_000
    answer = field.ask()
    assert (answer.code, answer.uint(L.OPT_MAX_AGE)) == (L.CODE_TOO_MANY_REQUESTS, 40)
    assert field.ask(host="10.0.0.2") is None
    field.ms += 39_999
    assert field.ask().uint(L.OPT_MAX_AGE) == 1
    field.ms += 1
    assert field.ask() is None


def test_a_devices_quota_spares_it_whoever_asks_and_the_hub_still_answers():
    field = Field(device_quota=2, quota_s=60)
    assert [field.ask(host=f"10.0.0.{number}") for number in range(2)] == [None, None]
    answer = field.ask(host="10.0.0.9")
    assert (answer.code, answer.uint(L.OPT_MAX_AGE)) == (L.CODE_SERVICE_UNAVAILABLE, 60)
    assert field.ask(device=OTHER) is None
    assert field.ask(device=None) is None


def test_what_is_refused_uses_up_nobodys_quota():
    field = Field(client_quota=2, device_quota=1)
    assert field.ask() is None
    assert field.ask().code == L.CODE_SERVICE_UNAVAILABLE
    assert field.ask(device=OTHER) is None
    assert field.ask(post(shown(signed))).code == L.CODE_TOO_MANY_REQUESTS


@pytest.mark.parametrize("make", [signed, maced])
def test_a_token_that_is_over_is_refused_when_it_can_be_read(make):
    field = Field()
    answer = field.ask(post(shown(make, exp=OVER)))
    assert (answer.code, answer.payload) == (L.CODE_UNAUTHORIZED, b"the token is over")
    assert field.ask(post(shown(make, exp=OVER)), wall_s=None) is None  # the clock is not believed
    assert field.ask(post(shown(make, exp=OVER + 2))) is None  # clocks differ
    assert field.ask(post(shown(mint.encrypted, exp=OVER))) is None  # cannot be read


def test_a_foreign_token_is_refused_when_the_operator_has_said_what_is_foreign():
    foreign = post(shown(signed, iss="coaps://elsewhere"))
    assert Field().ask(foreign) is None
    field = Field(issuers=(mint.ISSUER,))
    answer = field.ask(foreign)
    assert (answer.code, answer.payload) == (L.CODE_UNAUTHORIZED, b"the token is of another issuer")
    assert field.ask(post(shown(signed, iss=mint.ISSUER))) is None


def test_a_token_for_another_device_is_refused_where_the_audience_is_known():
    stray = post(shown(signed, aud="other"))
    assert Field().ask(stray) is None
    field = Field(check_audience=True)
    answer = field.ask(stray)
    assert (answer.code, answer.payload) == (L.CODE_FORBIDDEN, b"the token is for another audience")
    assert field.ask(stray, device=OTHER) is None  # its entry has no audience
    assert field.ask(post(shown(signed, aud="tube"))) is None


def test_only_posts_to_authz_info_are_read():
    field = Field()
    body = shown(signed, exp=OVER)
    assert field.ask(request(L.CODE_POST, "/result", body)) is None
    assert field.ask(request(L.CODE_PUT, "/authz-info", body)) is None
    assert field.ask(post(body), device=None) is None
    assert (
        field.ask(Message(L.CODE_POST, body).add(L.OPT_OSCORE, b"\x09\x01").add(L.OPT_URI_PATH, "authz-info")) is None
    )


def test_no_body_makes_it_raise_or_refuse_what_it_cannot_read():
    field = Field(issuers=("x",), check_audience=True)
    whole = shown(signed, exp=OVER)
    for end in range(len(whole)):
        assert readable_claims(whole[:end]) is None
        assert field.ask(post(whole[:end])) is None
    for at in range(len(whole)):
        for value in (0x00, 0x5F, 0xA0, 0xF6, 0xFF):
            changed = whole[:at] + bytes([value]) + whole[at + 1 :]
            answer = field.ask(post(changed))
            assert answer is None or answer.code in (L.CODE_UNAUTHORIZED, L.CODE_FORBIDDEN)
    assert field.ask(post(cbor.encode({L.ACE_ACCESS_TOKEN: b"reference"}))) is None


def test_the_tables_are_bounded_and_what_is_full_costs_no_more():
    quotas = Quotas(1, 60, 100)
    for number in range(1000):
        quotas.count(number, 0)
    assert len(quotas) == 100
    assert quotas.wait_s(999, 0) == 60
    assert quotas.wait_s(899, 0) == 0  # forgotten: the one that was quiet for longest

    def work(held):
        full = Quotas(1, 60, held)
        names = iter(range(10**9))
        for _ in range(held):
            full.count(next(names), 0)
        return least_work_of(lambda: (full.wait_s(next(names), 0), full.count(next(names), 0)))

    assert_no_more(work(5000), work(10))
    field = Field(per_s=1, client_quota=5, device_quota=10_000, clients=50)
    for number in range(500):
        field.ask(host=f"10.0.{number // 250}.{number % 250}")
    assert len(field.desk._clients) == 50
    assert len(field.desk._bucket) == 50


def test_an_operator_sets_it_in_hub_toml(tmp_path):
    path = tmp_path / "hub.toml"
    path.write_text(
        "[admission]\nper_s = 5\nat_once = 6\nall_per_s = 7\nall_at_once = 8\nclient_quota = 9\ndevice_quota = 10\n"
        'quota_s = 11\nissuers = ["as"]\ncheck_audience = true\n'
    )
    assert limits_in(load(path, environment={})) == Limits(5, 6, 7, 8, 9, 10, 11, ("as",), check_audience=True)
    path.write_text("")
    assert limits_in(load(path, environment={})) == Limits()
