"""Whose primitives MicroPython takes beside the C core: the core's; on chips with AES in hardware the firmware's."""

import os
import subprocess

import pytest

# The chip is said by a module in the place of sys; everything else is the real interpreter, C core and cryptolib.
PROGRAM = """
import sys

class Chip:
    modules = sys.modules
    platform = {platform!r}

    class implementation:
        _machine = {machine!r}

sys.modules["sys"] = Chip
from holdfast_core import crypto
print(crypto.PROVIDER)
key, nonce = bytes(16), bytes(13)
import hf_native
from holdfast_core import crypto_hf
print(crypto.Aead is crypto_hf.Aead, crypto.sha256 is hf_native.sha256, crypto.hmac_sha256 is hf_native.hmac_sha256)
print(crypto.Es256Key is crypto_hf.Es256Key)
assert crypto.Aead(10, key).seal(nonce, b"a", b"text") == crypto_hf.Aead(10, key).seal(nonce, b"a", b"text")
assert crypto.sha256(b"text") == hf_native.sha256(b"text")
assert crypto.hmac_sha256(key, b"text") == hf_native.hmac_sha256(key, b"text")
"""
FIRMWARES = "hf_native, and the firmware for AES and SHA-256"


@pytest.mark.parametrize(
    ("platform", "machine", "provider"),
    [
        ("esp32", "Generic ESP32C3 module with ESP32C3", FIRMWARES),
        ("esp32", "Generic ESP32 module with ESP32", FIRMWARES),
        ("esp32", "Generic ESP32C2 module with ESP32C2", "hf_native"),
        ("rp2", "Raspberry Pi Pico with RP2040", "hf_native"),
    ],
)
def test_who_encrypts_and_hashes(platform, machine, provider, micropython, repo):
    done = subprocess.run(
        [micropython, "-X", "heapsize=1M", "-c", PROGRAM.format(platform=platform, machine=machine)],
        env=os.environ | {"MICROPYPATH": "native:.cache/natmod/x64"},
        cwd=repo,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    core = provider == "hf_native"
    assert done.stdout.splitlines() == [provider, f"{core} {core} {core}", "True"]
