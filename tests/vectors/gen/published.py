"""Convert published examples to one case a line; never writes or alters a case, says only what we make of it.

    python tests/vectors/gen/published.py <checkout of cose-wg/Examples> <appendix_a.json of RFC 8392>
        <examples.json of RFC 8747> <examples.json of RFC 9237>

Writes cose_examples.jsonl, rfc8392.jsonl, rfc8747.jsonl and rfc9237.jsonl beside this directory. What an example calls
a pass and we do not support is refused as unsupported-alg, and so says its row.
"""

import base64
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
FOLDERS = (
    "sign1-tests/*",
    "mac0-tests/*",
    "encrypted-tests/*",
    "ecdsa-examples/ecdsa-sig-*",
    "hmac-examples/HMac-enc-*",
    "aes-ccm-examples/aes-ccm-enc-*",
)
ALGS = {"ES256": -7, "ES384": -35, "ES512": -36, "A128GCM": 1, "HS256/64": 4, "HS256": 5, "HS384": 6, "HS512": 7}
ALGS |= {
    f"AES-CCM-{nonce}-{key}/{tag}": number
    for number, (nonce, key, tag) in {
        10: (16, 128, 64),
        11: (16, 256, 64),
        12: (64, 128, 64),
        13: (64, 256, 64),
        30: (16, 128, 128),
        31: (16, 256, 128),
        32: (64, 128, 128),
        33: (64, 256, 128),
    }.items()
}
SUPPORTED = (-7, 4, 5, 10, 11, 30, 31)
TAGS = {"sign0": 18, "mac0": 17, "encrypted": 16}
# What the source did to the message -> what must come out.
FAILURES = {
    "ChangeCBORTag": ("malformed", "malformed-cbor"),
    "ChangeAttr": ("rejected:unsupported-alg", "unsupported-alg"),
    "ChangeTag": ("rejected:bad-signature", "bad-signature"),
    "AddProtected": ("rejected:bad-signature", "bad-signature"),
    "RemoveProtected": ("rejected:bad-signature", "bad-signature"),
}


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def key_hex(key):
    if key["kty"] == "oct":
        return unb64(key["k"]).hex()
    return "".join(unb64(key[axis]).hex() for axis in "xy") if key["crv"] == "P-256" else ""


def example(path):
    source = json.loads(path.read_text())
    given = source["input"]
    kind = next(name for name in TAGS if name in given)
    body = given[kind]
    alg = ALGS[(body.get("protected", {}) | body.get("unprotected", {}))["alg"]]
    failures = given.get("failures") or {}
    expect, reason = "ok", ""
    if alg not in SUPPORTED:
        expect, reason = FAILURES["ChangeAttr"]
    if source.get("fail"):
        failure = next(iter(failures))
        if alg in SUPPORTED or failure == "ChangeCBORTag":
            expect, reason = FAILURES[failure]
    return {
        "id": f"{path.parent.name}/{path.stem}",
        "rfc": "9052",
        "expect": expect,
        "reason": reason,
        "tag": TAGS[kind],
        "untagged": "RemoveCBORTag" in failures,
        "alg": alg,
        "key": key_hex((body.get("recipients") or [body])[0]["key"]),
        "aad": body.get("external", "").lower(),
        "message": source["output"]["cbor"].lower(),
        "payload": given["plaintext"].encode().hex(),
    }


def rfc8392(path):
    vectors = json.loads(path.read_text())["vectors"]
    for name, row in vectors.items():
        yield {"id": name, "rfc": row["section"][3:], "hex": row["hex"]}


def listed(path):
    yield from json.loads(path.read_text())["vectors"]


def write(name, rows):
    text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    (HERE / (name + ".jsonl")).write_text(text)


if __name__ == "__main__":
    examples, *rfcs = map(Path, sys.argv[1:])
    write("cose_examples", (example(path) for folder in FOLDERS for path in sorted(examples.glob(folder + ".json"))))
    write("rfc8392", rfc8392(rfcs[0]))
    write("rfc8747", listed(rfcs[1]))
    write("rfc9237", listed(rfcs[2]))
