"""The C core's SHA-256, HMAC, HKDF, AES-CCM and OSCORE through ctypes, in every build that this machine can run."""

import ctypes
import functools
import mmap
from ctypes import (
    POINTER,
    Structure,
    byref,
    c_char_p,
    c_int,
    c_size_t,
    c_uint8,
    c_uint32,
    c_uint64,
    create_string_buffer,
)

from testkit import native_build
from testkit.native_build import X86

OK = 0
STATUS = {
    0: "ok",
    0x15: "malformed-oscore",
    0x16: "malformed-coap",
    0x42: "unsupported-alg",
    0x60: "replay-detected",
    0x61: "decryption-failed",
    0x62: "not-authentic",
    0x63: "unknown-context",
    0x80: "local",
}
NAMES = ("sha256", "hmac", "hkdf", "aes", "aes_ccm", "coap", "oscore", "oscore_message")
SOURCES = tuple(f"native/src/hf_{name}.c" for name in NAMES)
BARE = ("native/port/hf_port_bare.c",)
BARE_FLAGS = ("-ffreestanding", "-fno-tree-loop-distribute-patterns", "-Os", "-Wl,-Bsymbolic")
BUILDS = {
    "speed": (SOURCES, ("-O3",), "gcc"),
    "size": (SOURCES + BARE, BARE_FLAGS, "gcc"),
    "clang": (SOURCES, ("-O2",), "clang"),
}
if X86:  # what is chosen at run time, on top of what all have
    BUILDS |= {"x86": (SOURCES, ("-O3", *X86), "gcc"), "clang-x86": (SOURCES, ("-O2", *X86), "clang")}
NAMES_TO_TEST = tuple(name for name in ("speed", "x86") if name in BUILDS) if native_build.ONLY else tuple(BUILDS)
GUARD = b"\xa5" * 8


class AesCcm(Structure):
    _fields_ = (("round_keys", c_uint32 * 60), ("rounds", c_uint8), ("tag_len", c_uint8))


class Window(Structure):
    _fields_ = (("next", c_uint64), ("seen", c_uint32), ("initialised", c_uint8))


class Side(Structure):
    _fields_ = (("key", c_uint8 * 32), ("id_len", c_uint8), ("id", c_uint8 * 7))


class Ctx(Structure):
    _fields_ = (
        ("window", Window),
        ("sender", Side),
        ("recipient", Side),
        ("common_iv", c_uint8 * 13),
        *((name, c_uint8) for name in ("alg", "has_id_context", "id_context_len")),
        ("id_context", c_uint8 * 32),
    )


class Input(Structure):
    _fields_ = (
        *(
            field
            for name in ("master_secret", "master_salt", "sender_id", "recipient_id", "id_context")
            for field in ((name, c_char_p), (name + "_len", c_size_t))
        ),
        ("alg", c_int),
    )


class Exchange(Structure):
    _fields_ = (
        ("number", c_uint64),
        ("last", c_uint64),
        *((name, c_uint8) for name in ("ours", "observe", "nonce_free", "fresh", "any", "done")),
    )


def used_exchange():
    """Memory that is not zero: it held other bytes before."""
    return Exchange.from_buffer_copy(GUARD[:1] * ctypes.sizeof(Exchange))


class GuardedCcm(Structure):
    """A key schedule, and the guard bytes behind it, which must stay."""

    _fields_ = (("ccm", AesCcm), ("guard", c_uint8 * len(GUARD * 4)))


class Ids(Structure):
    _fields_ = (("kid", c_size_t), ("kid_len", c_size_t), ("kid_context", c_size_t), ("kid_context_len", c_size_t))


@functools.cache
def library(build):
    sources, flags, compiler = BUILDS[build]
    lib = native_build.load(f"symmetric-{build}", sources, flags, compiler=compiler)
    sizes = (c_size_t,) * 2
    lib.hf_sha256.argtypes = (c_char_p, c_size_t, c_char_p)
    lib.hf_hmac_sha256.argtypes = (c_char_p, c_size_t, c_char_p, c_size_t, c_char_p)
    lib.hf_hkdf_sha256.argtypes = (c_char_p, c_size_t) * 4
    lib.hf_hkdf_extract.argtypes = (c_char_p, c_size_t, c_char_p, c_size_t, c_char_p)
    lib.hf_aes_ccm_init.argtypes = (POINTER(AesCcm), c_char_p, *sizes)
    lib.hf_oscore_accept.argtypes = (POINTER(Ctx), POINTER(Exchange))
    return lib


def aligned(content, shift):
    """A buffer object and its address, `content` beginning `shift` bytes behind an aligned place, guards around it."""
    buffer = create_string_buffer(GUARD + bytes(shift) + content + GUARD, len(content) + shift + 2 * len(GUARD))
    return buffer, ctypes.addressof(buffer) + len(GUARD) + shift


def content_of(buffer, shift):
    """The bytes between the guards; the guards must be unchanged."""
    raw = buffer.raw
    assert raw[: len(GUARD)] == GUARD
    assert raw[-len(GUARD) :] == GUARD
    return raw[len(GUARD) + shift : -len(GUARD)]


class Edge:
    """Memory that ends where reading ends the process: a datagram lies right before it, and a guard before that."""

    SIZE = 1 << 17

    def __init__(self):
        self.map = mmap.mmap(-1, self.SIZE + mmap.PAGESIZE)
        self.end = ctypes.addressof(ctypes.c_char.from_buffer(self.map)) + self.SIZE
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mprotect.argtypes = (ctypes.c_void_p, c_size_t, c_int)
        assert libc.mprotect(self.end, mmap.PAGESIZE, 0) == 0

    def put(self, content):
        """The address of the memory."""
        self.map[self.SIZE - len(content) - len(GUARD) : self.SIZE] = GUARD + content
        return self.end - len(content)

    def get(self, length):
        """The bytes of the memory; the guard must be unchanged."""
        raw = self.map[self.SIZE - length - len(GUARD) : self.SIZE]
        assert raw[: len(GUARD)] == GUARD
        return raw[len(GUARD) :]


edge = functools.cache(Edge)


class Aead:
    """AES-CCM of one build under one key; the buffers are exactly as long as they may be used."""

    def __init__(self, lib, key, tag_len):
        self.lib = lib
        self.tag_len = tag_len
        room = GuardedCcm(guard=(c_uint8 * len(GUARD * 4))(*GUARD * 4))
        self.ccm = room.ccm
        self.status = lib.hf_aes_ccm_init(byref(self.ccm), key, len(key), tag_len)
        assert bytes(room.guard) == GUARD * 4

    def seal(self, nonce, aad, text, in_place=False, shift=0):
        _source, source_at = aligned(text, shift)
        out, out_at = aligned(text + bytes(self.tag_len), shift)
        if in_place:
            source_at = out_at
        args = (byref(self.ccm), nonce, aad, c_size_t(len(aad)), ctypes.c_void_p(source_at), c_size_t(len(text)))
        status = self.lib.hf_aes_ccm_seal(*args, ctypes.c_void_p(out_at))
        return status, content_of(out, shift)

    def open(self, nonce, aad, sealed, in_place=False, shift=0):
        """(status, text); text is None when the call wrote nothing at all."""
        text_len = max(0, len(sealed) - self.tag_len)
        source, source_at = aligned(sealed, shift)
        out, out_at = (source, source_at) if in_place else aligned(b"\x5a" * text_len, shift)
        args = (byref(self.ccm), nonce, aad, c_size_t(len(aad)), ctypes.c_void_p(source_at), c_size_t(len(sealed)))
        status = self.lib.hf_aes_ccm_open(*args, ctypes.c_void_p(out_at))
        return status, content_of(out, shift)[:text_len]


class Oscore:
    """A context of one build, on whole datagrams."""

    def __init__(self, lib, secret, salt, sender_id, recipient_id, id_context=None, alg=10):
        self.lib = lib
        self.ctx = Ctx()
        self.status = self.derive(secret, salt, sender_id, recipient_id, id_context, alg, self.ctx)

    def derive(self, secret, salt, sender_id, recipient_id, id_context=None, alg=10, into=None):
        given = Input(
            *(secret, len(secret), salt, len(salt), sender_id, len(sender_id), recipient_id, len(recipient_id)),
            *(id_context, 0 if id_context is None else len(id_context), alg),
        )
        return STATUS[self.lib.hf_oscore_derive(byref(into), byref(given))]

    def _run(self, function, before, datagram, room, after):
        size, length = len(datagram) + room, c_size_t(len(datagram))
        at = ctypes.c_void_p(edge().put(datagram + bytes(room)))
        status = STATUS[function(byref(self.ctx), *before, at, byref(length), c_size_t(size), *after)]
        return status, edge().get(size)[: length.value]

    def protect_request(self, number, datagram, room=1200):
        exchange = used_exchange()
        run = self._run(self.lib.hf_oscore_protect_request, (c_uint64(number),), datagram, room, (byref(exchange),))
        return *run, exchange

    def unprotect_request(self, datagram):
        exchange = used_exchange()
        at, length = edge().put(datagram), c_size_t(len(datagram))
        function = self.lib.hf_oscore_unprotect_request
        status = STATUS[function(byref(self.ctx), ctypes.c_void_p(at), byref(length), byref(exchange))]
        return status, edge().get(len(datagram))[: length.value], exchange

    def protect_response(self, exchange, datagram, number=None, room=1200):
        pointer = None if number is None else byref(c_uint64(number))
        function = self.lib.hf_oscore_protect_response
        return self._run(function, (byref(exchange), pointer), datagram, room, ())

    def unprotect_response(self, exchange, datagram):
        at, length = edge().put(datagram), c_size_t(len(datagram))
        function = self.lib.hf_oscore_unprotect_response
        status = STATUS[function(byref(self.ctx), byref(exchange), ctypes.c_void_p(at), byref(length))]
        return status, edge().get(len(datagram))[: length.value]

    def accept(self, exchange):
        return STATUS[self.lib.hf_oscore_accept(byref(self.ctx), byref(exchange))]


def read_ids(lib, datagram):
    """(status, kid, kid_context) of a datagram."""
    at = edge().put(datagram)
    ids = Ids()
    status = STATUS[lib.hf_oscore_read_ids(ctypes.c_void_p(at), c_size_t(len(datagram)), byref(ids))]
    assert edge().get(len(datagram)) == datagram
    fields = ((ids.kid, ids.kid_len), (ids.kid_context, ids.kid_context_len))
    return status, *(ctypes.string_at(place, length) if place else None for place, length in fields)
