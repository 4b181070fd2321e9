"""hf_p256 in every build that this machine can run, and the signatures to try it with."""

import ctypes
import functools
import importlib.util
import random
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256

from testkit import native_build

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
OK, MALFORMED_KEY, NOT_AUTHENTIC, LOCAL = 0, 0x14, 0x62, 0x80

PORTABLE = ("native/src/hf_p256.c",)
X86 = (*PORTABLE, "native/src/hf_p256_x86.c")
# name: sources, flags, compiler. The portable forms serve every machine; "x86" is what CPython on x86-64 gets.
BUILDS = {
    "limbs64": (PORTABLE, ("-DHF_P256_LIMB_BITS=64",), "gcc"),
    "limbs32": (PORTABLE, ("-DHF_P256_LIMB_BITS=32",), "gcc"),
    "small": (PORTABLE, ("-DHF_P256_LIMB_BITS=32", "-DHF_P256_SMALL=1"), "gcc"),
    "x86": (X86, ("-DHF_P256_X86=1",), "gcc"),
    "clang": (X86, ("-DHF_P256_X86=1",), "clang"),
}
MAKERS = tuple(name for name in BUILDS if name != "small")  # builds that have hf_p256_table_make
GENERATORS = ((6, 1), (8, 1), (8, 4))
KEY_TABLES = ((3, 1), (4, 2), (6, 1), (7, 3), (8, 1), (8, 4))


def _module():
    spec = importlib.util.spec_from_file_location("p256_generator", native_build.ROOT / "scripts/p256_generator.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generator = _module()


class Native:
    """One build: the functions of hf_p256.h on bytes, returning the status."""

    def __init__(self, build, geometry):
        sources, flags, compiler = BUILDS[build]
        include = native_build.generator_include(*geometry)
        name = f"p256-{build}-{geometry[0]}-{geometry[1]}"
        self.lib = native_build.load(name, sources, flags, [include], compiler)

    def check_point(self, point):
        return self.lib.hf_p256_check_point(point)

    def verify(self, point, digest, sig):
        return self.lib.hf_p256_verify(point, digest, sig)

    def verify_fixed(self, table, digest, sig):
        return self.lib.hf_p256_verify_fixed(table, ctypes.c_size_t(len(table)), digest, sig)

    def table_make(self, point, teeth, blocks):
        """(status, table); the table keeps its fill of 0xa5 where nothing was written."""
        out = ctypes.create_string_buffer(b"\xa5" * table_len(teeth, blocks), table_len(teeth, blocks))
        status = self.lib.hf_p256_table_make(
            point, ctypes.c_uint(teeth), ctypes.c_uint(blocks), out, ctypes.c_size_t(len(out))
        )
        return status, out.raw

    def table_check(self, table, point):
        return self.lib.hf_p256_table_check(table, ctypes.c_size_t(len(table)), point)


native = functools.cache(Native)


def table_len(teeth, blocks):
    return 4 + (blocks << teeth >> 1) * 64


def sec1(x, y):
    return x.to_bytes(32, "big") + y.to_bytes(32, "big")


@functools.cache
def multiple(k):
    """K G as (x, y) by OpenSSL; None for infinity."""
    if k % N == 0:
        return None
    numbers = ec.derive_private_key(k % N, ec.SECP256R1()).public_key().public_numbers()
    return numbers.x, numbers.y


@functools.cache
def table(point, teeth, blocks):
    return generator.table_bytes(point, teeth, blocks)


def on_curve(x, y):
    return x < P and y < P and (y * y - x**3 + 3 * x - B) % P == 0


def lift(x):
    """A point with this x, or None."""
    square = (x**3 - 3 * x + B) % P
    y = pow(square, (P + 1) // 4, P)
    return (x, y) if y * y % P == square else None


def times(k, point):
    """K times any point, slowly; k is no small number."""
    total = None
    for bit in f"{k:b}":
        total = generator.add(total, total) if total else None
        if bit == "1":
            total = generator.add(total, point) if total else point
    return total


def signature_for(u1, u2, big_r):
    """(digest, sig) whose multipliers are u1 and u2 and that is good when u1 G + u2 Q is big_r."""
    r = big_r[0] % N
    s = r * pow(u2, -1, N) % N
    return (u1 * s % N).to_bytes(32, "big"), sec1(r, s)


def openssl_says(point, digest, sig):
    """Whether OpenSSL takes the signature."""
    public = ec.EllipticCurvePublicNumbers(
        int.from_bytes(point[:32], "big"), int.from_bytes(point[32:], "big"), ec.SECP256R1()
    ).public_key()
    der = utils.encode_dss_signature(int.from_bytes(sig[:32], "big"), int.from_bytes(sig[32:], "big"))
    try:
        public.verify(der, digest, ec.ECDSA(utils.Prehashed(SHA256())))
    except InvalidSignature:
        return False
    return True


def damage(rng, digest, sig):
    """Something else in place of a good signature: mostly wrong, sometimes still good."""
    r, s, e = int.from_bytes(sig[:32], "big"), int.from_bytes(sig[32:], "big"), int.from_bytes(digest, "big")
    bit = 1 << rng.randrange(256)
    r, s, e = rng.choice(
        (
            (r ^ bit, s, e),
            (r, s ^ bit, e),
            (r, s, e ^ bit),
            (s, r, e),
            (r, N - s, e),  # still good
            (N - r, s, e),
            (r + N if r + N < 1 << 256 else r, s, e),
            (r, s + N if s + N < 1 << 256 else s, e),
            (0, s, e),
            (r, 0, e),
            (N, s, e),
            (r, N, e),
            (r, s, (e + N) % (1 << 256)),
            (r, s, 0),
        )
    )
    return e.to_bytes(32, "big"), sec1(r, s)


@functools.cache
def random_cases(count, seed):
    """Rows of (point, digest, sig, good by OpenSSL): half good, half damaged; a new key every 250."""
    rng = random.Random(seed)
    rows = []
    for i in range(count):
        if i % 250 == 0:
            key = ec.derive_private_key(rng.randrange(1, N), ec.SECP256R1())
            numbers = key.public_key().public_numbers()
            point = (numbers.x, numbers.y)
        digest = sha256(rng.randbytes(16)).digest()
        r, s = utils.decode_dss_signature(key.sign(digest, ec.ECDSA(utils.Prehashed(SHA256()))))
        sig = sec1(r, s)
        if i % 2:
            digest, sig = damage(rng, digest, sig)
        rows.append((point, digest, sig, openssl_says(sec1(*point), digest, sig)))
    return rows
