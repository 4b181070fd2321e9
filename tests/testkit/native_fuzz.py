"""Builds the fuzz targets of native/tests, with seeds made from the vectors; for gcc, and for libFuzzer."""

import hashlib
import random
import subprocess

from minitest import vectors

from testkit import native_token as kit
from testkit.native_build import CACHE, ROOT, STRICT, X86, generator_include
from testkit.token_mutants import Mutants
from vectors.gen import story as s
from vectors.gen import token_writer as w

TARGETS = ("cbor", "cose", "token", "oscore", "coap")
LIBFUZZER = ("clang", ("-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"), ())
PLAIN = ("gcc", ("-fsanitize=address,undefined", "-fno-sanitize-recover"), ("native/tests/fuzz_main.c",))
CHOSEN = (PLAIN[0], (*PLAIN[1], *X86), PLAIN[2])  # with what is chosen at run time
NARROW = (PLAIN[0], (*PLAIN[1], "-m32"), PLAIN[2])  # where a length has 32 bits, as on boards
RAW, MAC, ENCRYPT = range(3)
FRESH, FLOOR, EXACT, ANY_EXI, ABOVE = 4, 1 << 3, 2 << 3, 1 << 5, 2 << 5
ALL_TAGS_AT_ANY_DEPTH = 0x8F


def _c_bytes(content):
    return "{" + ", ".join(str(byte) for byte in content) + "}"


def rules_header():
    """The text of fuzz_rules.h: an RS that takes every format, with the keys of the vectors' story."""
    row = next(row for row in vectors("token_rules") if row["keys"] == "any") | {"profiles": [2, 1]}
    parts = {
        "RULES": kit.encode_rules(row),
        "MAC_KEY": s.material(s.MAC),
        "ENCRYPT_KEY": s.material(s.ENC),
        "MAC_HEADER": w.protected(5, s.MAC["kid"]),
        "ENCRYPT_HEADER": w.protected(10, s.ENC["kid"], bytes(13)),
    }
    return "".join(f"#define FUZZ_{name} {_c_bytes(content)}\n" for name, content in parts.items())


def token_seeds():
    """Good tokens as they are, and payloads for the target to protect: claims of the vectors' kind, nested messages."""
    rng = random.Random(61)
    mutants = Mutants(rng)
    state = FRESH | EXACT | ANY_EXI
    good = [row for row in vectors("tokens") if row["expect"] == "ok" and row["keys"] == "any"]
    seeds = [bytes((RAW | state,)) + bytes.fromhex(row["token"]) for row in good]
    for _ in range(200):
        moment = rng.choice((0, FRESH)) | rng.choice((0, FLOOR, EXACT)) | rng.choice((0, ANY_EXI, ABOVE))
        seeds.append(bytes((rng.choice((MAC, ENCRYPT)) | moment,)) + mutants.payload())
    for payload in (s.claims(), s.claims({38: w.integer(1)}), s.claims({9: w.bstr(w.array())})):
        seeds.append(bytes((ENCRYPT | state,)) + payload)
        seeds.append(bytes((ENCRYPT | state,)) + w.tag(18, s.signed(payload)))
    return seeds


def cbor_seeds():
    """Every encoding of the CBOR vectors."""
    files = ("cbor_appendix_a", "cbor_bad", "cbor_good", "cbor_profile")
    return [bytes((ALL_TAGS_AT_ANY_DEPTH,)) + bytes.fromhex(row["encoded"]) for name in files for row in vectors(name)]


def cose_seeds():
    """The array of each token of the vectors, and the array inside, decrypted; each has its COSE tag in front."""
    seeds = []
    for row in vectors("tokens"):
        token = bytes.fromhex(row["token"])
        if token[:2] == b"\xd8\x3d" and len(token) > 4 and 0xD0 <= token[2] < 0xD8:
            seeds.append(bytes((token[2] & 31,)) + token[3:])
    payload = s.claims()
    signed = s.signed(payload)
    return [*seeds, b"\x12" + signed, b"\x11" + signed, b"\x10" + signed]


def coap_seeds():
    """Every datagram of the CoAP and OSCORE vectors."""
    datagrams = [row["datagram"] for row in vectors("coap_messages")]
    for row in vectors("rfc8613_messages"):
        datagrams += [row["protected"], row["plain"]]
    return [bytes.fromhex(datagram) for datagram in datagrams]


def oscore_seeds():
    """Datagrams from outside, outer options with a plaintext, and messages of our own; see fuzz_oscore.c."""
    messages = vectors("rfc8613_messages")
    seeds = [bytes(1) + bytes.fromhex(row["protected"]) for row in messages]
    seeds += [b"\2" + bytes.fromhex(row["plain"]) for row in messages]
    seeds += [b"\1\x34host\xff" + bytes.fromhex(row["plaintext"]) for row in messages]
    for row in vectors("coap_messages"):
        datagram = bytes.fromhex(row["datagram"])
        inner = datagram[1:2] + datagram[4 + datagram[0] % 16 :] if datagram else b""
        seeds += [bytes(1) + datagram, b"\2" + datagram, b"\1\x34tube\xd4\x17coap\xff" + inner]
    return seeds


def write_seeds(target, folder):
    """Write the seeds of a target, a file each; returns their paths."""
    makers = {"token": token_seeds, "cbor": cbor_seeds, "cose": cose_seeds, "oscore": oscore_seeds, "coap": coap_seeds}
    seeds = makers[target]()
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / hashlib.sha256(seed).hexdigest()[:16] for seed in seeds]
    for path, seed in zip(paths, seeds, strict=True):
        path.write_bytes(seed)
    return paths


def build(target, folder, flavour=PLAIN):
    """Build a target into folder; returns the path of the program."""
    compiler, flags, more = flavour
    (folder / "fuzz_rules.h").write_text(rules_header())
    sources = [f"native/tests/fuzz_{target}.c", *more]
    own = sorted(path.name for path in (ROOT / "native/src").glob("hf_*.c"))
    sources += [f"native/src/{name}" for name in own if "-m32" not in flags or not name.endswith("_x86.c")]
    includes = [ROOT / "native/include", ROOT / "native/src", generator_include(6, 1), folder]
    out = folder / f"fuzz_{target}"
    command = [compiler, *STRICT, "-g", "-O1", *flags, *[f"-I{path}" for path in includes], *sources, "-o", str(out)]
    subprocess.run(command, check=True, cwd=ROOT, timeout=300)
    return out


def corpus(target):
    """Where the long run keeps what it has found for a target."""
    return CACHE / f"corpus-{target}"
