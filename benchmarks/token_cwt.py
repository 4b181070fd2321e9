"""Python-cwt as a contestant, run by the interpreter of .venv-cwt: it cannot live beside cbor2 6.

Its own decode() does the COSE part, nesting and exp; aud is looked at here, like by hand. It knows an IV in the
unprotected header only, so an encrypted token comes to it as a copy that has the IV there in addition; making that copy
is not measured. It reads the real clock, which the tokens outlive.
"""

from typing import Any

import cbor2
import cwt
from worker import Setup, each, serve

ENCRYPT0, IV, AUD = 16, 5, 3


def with_iv(token: bytes) -> bytes:
    """A copy whose IV stands in the unprotected header too."""
    outer = cbor2.loads(token)
    tag, (protected, _, *rest) = outer.value.tag, outer.value.value
    if tag == ENCRYPT0:
        outer = cbor2.CBORTag(outer.tag, cbor2.CBORTag(tag, [protected, {IV: cbor2.loads(protected)[IV]}, *rest]))
    return cbor2.dumps(outer)


def build(keys: dict[str, str]) -> dict[str, Setup]:
    """A row for each format."""
    public = {1: 2, 2: b"sign", 3: -7, -1: 1, -2: bytes.fromhex(keys["x"]), -3: bytes.fromhex(keys["y"])}
    trusted = [
        cwt.COSEKey.new(members)
        for members in (
            public,
            {1: 4, 2: b"encr", 3: 10, -1: bytes.fromhex(keys["aes"])},
            {1: 4, 2: b"mac", 3: 5, -1: bytes.fromhex(keys["mac"])},
        )
    ]

    def check(token: bytes) -> Any:
        claims = cwt.decode(token, trusted)
        if not isinstance(claims, dict) or claims[AUD] != keys["audience"]:
            raise ValueError("claims")
        return claims

    return {name: each(check, with_iv) for name in ("cwt-encrypted", "cwt-nested", "cwt-signed", "cwt-mac")}


if __name__ == "__main__":
    serve(build)
