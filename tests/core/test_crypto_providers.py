"""The MicroPython provider under CPython: the dual cases, and a comparison with the `cryptography` provider.

MicroPython's cryptolib is stood in for by `cryptography`'s AES in ECB and CBC mode.
"""

import random

import pytest
import test_crypto as dual
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256

from holdfast_core import crypto, crypto_cpython_native, crypto_cryptography, crypto_firmware, crypto_micropython
from holdfast_core.errors import LocalError, NotAuthentic

ECB, CBC = 1, 2


class StandInAes:
    """cryptolib.aes by its documented use: whole blocks, mode 1 (ECB) or 2 (CBC with an iv), state kept."""

    def __init__(self, key, mode, iv=None):
        assert mode in (ECB, CBC)
        assert (iv is None) == (mode == ECB)
        self._encryptor = Cipher(algorithms.AES(key), modes.ECB() if mode == ECB else modes.CBC(iv)).encryptor()

    def encrypt(self, blocks, out):
        assert len(blocks) % 16 == 0
        out[:] = self._encryptor.update(bytes(blocks))


@pytest.fixture(autouse=True)
def _lend_aes(monkeypatch):
    monkeypatch.setattr(crypto_firmware, "aes", StandInAes)


class TestHashes(dual.Hashes):
    provider = crypto_micropython


class TestAesCcm(dual.AesCcm):
    provider = crypto_micropython


class TestEs256(dual.Es256):
    provider = crypto_micropython


class TestEs256OfOpenssl(dual.Es256):
    provider = crypto_cryptography


class TestEs256OfTheCoreInC(dual.Es256):
    provider = crypto_cpython_native


class TestEs256OfTheCoreInCWithTables(dual.Es256):
    """Every key has its table from its first use."""

    provider = crypto_cpython_native

    @pytest.fixture(autouse=True)
    def _tables_at_once(self, monkeypatch):
        monkeypatch.setattr(crypto_cpython_native, "TABLE_AFTER", -1)


def test_cpython_takes_secrets_to_cryptography_and_signatures_to_the_core_in_c():
    assert crypto.PROVIDER == "cryptography, and the C core for ES256"
    assert crypto.Aead is crypto_cryptography.Aead
    assert crypto.hmac_sha256 is crypto_cryptography.hmac_sha256
    assert crypto.Es256Key is crypto_cpython_native.Es256Key
    assert crypto_micropython.PROVIDER == "micropython"


def test_a_key_gets_its_table_when_it_was_used_often():
    key, message, signature = dual_signature()
    for _ in range(crypto_cpython_native.TABLE_AFTER):
        key.verify(message, signature)
    assert key.table is None
    key.verify(message, signature)
    assert key.table is not None
    key.verify(message, signature)
    with pytest.raises(NotAuthentic):
        key.verify(message + b"!", signature)


def dual_signature():
    """A key of the core in C, a message and its signature by OpenSSL."""
    private = ec.derive_private_key(7, ec.SECP256R1())
    numbers = private.public_key().public_numbers()
    message = b"what is signed"
    r, s = decode_dss_signature(private.sign(message, ec.ECDSA(SHA256())))
    key = crypto_cpython_native.Es256Key(numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big"))
    return key, message, r.to_bytes(32, "big") + s.to_bytes(32, "big")


def test_no_aes_is_a_local_error(monkeypatch):
    monkeypatch.setattr(crypto_firmware, "aes", None)
    with pytest.raises(LocalError, match="no-aes"):
        crypto_micropython.Aead(10, bytes(16))


def test_hashes_agree():
    rng = random.Random(1)
    for _ in range(300):
        key, message = rng.randbytes(rng.randrange(140)), rng.randbytes(rng.randrange(300))
        assert crypto_micropython.sha256(message) == crypto_cryptography.sha256(message)
        assert crypto_micropython.hmac_sha256(key, message) == crypto_cryptography.hmac_sha256(key, message)
        assert crypto_micropython.hmac_sha256(bytes(3) + key, message) == crypto_cryptography.hmac_sha256(
            bytes(3) + key, message
        )


def test_aeads_agree():
    rng = random.Random(2)
    for _ in range(400):
        alg, key_len, _ = rng.choice(dual.ALGS)
        key, nonce = rng.randbytes(key_len), rng.randbytes(13)
        aad, plaintext = rng.randbytes(rng.choice((0, 1, 13, 14, 15, 30, 200))), rng.randbytes(rng.randrange(100))
        ours, theirs = crypto_micropython.Aead(alg, key), crypto_cryptography.Aead(alg, key)
        ciphertext = ours.seal(nonce, aad, plaintext)
        assert ciphertext == theirs.seal(nonce, aad, plaintext)
        assert ours.open(nonce, aad, ciphertext) == plaintext
        bad = dual.flipped(ciphertext, rng.randrange(8 * len(ciphertext)))
        for aead in (ours, theirs):
            with pytest.raises(NotAuthentic):
                aead.open(nonce, aad, bad)


@pytest.mark.parametrize("lead", [0, 1, 8, 20])
def test_leading_zeros_survive_the_xor_of_integers(lead):
    """A plaintext equal to the keystream's beginning seals to zeros, and must keep its length."""
    ours = crypto_micropython.Aead(10, bytes(16))
    keystream = ours.seal(dual.NONCE, b"", bytes(24))[:24]
    plaintext = keystream[:lead] + bytes(24 - lead)
    ciphertext = ours.seal(dual.NONCE, b"", plaintext)
    assert ciphertext[:lead] == bytes(lead)
    assert len(ciphertext) == 32
    assert ours.open(dual.NONCE, b"", ciphertext) == plaintext
