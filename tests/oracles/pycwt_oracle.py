"""A second opinion on CWTs: python-cwt makes tokens and opens ours, in its own venv (it needs another cbor2).

Each function takes the `cwt_oracle` fixture first. A key is a dict of alg, kid, and k, or x, y and perhaps d, in hex.
python-cwt 3.3.0 knows an IV in the unprotected header only, and draws it itself. So it opens a copy that has the IV
there in addition; and what it makes strictly is told the IV, and loses it there. No byte that is protected changes.
"""

# Runs over there: build a key, and decode what CBOR says in a form that JSON can carry.
PRELUDE = """
import cbor2
from cwt import COSE, COSEKey

def key_of(row):
    members = {3: row["alg"]}
    if "kid" in row:
        members[2] = bytes.fromhex(row["kid"])
    if "k" in row:
        members |= {1: 4, -1: bytes.fromhex(row["k"])}
    else:
        members |= {1: 2, -1: 1, -2: bytes.fromhex(row["x"]), -3: bytes.fromhex(row["y"])}
        if "d" in row:
            members[-4] = bytes.fromhex(row["d"])
    return COSEKey.new(members)
"""

OPEN = """
token = cbor2.loads(bytes.fromhex(question["token"]))
assert token.tag == 61, token.tag
message = token.value
for row in question["keys"]:
    if isinstance(message, bytes):
        message = cbor2.loads(message)
    protected, unprotected, *rest = message.value
    assert unprotected == {}, unprotected
    if message.tag == 16:
        unprotected = {5: cbor2.loads(protected)[5]}
    message = cbor2.CBORTag(message.tag, [protected, unprotected, *rest])
    message = COSE.new(verify_kid=True).decode(cbor2.dumps(message), key_of(row))
answer = message.hex()
"""

MAKE_STRICT = """
protected = {1: question["key"]["alg"], 4: bytes.fromhex(question["key"]["kid"])}
key = key_of(question["key"])
if question["iv"]:
    protected[5] = bytes.fromhex(question["iv"])
    key.generate_nonce = lambda: protected[5]
payload = bytes.fromhex(question["payload"])
message = cbor2.loads(COSE.new().encode(payload, key, protected=protected, unprotected={}))
assert set(message.value[1]) <= {5}, message.value[1]
message.value[1].clear()
answer = cbor2.dumps(message).hex()
"""

MAKE_DEFAULT = """
import cwt
claims = cbor2.loads(bytes.fromhex(question["claims"]))
answer = cwt.encode(claims, key_of(question["key"]), tagged=question["tagged"]).hex()
"""


def open_token(oracle, token, keys):
    """Open a tag 61 token; keys: one, or the outer and the inner one of a nested token. Returns the payload."""
    return bytes.fromhex(oracle(PRELUDE + OPEN, token=token.hex(), keys=keys))


def make_strict(oracle, payload, key, iv=b""):
    """Make a tagged COSE message with everything in the protected header; which kind follows from the key."""
    return bytes.fromhex(oracle(PRELUDE + MAKE_STRICT, payload=payload.hex(), key=key, iv=iv.hex()))


def make_default(oracle, claims, key, tagged=False):
    """Make a CWT the way python-cwt does by itself; tagged adds tag 61."""
    return bytes.fromhex(oracle(PRELUDE + MAKE_DEFAULT, claims=claims.hex(), key=key, tagged=tagged))
