"""One token vector as a row: what goes in, what must come out, and the CoAP code a poster would see."""

from vectors.gen import story

# Classes that are not 4.01: RFC 9200 section 5.10.1.1 gives aud 4.03 and scope 4.00; an unsuitable key is 4.00.
CODES = {"wrong-audience": "4.03", "scope-unknown": "4.00", "key-unsuitable": "4.00"}


def ok(name, rfc, token, keys="tube", now=story.NOW, **more):
    return _row(name, rfc, "ok", "", "2.01", token, keys, now, more)


def malformed(name, rfc, reason, token, keys="tube", now=story.NOW, **more):
    return _row(name, rfc, "malformed", reason, "4.00", token, keys, now, more)


def refused(name, rfc, reason, token, keys="tube", now=story.NOW, **more):
    """reason: the error's id, and after the colon which check of its kind it was."""
    kind = reason.split(":")[0]
    return _row(name, rfc, "rejected:" + kind, reason, CODES.get(kind, "4.01"), token, keys, now, more)


def _row(name, rfc, expect, reason, code, token, keys, now, more):
    row = {"id": name, "rfc": rfc, "expect": expect, "reason": reason, "code": code}
    return row | {"token": token.hex(), "keys": keys, "now": now} | more
