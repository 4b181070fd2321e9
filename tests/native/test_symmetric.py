"""SHA-256, HMAC, HKDF and AES-CCM of the C core: vectors, lengths, alignments, damage, and OpenSSL beside it."""

import ctypes
import hashlib
import hmac
import json
import random
from ctypes import byref, c_char_p, c_size_t, create_string_buffer

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from holdfast_core import labels as L
from testkit import native_build
from testkit import symmetric_native as kit

LOCAL, NOT_AUTHENTIC = 0x80, 0x62
ALGS = {
    L.ALG_AES_CCM_16_64_128: 8,
    L.ALG_AES_CCM_16_64_256: 8,
    L.ALG_AES_CCM_16_128_128: 16,
    L.ALG_AES_CCM_16_128_256: 16,
}


@pytest.fixture(params=kit.NAMES_TO_TEST)
def lib(request):
    return kit.library(request.param)


def vectors(name):
    return [json.loads(line) for line in (native_build.ROOT / f"tests/vectors/{name}.jsonl").read_text().splitlines()]


def hexed(row, *names):
    return [bytes.fromhex(row[name]) for name in names]


def sha256(lib, message):
    digest = create_string_buffer(32)
    lib.hf_sha256(message, len(message), digest)
    return digest.raw


def mac(lib, key, message):
    tag = create_string_buffer(32)
    lib.hf_hmac_sha256(key, len(key), message, len(message), tag)
    return tag.raw


def hkdf(lib, salt, ikm, info, size):
    okm = create_string_buffer(max(size, 1))
    return lib.hf_hkdf_sha256(salt, len(salt), ikm, len(ikm), info, len(info), okm, size), okm.raw[:size]


class Streamed(ctypes.Structure):
    """Room for struct hf_sha256 or struct hf_hmac."""

    _fields_ = (("room", ctypes.c_uint32 * 64),)


def streamed(lib, name, start, pieces):
    state, out = Streamed(), create_string_buffer(32)
    getattr(lib, f"hf_{name}_init")(byref(state), *start)
    for piece in pieces:
        getattr(lib, f"hf_{name}_update")(byref(state), piece, c_size_t(len(piece)))
    getattr(lib, f"hf_{name}_final")(byref(state), out)
    assert bytes(state)[:32] == bytes(32), "wiped"
    return out.raw


def sealed_by_hand(key, nonce, text):
    """Ciphertext and tag of 8 bytes by RFC 3610, without associated data; the length of the text is cut to 16 bits."""

    def encrypt(mode, blocks):
        return Cipher(AES(key), mode).encryptor().update(blocks)

    first = bytes((0x19,)) + nonce + (len(text) % 65536).to_bytes(2, "big")
    mac = encrypt(CBC(bytes(16)), first + text + bytes(-len(text) % 16))[-16:]
    counters = range(1 + -(-len(text) // 16))
    stream = encrypt(ECB(), b"".join(b"\1" + nonce + (i % 65536).to_bytes(2, "big") for i in counters))
    covered = int.from_bytes(text + mac[:8], "big") ^ int.from_bytes(stream[16 : 16 + len(text)] + stream[:8], "big")
    return covered.to_bytes(len(text) + 8, "big")


# --- SHA-256, HMAC, HKDF ---


def test_sha256_of_every_length_and_a_million(lib):
    for length in range(300):
        message = bytes(range(256))[:length] * 2
        assert sha256(lib, message) == hashlib.sha256(message).digest()
    assert sha256(lib, b"a" * 1_000_000).hex().startswith("cdc76e5c9914fb92")


def test_sha256_in_any_pieces(lib):
    rng = random.Random(31)
    for _ in range(200):
        pieces = [rng.randbytes(rng.choice((0, 1, 55, 56, 63, 64, 65, 200))) for _ in range(rng.randrange(8))]
        message = b"".join(pieces)
        assert streamed(lib, "sha256", (), pieces) == hashlib.sha256(message).digest()
        key = rng.randbytes(rng.choice((0, 1, 32, 63, 64, 65, 200)))
        assert streamed(lib, "hmac", (key, c_size_t(len(key))), pieces) == hmac.digest(key, message, "sha256")


def test_sha256_counts_beyond_a_word(lib):
    """The length field has 64 bits; a hash of half a gigabyte is too slow, so the count is set."""
    state, out = Streamed(), create_string_buffer(32)
    lib.hf_sha256_init(byref(state))
    state.room[8] = 0xFFFFFFC0
    lib.hf_sha256_update(byref(state), bytes(64), c_size_t(64))
    assert (state.room[8], state.room[9]) == (0, 1)
    lib.hf_sha256_update(byref(state), b"abc", c_size_t(3))
    assert (state.room[8], state.room[9]) == (3, 1)
    lib.hf_sha256_final(byref(state), out)
    assert out.raw != bytes(32)


def test_hmac_vectors(lib):
    rows = vectors("wycheproof_hmac_sha256")
    assert {row["result"] for row in rows} == {"valid", "invalid"}
    for row in rows:
        key, message, tag = hexed(row, "key", "msg", "tag")
        assert (mac(lib, key, message)[: len(tag)] == tag) is (row["result"] == "valid"), row["tcId"]


def test_hkdf_vectors(lib):
    for row in vectors("wycheproof_hkdf_sha256"):
        ikm, salt, info = hexed(row, "ikm", "salt", "info")
        status, okm = hkdf(lib, salt, ikm, info, row["size"])
        if row["result"] == "invalid":
            assert status == LOCAL, row["tcId"]
        else:
            assert (status, okm) == (kit.OK, bytes.fromhex(row["okm"])), row["tcId"]
    for row in vectors("crypto_hkdf"):
        ikm, salt, info = hexed(row, "ikm", "salt", "info")
        out = create_string_buffer(32)
        lib.hf_hkdf_extract(salt, len(salt), ikm, len(ikm), out)
        assert out.raw.hex() == row.get("prk", out.raw.hex()), row["id"]
        assert hkdf(lib, salt, ikm, info, row["size"]) == (kit.OK, bytes.fromhex(row["okm"])), row["id"]


def test_hkdf_lengths(lib):
    whole = hkdf(lib, b"salt", b"ikm", b"info", 8160)
    assert whole[0] == kit.OK
    for size in (0, 1, 31, 32, 33, 64, 8159):
        assert hkdf(lib, b"salt", b"ikm", b"info", size) == (kit.OK, whole[1][:size])
    assert hkdf(lib, b"salt", b"ikm", b"info", 8161) == (LOCAL, bytes(8161))


def test_nothing_at_null(lib):
    lib.hf_hmac_sha256.argtypes = (c_char_p, c_size_t) * 2 + (c_char_p,)
    out = create_string_buffer(32)
    lib.hf_hmac_sha256(None, 0, None, 0, out)
    assert out.raw == hmac.digest(b"", b"", "sha256")
    lib.hf_sha256(None, 0, out)
    assert out.raw == hashlib.sha256().digest()


# --- AES-CCM ---


def test_ccm_vectors(lib):
    for row in vectors("crypto_aes_ccm"):
        key, nonce, aad, text, sealed = hexed(row, "key", "nonce", "aad", "msg", "ct")
        aead = kit.Aead(lib, key, ALGS[row["alg"]])
        assert aead.seal(nonce, aad, text) == (kit.OK, sealed), row["id"]
        assert aead.open(nonce, aad, sealed) == (kit.OK, text), row["id"]
    rows = vectors("wycheproof_aes_ccm")
    for row in rows:
        key, nonce, aad, text, ct, tag = hexed(row, "key", "iv", "aad", "msg", "ct", "tag")
        aead = kit.Aead(lib, key, len(tag))
        if row["result"] == "valid":
            assert aead.seal(nonce, aad, text) == (kit.OK, ct + tag), row["tcId"]
            assert aead.open(nonce, aad, ct + tag) == (kit.OK, text), row["tcId"]
        else:
            assert aead.open(nonce, aad, ct + tag) == (NOT_AUTHENTIC, bytes(len(ct))), row["tcId"]
    assert len(rows) > 10


def test_ccm_against_openssl(lib):
    """Every text length around a few blocks, every form of the length of the associated data, in place or not."""
    rng = random.Random(3610)
    for length in (*range(70), 255, 256, 1023, 4099):
        key, tag_len = rng.randbytes(rng.choice((16, 32))), rng.choice((8, 16))
        nonce, text = rng.randbytes(13), rng.randbytes(length)
        aad = rng.randbytes(rng.choice((0, 1, 13, 14, 15, 29, 30, 31, 300, 0xFEFF, 0xFF00, 0x10000)))
        sealed = AESCCM(key, tag_len).encrypt(nonce, text, aad)
        aead = kit.Aead(lib, key, tag_len)
        for in_place in (False, True):
            shift = rng.randrange(4)
            assert aead.seal(nonce, aad, text, in_place, shift) == (kit.OK, sealed)
            assert aead.open(nonce, aad, sealed, in_place, shift) == (kit.OK, text)


def test_ccm_longest_text(lib):
    key, nonce = bytes(16), bytes(13)
    aead = kit.Aead(lib, key, 8)
    text = bytes(65535)
    sealed = AESCCM(key, 8).encrypt(nonce, text, b"")
    assert aead.seal(nonce, b"", text) == (kit.OK, sealed)
    assert aead.open(nonce, b"", sealed) == (kit.OK, text)
    assert aead.seal(nonce, b"", bytes(65536))[0] == LOCAL
    assert aead.open(nonce, b"", bytes(65536 + 8))[0] == NOT_AUTHENTIC
    assert aead.open(nonce, b"", sealed_by_hand(key, nonce, bytes(65535))) == (kit.OK, bytes(65535))
    assert aead.open(nonce, b"", sealed_by_hand(key, nonce, bytes(65536)))[0] == NOT_AUTHENTIC


def test_ccm_refuses_every_flip_and_truncation(lib):
    rng = random.Random(8613)
    for key_len, tag_len in ((16, 8), (32, 16)):
        key, nonce, aad, text = rng.randbytes(key_len), rng.randbytes(13), rng.randbytes(20), rng.randbytes(37)
        aead = kit.Aead(lib, key, tag_len)
        sealed = aead.seal(nonce, aad, text)[1]
        for in_place in (False, True):
            for bit in range(8 * len(sealed)):
                wrong = bytearray(sealed)
                wrong[bit // 8] ^= 1 << bit % 8
                assert aead.open(nonce, aad, bytes(wrong), in_place) == (NOT_AUTHENTIC, bytes(len(text))), bit
        for end in range(len(sealed)):
            assert aead.open(nonce, aad, sealed[:end])[0] == NOT_AUTHENTIC, end
        for field in (nonce, aad):
            for bit in range(8 * len(field)):
                wrong = bytearray(field)
                wrong[bit // 8] ^= 1 << bit % 8
                args = (bytes(wrong), aad) if field is nonce else (nonce, bytes(wrong))
                assert aead.open(*args, sealed)[0] == NOT_AUTHENTIC, bit
        assert aead.open(nonce, aad + b"\0", sealed)[0] == NOT_AUTHENTIC
        assert kit.Aead(lib, key, 24 - tag_len).open(nonce, aad, sealed)[0] == NOT_AUTHENTIC


def test_ccm_associated_data_beyond_its_length_field(lib):
    """2^32 bytes and more; refused before any is read, and hardly to be had otherwise."""
    aead = kit.Aead(lib, bytes(16), 8)
    out = create_string_buffer(b"x" * 16, 16)
    for function in (lib.hf_aes_ccm_seal, lib.hf_aes_ccm_open):
        assert function(byref(aead.ccm), bytes(13), b"", c_size_t(1 << 32), bytes(8), c_size_t(8), out) == LOCAL
    assert out.raw == b"x" * 16


def test_ccm_takes_four_algorithms_only(lib):
    for key_len in range(40):
        for tag_len in range(20):
            good = key_len in (16, 32) and tag_len in (8, 16)
            assert kit.Aead(lib, bytes(key_len), tag_len).status == (kit.OK if good else LOCAL)


def test_wipe_leaves_nothing(lib):
    aead = kit.Aead(lib, bytes(range(32)), 16)
    lib.hf_aes_ccm_wipe(byref(aead.ccm))
    assert bytes(aead.ccm) == bytes(ctypes.sizeof(aead.ccm))
