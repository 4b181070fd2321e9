"""The symmetric half of the C core on a simulated Cortex-M0+: vectors, and what they cost there.

Cycles are those of the simulator: zero wait states, multiplication in one cycle. Nothing is claimed about a board.
"""

import hashlib
import hmac
import json
import struct

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from holdfast_core.aead_sizes import aead_sizes
from testkit import p256_cores
from testkit.native_build import ROOT
from testkit.symmetric_native import BARE, SOURCES

pytestmark = pytest.mark.cores

RAM = p256_cores.RAM
ENTRIES = ("hf_sha256", "hf_hmac_sha256", "hf_core_ccm", "hf_core_protect_request", "hf_core_protect_response")
ENTRIES += ("hf_oscore_derive", "hf_oscore_unprotect_request", "hf_oscore_unprotect_response")
CTX_LEN, EXCHANGE_LEN = 192, 64  # no less than the structs have


class Core:
    """Functions on bytes; .cycles and .stack are of the last call."""

    def __init__(self):
        keep = (*(f"-Wl,-u,{name}" for name in ENTRIES), "-Wl,--defsym=hf_p256_verify=0")  # which is not in it
        sources = (*SOURCES, *BARE, "native/tests/symmetric_core.c")
        self.m0 = p256_cores.CortexM0((6, 1), "-Os", sources, keep, (), ())

    def call(self, name, *arguments, packed=False):
        """(result, what stands in RAM at each bytes argument afterwards)."""
        blob, places, words = b"", [], []
        for argument in arguments:
            if isinstance(argument, bytes):
                places.append((len(blob), len(argument)))
                words.append(RAM + len(blob))
                blob += argument + bytes(-len(argument) % 8)
            else:
                words.append(argument)
        if packed:
            words, blob = [RAM + len(blob)], blob + struct.pack(f"<{len(words)}I", *words)
        self.m0._write(p256_cores.FLASH_LEN, blob)
        result = self.m0.call(name, *words)
        ram = self.m0.ram(len(blob))
        return result, [ram[at : at + length] for at, length in places]

    def sha256(self, message):
        return self.call("hf_sha256", message, len(message), bytes(32))[1][1]

    def mac(self, key, message):
        return self.call("hf_hmac_sha256", key, len(key), message, len(message), bytes(32))[1][2]

    def ccm(self, opening, key, tag_len, nonce, aad, text):
        out = bytes(max(0, len(text) + (-tag_len if opening else tag_len)))
        given = (opening, key, len(key), tag_len, nonce, aad, len(aad), text, len(text), out)
        status, fields = self.call("hf_core_ccm", *given, packed=True)
        return status, fields[-1]

    def derive(self, secret, salt, sender_id, recipient_id, id_context):
        """A context; its input is a struct of eleven words behind what they point at."""
        blob, words = bytes(CTX_LEN), []
        for field in (secret, salt, sender_id, recipient_id, id_context):
            words += [0 if field is None else RAM + len(blob), len(field or b"")]
            blob += (field or b"") + bytes(-len(field or b"") % 8)
        at = RAM + len(blob)
        blob += struct.pack("<11I", *words, 10)
        self.m0._write(p256_cores.FLASH_LEN, blob)
        assert self.m0.call("hf_oscore_derive", RAM, at) == 0
        return self.m0.ram(CTX_LEN)

    def protect(self, name, ctx, middle, exchange, datagram):
        buffer, length = datagram + bytes(300), struct.pack("<I", len(datagram))
        if name == "hf_core_protect_request":
            given = (ctx, middle, buffer, length, len(buffer), exchange)
            status, (_, buffer, length, exchange) = self.call(name, *given, packed=True)
        else:
            given = (ctx, exchange, middle, buffer, length, len(buffer))
            status, (_, exchange, *_, buffer, length) = self.call(name, *given, packed=True)
        return status, buffer[: struct.unpack("<I", length)[0]], exchange

    def unprotect_request(self, ctx, datagram):
        given = (ctx, datagram, struct.pack("<I", len(datagram)), bytes(EXCHANGE_LEN))
        status, (ctx, plain, length, exchange) = self.call("hf_oscore_unprotect_request", *given)
        return status, plain[: struct.unpack("<I", length)[0]], exchange, ctx

    def unprotect_response(self, ctx, exchange, datagram):
        given = (ctx, exchange, datagram, struct.pack("<I", len(datagram)))
        status, (_, _, plain, length) = self.call("hf_oscore_unprotect_response", *given)
        return status, plain[: struct.unpack("<I", length)[0]]


@pytest.fixture(scope="module")
def core():
    return Core()


def vectors(name):
    return [json.loads(line) for line in (ROOT / f"tests/vectors/{name}.jsonl").read_text().splitlines()]


def hexed(row, *names):
    return [bytes.fromhex(row[name]) if name in row else None for name in names]


def test_sha256_and_hmac(core):
    for length in (*range(0, 130, 9), 55, 56, 63, 64, 65):
        message = bytes(range(length))
        assert core.sha256(message) == hashlib.sha256(message).digest()
    for row in vectors("wycheproof_hmac_sha256"):
        key, message, tag = hexed(row, "key", "msg", "tag")
        assert core.mac(key, message) == hmac.digest(key, message, "sha256")
        assert (core.mac(key, message)[: len(tag)] == tag) is (row["result"] == "valid"), row["tcId"]


def test_aes_ccm(core):
    for row in vectors("crypto_aes_ccm"):
        key, nonce, aad, text, sealed = hexed(row, "key", "nonce", "aad", "msg", "ct")
        tag_len = aead_sizes(row["alg"])[2]
        assert core.ccm(0, key, tag_len, nonce, aad, text) == (0, sealed), row["id"]
        assert core.ccm(1, key, tag_len, nonce, aad, sealed) == (0, text), row["id"]
        forged = sealed[:-1] + bytes((sealed[-1] ^ 1,))
        assert core.ccm(1, key, tag_len, nonce, aad, forged) == (0x62, bytes(len(text))), row["id"]
    for row in vectors("wycheproof_aes_ccm"):
        key, nonce, aad, text, ct, tag = hexed(row, "key", "iv", "aad", "msg", "ct", "tag")
        want = (0, text) if row["result"] == "valid" else (0x62, bytes(len(ct)))
        assert core.ccm(1, key, len(tag), nonce, aad, ct + tag) == want, row["tcId"]


def test_oscore_appendix_c(core):
    contexts = {row["id"]: row for row in vectors("rfc8613_contexts")}
    for row in vectors("rfc8613_messages"):
        own = contexts[row["context"]]
        secret, salt, mine, theirs, id_context = hexed(
            own, "master_secret", "master_salt", "sender_id", "recipient_id", "id_context"
        )
        here = core.derive(secret, salt, mine, theirs, id_context)
        there = core.derive(secret, salt, theirs, mine, id_context)
        plain, protected = hexed(row, "plain", "protected")
        fresh = bytes(EXCHANGE_LEN)
        if plain[1] < 32:
            assert core.protect("hf_core_protect_request", here, 20, fresh, plain)[:2] == (0, protected), row["id"]
            status, opened, _, there = core.unprotect_request(there, protected)
            assert (status, opened) == (0, plain), row["id"]
            assert core.unprotect_request(there, protected)[0] == 0x60, "a replay"
        else:
            request = bytes.fromhex("44015d1f00003974396c6f63616c686f737483747631")
            _, asked, sent = core.protect("hf_core_protect_request", there, 20, fresh, request)
            _, _, heard, _ = core.unprotect_request(here, asked)
            number = struct.pack("<Q", row["sender_sequence_number"]) if "partial_iv" in row else 0
            answer = core.protect("hf_core_protect_response", here, number, heard, plain)
            assert answer[:2] == (0, protected), row["id"]
            assert core.unprotect_response(there, sent, protected) == (0, plain), row["id"]


def test_the_longest_messages(core):
    """64 KB where a length has 32 bits, and one byte more: refused, with nothing touched."""
    key, nonce = bytes(range(16)), bytes(13)
    text = bytes(65535)
    sealed = AESCCM(key, 8).encrypt(nonce, text, None)
    assert core.ccm(0, key, 8, nonce, b"", text) == (0, sealed)
    assert core.ccm(1, key, 8, nonce, b"", sealed) == (0, text)
    assert core.ccm(0, key, 8, nonce, b"", bytes(65536)) == (0x80, bytes(65536 + 8))
    assert core.ccm(1, key, 8, nonce, b"", bytes(65536 + 8)) == (0x62, bytes(65536))
    client, server = (core.derive(bytes(16), b"", *ids, None) for ids in ((b"\x0c", b"\x05"), (b"\x05", b"\x0c")))
    fresh, request = bytes(EXCHANGE_LEN), bytes.fromhex("42010007") + b"tk\xff"
    longest = request + bytes(65534 - 1)
    status, protected, _ = core.protect("hf_core_protect_request", client, 1, fresh, longest)
    assert (status, len(protected)) == (0, 6 + 4 + 1 + 65535 + 8)  # header, option, marker, text, tag
    assert core.unprotect_request(server, protected)[:2] == (0, longest)
    longer = longest + b"\0"
    assert core.protect("hf_core_protect_request", client, 2, fresh, longer) == (0x80, longer, fresh)


# Measured with -Os by gcc 12, and a little air: smaller code is worth more here than a few thousand cycles.
BUDGETS = {
    "sha256 64 B": 18_500,
    "sha256 256 B": 44_500,
    "hmac 256 B": 74_000,
    "ccm 24 B + 32 B": 82_000,
    "ccm 24 B + 128 B": 156_000,
    "oscore request": 75_000,
}


def test_cycles_and_stack(core):
    spent, stack = {}, {}

    def note(name):
        spent[name], stack[name] = core.m0.cycles_m0plus, core.m0.stack

    for length in (64, 256):
        core.sha256(bytes(length))
        note(f"sha256 {length} B")
    core.mac(bytes(32), bytes(256))
    note("hmac 256 B")
    for length in (32, 128):
        core.ccm(0, bytes(16), 8, bytes(13), bytes(24), bytes(length))
        note(f"ccm 24 B + {length} B")
    ctx = core.derive(bytes(16), b"", b"\x0c", b"\x05", None)
    core.protect("hf_core_protect_request", ctx, 1, bytes(EXCHANGE_LEN), bytes.fromhex("42010007") + b"tk\xb3ekg")
    note("oscore request")
    assert {name: cycles for name, cycles in spent.items() if cycles > BUDGETS[name]} == {}, spent
    assert max(stack.values()) <= 1024, stack
