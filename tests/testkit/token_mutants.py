"""Tokens that are nearly right, from a seed. Each is protected anew after its change, so few fail at the first checks.

Changes go into claims, confirmation keys, headers, the nested message, the bytes of a payload before it is protected,
and the bytes of the whole token after. This file knows no right verdicts: a test compares two verifiers.
"""

import functools

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec

from vectors.gen import story as s
from vectors.gen import token_writer as w

NAMES = (*s.RULES,)
LABELS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 38, 39, 40, -65544, 99)
TEXTS = ("", "x", "read_result", s.TUBE, s.ISSUER, "\u00e9", "\U0001f600", "AES-CCM-16-64-128", "HMAC 256/256")
NUMBERS = (0, 1, -1, 2, 4, 5, 10, 23, 24, 255, 1 << 31, 1 << 62, (1 << 64) - 1, -(1 << 64), s.NOW, s.NOW + 1)
FLOATS = (0.0, -0.0, 0.5, -0.5, 1e300, -1e300, 5e-324, float(s.NOW), s.NOW + 0.5, s.NOW - 0.5, 2.0, 65504.0, 1e-7, 1e18)
FRESH = b"a fresh one"
PUBLIC = w.public_xy("as-s2")
SCOPES = (
    "read_result",
    "read_result calibrate",
    "manage",
    "read_result  manage",
    " ",
    'a"',
    "x" * 40,
    " ".join(["manage"] * 32),
    " ".join(["manage"] * 33),
    b"",
    cbor2.dumps([]),
    cbor2.dumps([["/result", 1]]),
    cbor2.dumps([["/result", 9], ["/log", 127], ["/log", 4]]),
    cbor2.dumps([["/result", 128]]),
    cbor2.dumps([["/result", 0]]),
    cbor2.dumps([["/none", 1]]),
    cbor2.dumps([["result", 1]]),
    cbor2.dumps([["/result", -1]]),
    cbor2.dumps([["/result", 1 << 40]]),
    cbor2.dumps([["/result"]]),
    cbor2.dumps([["/result", [1]]]),
    cbor2.dumps([["/result", 1]] * 33),
    cbor2.dumps({"/result": 1}),
)
TAGS = {"cwt-encrypted": (16, "encrypt"), "cwt-nested": (16, "encrypt")}
TAGS |= {"cwt-signed": (18, "sign"), "cwt-mac": (17, "mac")}
OPS = ([], [2], [7], [8, "x"], [1, 2], ["verify"], [2.0], 2, [True])


@functools.cache
def private(name):
    return w.private(name)


def sign(name, message):
    return w.raw_signature(private(name).sign(message, ec.ECDSA(w.SHA256(), deterministic_signing=True)))


def odd_value(rng, depth=3):
    """Any CBOR value, often one that has a meaning in tokens."""
    kind = rng.randrange(8 if depth else 6)
    if kind == 6:
        return [odd_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind == 7:
        return {rng.choice((0, 1, 2, 3, 4, 5, 6, 7, -1, -2, "x")): odd_value(rng, depth - 1) for _ in range(3)}
    return rng.choice((TEXTS, NUMBERS, FLOATS, (True, False, None), (b"", s.OSC_ID, s.MS, bytes(40)), TEXTS)[kind])


def changed_bytes(rng, content):
    """Content with one to three short pieces replaced, put in or cut out."""
    content = bytearray(content)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(content) + 1)
        content[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
    if rng.random() < 0.1:
        del content[rng.randrange(len(content) + 1) :]
    return bytes(content)


def shuffled(rng, members):
    pairs = list(members.items())
    rng.shuffle(pairs)
    return dict(pairs)


class Mutants:
    """Token after token: `next()` gives the name of a rule set, the token, and the RS's state."""

    def __init__(self, rng):
        self.rng = rng

    def next(self):
        """(rules, token, now_s, is_floor, exi_floor, cnonces)."""
        rng = self.rng
        name = rng.choice(NAMES)
        token = self._token(name)
        now_s = (
            s.NOW if rng.random() < 0.85 else rng.choice((s.NOW - 5000, s.NOW + 3600, s.NOW + 3610, s.NOW + 3630, None))
        )
        exi_floor = rng.choice((None, -1, 0, 4, 5, (1 << 64) - 1))
        cnonces = rng.choice((None, [FRESH], [FRESH], [], [b"x", FRESH]))
        return name, token, now_s, rng.random() < 0.2, exi_floor, cnonces

    def _token(self, name):
        rng = self.rng
        rules = s.RULES[name]
        wanted = rng.choice(rules["formats"]) if rng.random() < 0.97 else rng.choice(list(TAGS))
        tag, role = TAGS[wanted]
        key = rng.choice([key for key in rules["keys"] if key["role"] == role] or [s.ENC])
        payload = self.payload()
        if wanted == "cwt-nested":
            payload = self._nested(rules, payload)
        tag = rng.choice((16, 17, 18, 61, 98)) if rng.random() < 0.02 else tag
        token = w.cwt(tag, self._protect(payload, key))
        return changed_bytes(rng, token) if rng.random() < 0.05 else token

    def _nested(self, rules, payload):
        rng = self.rng
        signers = [key for key in rules["keys"] if key["role"] == "sign"] or [s.SIGN]
        inner = w.tag(18, self._protect(payload, rng.choice(signers)))
        return changed_bytes(rng, inner) if rng.random() < 0.05 else inner

    # --- protection ---

    def _protect(self, payload, key):
        """The message of a key's role around a payload; now and then with odd headers."""
        rng = self.rng
        iv = s.IV
        header, unprotected = self._headers(key, iv if key["role"] == "encrypt" else None)
        options = {"header": header, "unprotected": unprotected}
        if rng.random() < 0.02:
            options["context"] = rng.choice(("Signature1", "MAC0", "Encrypt0", "x"))
        if key["role"] == "sign":
            return s.signed(payload, key, scheme=sign, **options)
        if key["role"] == "mac":
            return s.maced(payload, key, **options)
        return s.encrypted(payload, key, iv=iv, **options)

    def _headers(self, key, iv):
        rng = self.rng
        headers = {1: key["alg"], 4: key["kid"]} | ({} if iv is None else {5: iv})
        unprotected = {}
        if rng.random() < 0.15:
            label = rng.choice((1, 2, 3, 4, 5, 6, 15, "x", 99))
            choices = (
                lambda: headers.__setitem__(label, odd_value(rng, 1)),
                lambda: headers.pop(label, None),
                lambda: headers.update({1: rng.choice((-7, 4, 5, 10, 11, 30, 31, 0, "ES256", 1 << 40))}),
                lambda: headers.update({4: rng.choice((b"as-s1", b"as-e1", b"as-m1", b"k", b"nobody"))}),
                lambda: headers.update({2: rng.choice(([1], [99], [], [4, "x"], [[1]], 1, [1.0]))}),
                lambda: unprotected.__setitem__(label, odd_value(rng, 1)),
                lambda: unprotected.update({label: headers.pop(label, b"")}),
                lambda: headers.update({5: rng.choice((bytes(12), bytes(14), b""))}),
            )
            rng.choice(choices)()
        header = cbor2.dumps(shuffled(rng, headers) if rng.random() < 0.3 else headers)
        header = changed_bytes(rng, header) if rng.random() < 0.03 else header
        if rng.random() < 0.01:
            header = rng.choice((b"", b"\xa0", b"\x80", b"\xf6"))
        return header, cbor2.dumps(unprotected)

    # --- claims ---

    def payload(self):
        rng = self.rng
        claims = {1: s.ISSUER, 2: "doctor", 3: s.TUBE, 4: s.NOW + 3600, 6: s.NOW - 10, 7: b"\x11\x22"}
        claims |= {8: self._cnf(), 9: rng.choice(SCOPES) if rng.random() < 0.3 else "read_result"}
        if rng.random() < 0.5:
            claims[38] = rng.choice((1, 2, 2, 2, 3))
        if rng.random() < 0.2:
            claims[39] = rng.choice((FRESH, b"stale", b""))
        if rng.random() < 0.2:
            sequence = rng.choice((0, 1, 4, 5, 6, (1 << 64) - 1)).to_bytes(8, "big")
            claims |= {7: rng.choice((s.RS_ID, s.RS_ID, b"", b"cube")) + sequence, 40: rng.choice((0, 1, 60, 1 << 63))}
        if rng.random() < 0.2:
            claims[3] = rng.choice(([s.TUBE], ["x", s.TUBE], ["all_tubes"], [], ["x"] * 17, "all_tubes", [s.TUBE, 1]))
        if rng.random() < 0.1:
            claims[5] = rng.choice((s.NOW, s.NOW + 1, s.NOW + 30, s.NOW + 31, s.NOW + 0.25))
        if rng.random() < 0.1:
            claims[4] = rng.choice((s.NOW, s.NOW + 1, s.NOW - 29, s.NOW - 30, s.NOW + 0.25, s.NOW - 0.25, 1e300))
        if rng.random() < 0.1:
            claims[-65544] = self._actor(rng.randrange(6))
        return self._encoded(claims)

    def _encoded(self, claims):
        rng = self.rng
        if rng.random() < 0.4:
            for label in rng.sample(LABELS, rng.randrange(1, 3)):
                if rng.random() < 0.3:
                    claims.pop(label, None)
                else:
                    claims[label] = odd_value(rng)
        if rng.random() < 0.3:
            claims = shuffled(rng, claims)
        payload = cbor2.dumps(claims)
        return changed_bytes(rng, payload) if rng.random() < 0.15 else payload

    def _actor(self, depth):
        actor = {2: "actor"} if self.rng.random() < 0.9 else {2: 1}
        return actor | {-65544: self._actor(depth - 1)} if depth else actor

    # --- confirmation ---

    def _cnf(self):
        rng = self.rng
        kind = rng.randrange(6)
        cnf = {4: self._osc()} if kind < 3 else {3: s.OSC_ID}
        if kind == 3:
            cnf = {1: self._key()}
        elif kind == 4:
            cnf = {2: self._encrypted_key()}
        if rng.random() < 0.1:
            cnf[rng.choice((1, 2, 3, 4, 77))] = rng.choice((s.OSC_ID, b"y", self._osc(), self._key(), 3))
        return shuffled(rng, cnf)

    def _osc(self):
        rng = self.rng
        osc = {0: s.OSC_ID, 2: s.MS}
        if rng.random() < 0.3:
            osc |= {5: s.SALT, 6: b"ctx"}
        if rng.random() < 0.3:
            osc[rng.randrange(8)] = odd_value(rng, 1)
        if rng.random() < 0.2:
            osc[4] = rng.choice(
                (10, 11, 30, 31, 1, "AES-CCM-16-64-256", "AES-CCM-16-128-128", "AES-CCM-16-128-256", "A")
            )
        if rng.random() < 0.1:
            osc[2] = bytes(rng.choice((0, 15, 16, 64, 65)))
        return osc

    def _key(self):
        rng = self.rng
        if rng.random() < 0.5:
            key = {1: 4, -1: bytes(rng.choice((0, 15, 16, 32)))}
        else:
            x, y = PUBLIC[:32], PUBLIC[32:]
            bad = rng.choice((bytes(32), b"\xff" * 32, y, x[:31]))
            key = {1: 2, -1: 1, -2: x if rng.random() < 0.8 else bad, -3: y if rng.random() < 0.8 else bad}
        if rng.random() < 0.4:
            key |= {rng.choice((1, 2, 3, 4, -1, -2, -3, -4)): odd_value(rng, 1)}
        if rng.random() < 0.3:
            key[4] = rng.choice(OPS)
        if rng.random() < 0.3:
            key[3] = rng.choice((-7, -10, 5, "ES256", 0))
        return key

    def _encrypted_key(self):
        rng = self.rng
        plaintext = cbor2.dumps(self._key())
        if rng.random() < 0.1:
            plaintext = changed_bytes(rng, plaintext)
        key = rng.choice((s.ENC, s.ENC, s.ENC, s.ENC_11, s.ENC_30, s.OTHER_ENC, s.SAME_KID_ENC))
        headers, unprotected = {1: key["alg"], 4: key["kid"], 5: s.IV}, {}
        if rng.random() < 0.4:
            label = rng.choice((1, 4, 5))
            unprotected[label] = headers.pop(label)
        if rng.random() < 0.2:
            del (headers or unprotected)[rng.choice(list(headers or unprotected))]
        if rng.random() < 0.1:
            headers[rng.choice((2, 5, 6, 99))] = rng.choice((b"", [99], [1], 1, bytes(13)))
        header = cbor2.dumps(headers) if headers else b""
        message = s.encrypted(plaintext, key, header=header or b"\xa0", unprotected=cbor2.dumps(unprotected))
        if not headers:
            message = w.encrypt0(plaintext, header, s.material(key), s.IV, unprotected=cbor2.dumps(unprotected))
        decoded = cbor2.loads(message)
        return cbor2.CBORTag(16, decoded) if rng.random() < 0.3 else decoded
