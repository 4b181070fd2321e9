"""Whatever arrives, the answer is a Grant or a PeerError of the right kind: never another error, never a surprise."""

import cbor2
from hypothesis import example, given, settings
from hypothesis import strategies as st
from minitest import vectors

from holdfast_core import cbor
from holdfast_core.claims import claims_from_introspection, decode_claims
from holdfast_core.cnf import decode_cnf, decode_osc
from holdfast_core.confirmation import Cnf
from holdfast_core.cose import decode_message, message_from
from holdfast_core.cose_key import decode_cose_key
from holdfast_core.cwt import open_cwt
from holdfast_core.errors import Malformed, TokenRejected
from holdfast_core.grant import Grant
from holdfast_core.kinds import FORMATS
from holdfast_core.moment import Moment
from holdfast_core.scope import decode_aif, understand
from holdfast_core.verifier import grant_from_introspection, verify_token
from testkit.token_rules import load_rules
from vectors.gen import story as s
from vectors.gen import token_writer as w

RULES = load_rules()
GOOD = [bytes.fromhex(row["token"]) for row in vectors("tokens") if row["expect"] == "ok"]
# RFC 8392 section 6 leaves the tags to the sender, and a resource server of that shape takes a good token without them.
BARE = [token.removeprefix(b"\xd8\x3d") for token in GOOD]
SAME = {same for bare in BARE for same in (b"\xd8\x3d" + bare, bare, bare[1:])}

labels = st.one_of(st.integers(-70000, 70000), st.sampled_from(range(-4, 45)), st.text(max_size=4))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 64), (1 << 64) - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.binary(max_size=40),
    st.text(max_size=20),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(labels, inner, max_size=5)),
    max_leaves=12,
)
# Maps that look like what is expected: known labels, values that are often of the right type.
claim_maps = st.dictionaries(st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 9, 38, 39, 40, -65544, 99]), values, max_size=10)
cnf_maps = st.dictionaries(st.sampled_from([1, 2, 3, 4, 5, 77]), values, max_size=4)
key_maps = st.dictionaries(st.sampled_from([1, 2, 3, 4, 5, -1, -2, -3, -4]), values, max_size=8)
osc_maps = st.dictionaries(st.sampled_from(range(8)), values, max_size=8)


def only(kinds, function, *args):
    """Call; return what it returns, or None for one of the errors allowed. Anything else is the test's failure."""
    try:
        return function(*args)
    except kinds:
        return None


@given(st.binary(max_size=200))
def test_any_bytes(noise):
    for decode in (decode_claims, decode_message, decode_aif):
        only(Malformed, decode, noise)
    assert only((Malformed, TokenRejected), open_cwt, noise, RULES["any"].trust, FORMATS) is None
    assert only((Malformed, TokenRejected), verify_token, noise, RULES["any"], Moment(s.NOW)) is None


@given(st.binary(max_size=60), st.sampled_from([16, 17, 18]))
def test_any_bytes_behind_a_good_head(noise, tag):
    for token in (w.tag(61, w.tag(tag, noise)), w.cwt(tag, w.array(w.bstr(noise), w.EMPTY_MAP, w.bstr(noise)))):
        assert only((Malformed, TokenRejected), verify_token, token, RULES["any"], Moment(s.NOW)) is None


@given(st.sampled_from(GOOD), st.data())
@settings(max_examples=300)
def test_a_changed_token_is_never_a_grant(token, data):
    at = data.draw(st.integers(0, len(token) - 1))
    piece = data.draw(st.binary(max_size=6))
    changed = token[:at] + piece + token[at + data.draw(st.integers(0, 6)) :]
    if changed not in SAME:
        for rules in RULES.values():
            assert only((Malformed, TokenRejected), verify_token, changed, rules, Moment(s.NOW)) is None


@given(values)
def test_any_value(value):
    for decode in (decode_cose_key, decode_osc, decode_cnf, claims_from_introspection):
        only(Malformed, decode, value)
    for tag in (16, 17, 18):
        only(Malformed, message_from, tag, value)
    only((Malformed, TokenRejected), grant_from_introspection, value, RULES["any"], Moment(s.NOW), s.ISSUER, b"")


@given(cnf_maps, key_maps, osc_maps, st.sampled_from([1, 4, 2, None]))
def test_any_confirmation(cnf, key, osc, method):
    if method:
        cnf = cnf | {method: osc if method == 4 else key}
    decoded = only(Malformed, decode_cnf, cnf, cbor.encode)
    assert decoded is None or isinstance(decoded, Cnf)


@given(claim_maps, cnf_maps)
@example({1: s.ISSUER, 3: s.TUBE, 4: s.NOW + 1, 9: "read_result"}, {4: {0: b"", 2: bytes(16)}})
@settings(max_examples=300)
def test_any_claims_well_protected(claims, cnf):
    """Each claims set is really encrypted and signed: what comes out is a Grant or a reason."""
    payload = cbor2.dumps({**claims, 8: cnf}, canonical=True)
    token = w.cwt(16, s.nested_message(payload))
    grant = only(
        (Malformed, TokenRejected),
        verify_token,
        token,
        RULES["tube"],
        Moment(s.NOW, exi_floor=0, cnonce_check=lambda _: True),
    )
    assert grant is None or isinstance(grant, Grant)
    only(Malformed, decode_claims, payload)


@given(claim_maps, osc_maps)
@example({}, {})
@example({1: s.ISSUER, 38: 2, 40: 60, 7: s.RS_ID + bytes(7) + b"\1"}, {4: 30, 5: b""})
def test_a_grant_keeps_every_promise(claims, osc):
    """A claims set that is mostly good: whenever it passes, each promise of the verifier holds for its claims."""
    claims = {3: s.TUBE, 4: s.NOW + 1, 9: "read_result", 8: {4: {0: b"", 2: bytes(16)} | osc}} | claims
    token = w.cwt(16, s.nested_message(cbor2.dumps(claims, canonical=True)))
    grant = only((Malformed, TokenRejected), verify_token, token, RULES["tube"], Moment(s.NOW, exi_floor=0))
    if grant is None:
        return
    assert claims.get(1, s.ISSUER) == s.ISSUER == grant.iss
    assert claims.get(4) is None or claims[4] > s.NOW
    assert s.TUBE in ([claims[3]] if isinstance(claims[3], str) else claims[3])
    assert claims.get(38, 2) == 2
    assert 39 not in claims
    assert grant.permissions.entries()
    assert grant.cnf.osc is None or 16 <= len(grant.cnf.osc.ms) <= 64


@given(st.one_of(st.text(max_size=30), st.binary(max_size=30)))
def test_any_scope(scope):
    permissions = only((Malformed, TokenRejected), understand, scope, RULES["tube"].scope_map)
    assert permissions is None or all(RULES["tube"].scope_map.serves(path) for path, _ in permissions.entries())
