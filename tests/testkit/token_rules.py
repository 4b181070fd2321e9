"""The resource servers of tests/vectors/token_rules.jsonl, as Rules; runs on both interpreters."""

from minitest import vectors

from holdfast_core import crypto
from holdfast_core.errors import Malformed, PeerError
from holdfast_core.moment import Moment
from holdfast_core.rules import Rules
from holdfast_core.scope import ScopeMap
from holdfast_core.secret import Secret
from holdfast_core.token_check import verify_token
from holdfast_core.trust import Trust, TrustedKey


def trusted_key(row):
    """Build the key of a row with role, kid, alg, issuer and key in hex (sign: x and y)."""
    material = bytes.fromhex(row["key"])
    is_public = row["role"] == "sign"
    key = crypto.Es256Key(material[:32], material[32:]) if is_public else Secret(material)
    return TrustedKey(row["role"], bytes.fromhex(row["kid"]), row["alg"], row["issuer"], key)


def rules_from(row):
    """Build Rules from a row of token_rules.jsonl."""
    return Rules(
        row["audiences"],
        Trust([trusted_key(key) for key in row["trusted"]]),
        ScopeMap(row["scopes"]),
        row["formats"],
        row["profiles"],
        bytes.fromhex(row["rs_id"]),
        row["leeway_s"],
        row["require_cnonce"],
        row["token_shape"],
    )


def load_rules():
    """Return every rule set by its name."""
    return {row["keys"]: rules_from(row) for row in vectors("token_rules")}


def verify_row(row, rules, verify=verify_token, token=None):
    """Verify the token of a row of tokens.jsonl against the rule set it names; a Grant, or the error raised.

    verify: how; token: bytes in the place of the row's.
    """
    nonces = None if "cnonces" not in row else [bytes.fromhex(nonce) for nonce in row["cnonces"]]
    check = None if nonces is None else lambda cnonce: cnonce in nonces
    return verify(
        bytes.fromhex(row["token"]) if token is None else token,
        rules[row["keys"]],
        Moment(row["now"], row.get("floor", False), row.get("exi_floor"), check),
    )


def outcome(function, *args):
    """Call and return (expect, reason, code) in the vectors' words; any error but a PeerError passes through."""
    try:
        function(*args)
    except PeerError as error:
        expect = "malformed" if isinstance(error, Malformed) else "rejected:" + error.reason
        return expect, str(error), f"{error.coap_code >> 5}.{error.coap_code & 31:02}"
    return "ok", "", "2.01"
