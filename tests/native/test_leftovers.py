"""No key, schedule, pad or plaintext stays on a dead stack, in a scratch or in a buffer, after success or refusal.

native/tests/leftovers.c runs each operation with two secrets and compares the stacks. That each wipe is needed, and its
absence seen, is shown by leaving it out.
"""

import re
import subprocess

import pytest

from holdfast_core import labels as L
from testkit import native_build, native_objects
from testkit import symmetric_native as kit
from testkit.oscore_native import MINE, SALT, SECRET, THEIRS, message

SOURCES = [native_build.ROOT / f"native/src/hf_{name}.c" for name in kit.NAMES]
PROGRAM = native_build.ROOT / "native/tests/leftovers.c"
OPERATIONS = (
    "derive",
    "hkdf",
    "hmac",
    "hmac-by-a-long-key",
    "expand-key",
    "seal",
    "open",
    "open-forged",
    "open-without-a-tag",
)
BUILDS = [("gcc", level) for level in ("-O1", "-O2", "-O3", "-Os")] + [("clang", level) for level in ("-O1", "-Os")]
# What holds a secret on the stack: the file, and what is wiped there.
WIPES = (
    ("sha256", "w"),
    ("sha256", "past"),
    ("hmac", "mac"),
    ("hkdf", "block"),
    ("hkdf", "prk"),
    ("aes", "below"),
    ("aes_ccm", "run"),
    ("oscore", "prk"),
    ("oscore", "use"),
)


def leftovers(folder, changed=None, compiler="gcc", level="-O2"):
    """Exit code and output of the program, with one source changed; changed: (name, text)."""
    sources = SOURCES
    if changed:
        name = f"hf_{changed[0]}.c"
        (folder / name).write_text(changed[1])
        sources = [folder / name, *(source for source in SOURCES if source.name != name)]
    names = tuple(str(path) for path in (*sources, PROGRAM))
    flags = ("-std=gnu99", level, *(("-Wno-unused-variable",) if changed else ()))  # what is not wiped is not used
    program = native_objects.program("leftovers", names, flags, compiler=compiler)
    done = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize(("compiler", "level"), BUILDS)
def test_nothing_stays_on_the_stack(tmp_path, compiler, level):
    code, output = leftovers(tmp_path, None, compiler, level)
    assert [line.split()[0] for line in output.splitlines()] == list(OPERATIONS)
    assert code == 0, output


def last_wipe_left_out(text, what):
    """The source without the last wipe of that variable."""
    found = list(re.finditer(rf"hf_wipe\(&?{what}, sizeof \*?{what}\);", text))
    assert found, what
    return text[: found[-1].start()] + ";" + text[found[-1].end() :]


@pytest.mark.parametrize(("name", "what"), WIPES)
def test_a_wipe_that_is_left_out_is_seen(tmp_path, name, what):
    text = (native_build.ROOT / f"native/src/hf_{name}.c").read_text()
    code, output = leftovers(tmp_path, (name, last_wipe_left_out(text, what)))
    assert code == 1, output


@pytest.fixture(params=kit.NAMES_TO_TEST)
def lib(request):
    return kit.library(request.param)


@pytest.mark.parametrize(
    "inner",
    [
        bytes((L.CODE_CONTENT, 0xFF)) + b"a response where a request belongs",
        bytes((L.CODE_PUT, 0xF0)) + b"an option number that is reserved",
        bytes((L.CODE_PUT, 0x90)) + b"another OSCORE option inside of it",
    ],
)
def test_no_plaintext_stays_of_a_message_that_makes_no_sense(lib, inner):
    """It is authentic and refused: the buffer of the datagram keeps nothing of what it said."""
    peer = kit.Oscore(lib, SECRET, SALT, MINE, THEIRS)
    own = kit.Oscore(lib, SECRET, SALT, THEIRS, MINE)
    text = kit.create_string_buffer(inner + bytes(8), len(inner) + 8)
    binding = (1).to_bytes(8, "little") * 2 + b"\x01\x01" + bytes(6)
    seal = lib.hf_oscore_seal
    assert seal(kit.byref(peer.ctx), binding, text, kit.c_size_t(len(inner))) == kit.OK
    datagram = message(L.CODE_POST, [(L.OPT_OSCORE, b"\x09\x01" + MINE)], text.raw)
    buffer, at = kit.aligned(datagram, 0)
    length = kit.c_size_t(len(datagram))
    exchange = kit.Exchange()
    unprotect = lib.hf_oscore_unprotect_request
    status = unprotect(kit.byref(own.ctx), kit.ctypes.c_void_p(at), kit.byref(length), kit.byref(exchange))
    assert kit.STATUS[status] == "malformed-oscore"
    assert datagram.endswith(text.raw)
    assert kit.content_of(buffer, 0)[-len(text.raw) :][: len(inner)] == bytes(len(inner))
