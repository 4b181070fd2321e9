"""Convert the Wycheproof files that concern us to one case a line; never writes or alters a case itself.

    python tests/vectors/gen/wycheproof.py <a checkout's testvectors_v1 directory>

Writes wycheproof_*.jsonl beside this directory. Each line keeps tcId, comment, flags and result, and takes
from its group what the case needs (the public key, the tag size).
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
CCM_NONCE_BITS = 104
CCM_KEY_BITS = (128, 256)
COMMON = ("tcId", "comment", "flags", "result")


def cases(source, name):
    for group in json.loads((source / name).read_text())["testGroups"]:
        for case in group["tests"]:
            yield group, case


def write(name, rows):
    text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    (HERE / f"wycheproof_{name}.jsonl").write_text(text)


def row(case, names, **extra):
    return {name: case[name] for name in (*COMMON, *names)} | extra


def aes_ccm(source):
    """Only the groups that are COSE algorithms: 13-byte nonces (all with 128-bit tags), 128- and 256-bit keys."""
    for group, case in cases(source, "aes_ccm_test.json"):
        if group["ivSize"] == CCM_NONCE_BITS and group["keySize"] in CCM_KEY_BITS:
            alg = 30 if group["keySize"] == CCM_KEY_BITS[0] else 31
            yield row(case, ("key", "iv", "aad", "msg", "ct", "tag"), alg=alg, tagSize=group["tagSize"])


def ecdsa_p1363(source):
    for group, case in cases(source, "ecdsa_secp256r1_sha256_p1363_test.json"):
        yield row(case, ("msg", "sig"), public=group["publicKey"]["uncompressed"])


def hmac_sha256(source):
    for group, case in cases(source, "hmac_sha256_test.json"):
        yield row(case, ("key", "msg", "tag"), tagSize=group["tagSize"])


def hkdf_sha256(source):
    for _, case in cases(source, "hkdf_sha256_test.json"):
        yield row(case, ("ikm", "salt", "info", "size", "okm"))


def p256_points(source):
    """The public keys of the ECDH cases, uncompressed ones only: on the curve where the case is valid."""
    for _, case in cases(source, "ecdh_secp256r1_ecpoint_test.json"):
        if case["public"].startswith("04"):
            yield row(case, ("public",))


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    for convert in (aes_ccm, ecdsa_p1363, hmac_sha256, hkdf_sha256, p256_points):
        write(convert.__name__, convert(directory))
