"""Token checks and OSCORE messages, ours beside other libraries', and a full server beside an empty one.

256 different tokens of each format are made by the server's own code; everybody checks the same ones. 256 different
requests are protected, and what comes of that is opened by our Python core and must be what went in.
"""

import secrets
from typing import Any

from full_contestants import EMPTY, FULL, ROW
from oscore_contestants import CLIENT_ID, PROTECT, SERVER_ID, UNPROTECT
from race import ROOT, ROUNDS, library, race, started, worker
from token_party import FORMATS, Party

from holdfast_core import labels as L
from holdfast_core.coap_message import decode, encode, request, response
from holdfast_core.oscore import SecurityContext
from testkit.native_build import X86

ITEMS, PROVED = 256, 16
TOKEN_WORKERS = {
    "raw OpenSSL through cryptography": worker("token_contestants.py", "raw"),
    "cbor2 + cryptography by hand": worker("token_contestants.py", "hand"),
    "pycose": worker("token_contestants.py", "pycose"),
    "python-cwt": worker("token_cwt.py", "cwt"),
    "ours, Python": worker("token_contestants.py", "python"),
    "ours, verify_token with the C core": worker("token_contestants.py", "core"),
    "ours, C through cffi": worker("token_contestants.py", "cffi"),
}
RAW, HAND, CFFI = "raw OpenSSL through cryptography", "cbor2 + cryptography by hand", "ours, C through cffi"
AIOCOAP = "aiocoap"
OSCORE_WORKERS = {
    AIOCOAP: worker("oscore_contestants.py", "aiocoap"),
    "ours, Python": worker("oscore_contestants.py", "python"),
    "ours, C": worker("oscore_contestants.py", "native"),
}
FULL_WORKERS = {name: worker("full_contestants.py", name) for name in (EMPTY, FULL)}
OSCORE_SOURCES = (
    "hf_oscore.c",
    "hf_oscore_message.c",
    "hf_coap.c",
    "hf_aes.c",
    "hf_aes_ccm.c",
    "hf_hkdf.c",
    "hf_hmac.c",
    "hf_sha256.c",
)


def token_jobs(items: int = ITEMS) -> dict[str, dict[str, Any]]:
    """What each contestant is given; the primitives alone cannot refuse claims."""
    party = Party()
    good = {name: [party.token(name).hex() for _ in range(items)] for name in FORMATS}
    bad = {name: party.bad_tokens(name) for name in FORMATS}
    every = {name: [token.hex() for token in tokens.values()] for name, tokens in bad.items()}
    changed = {name: [tokens["changed"].hex()] for name, tokens in bad.items()}
    return {
        name: {"keys": party.keys(), "good": good, "bad": changed if name == RAW else every, "prove": PROVED}
        for name in TOKEN_WORKERS
    }


def oscore_jobs(items: int = ITEMS) -> dict[str, dict[str, Any]]:
    """Requests like the EKG's to the tube, small and with a few options."""
    secret, salt = secrets.token_bytes(16), secrets.token_bytes(8)
    build = [*X86, f"-I{ROOT}/native/include", f"-I{ROOT}/native/src"]
    sources = ["benchmarks/oscore_native.c", *(f"native/src/{source}" for source in OSCORE_SOURCES)]
    keys = {"secret": secret.hex(), "salt": salt.hex(), "library": str(library("oscore_native", sources, build))}
    plain = []
    for number in range(items):
        message = request(L.CODE_PUT, "/results/latest", secrets.token_bytes(48), L.CF_TEXT_PLAIN)
        message.mtype, message.mid, message.token = 0, number, secrets.token_bytes(4)
        plain.append(encode(message))
    client = SecurityContext(secret, salt, CLIENT_ID, SERVER_ID)
    protected = [encode(client.protect_request(decode(datagram))[0]) for datagram in plain]
    answer = response(L.CODE_CONTENT, b"no request")
    answer.mtype, answer.mid = 0, 1
    changed = protected[0][:-1] + bytes((protected[0][-1] ^ 1,))
    good = {PROTECT: [item.hex() for item in plain], UNPROTECT: [item.hex() for item in protected]}
    bad = {PROTECT: [encode(answer).hex()], UNPROTECT: [changed.hex(), plain[0].hex()]}
    return {name: {"keys": keys, "good": good, "bad": bad, "prove": PROVED} for name in OSCORE_WORKERS}


def prove_outputs(jobs: dict[str, dict[str, Any]]) -> None:
    """Exit unless everybody's protected requests open to what went in, and everybody opens to the same payload."""
    with started(OSCORE_WORKERS, jobs) as running:
        for name, contestant in running.items():
            keys, plain = jobs[name]["keys"], [bytes.fromhex(item) for item in jobs[name]["good"][PROTECT]]
            server = SecurityContext(bytes.fromhex(keys["secret"]), bytes.fromhex(keys["salt"]), SERVER_ID, CLIENT_ID)
            made = [bytes.fromhex(item) for item in contestant.ask({"do": "outputs", "row": PROTECT})]
            if [encode(server.unprotect_request(decode(datagram)).message) for datagram in made] != plain:
                raise SystemExit(f"{name}: what it protects is not what went in")
            opened = [bytes.fromhex(item) for item in contestant.ask({"do": "outputs", "row": UNPROTECT})]
            if [item[-48:] for item in opened] != [datagram[-48:] for datagram in plain]:
                raise SystemExit(f"{name}: what it opens is not what went in")


def token_race(rounds: int = ROUNDS, items: int = ITEMS) -> list[dict[str, Any]]:
    """Rows of all formats and contestants."""
    return race(FORMATS, TOKEN_WORKERS, token_jobs(items), rounds)


def oscore_race(rounds: int = ROUNDS, items: int = ITEMS) -> list[dict[str, Any]]:
    """Rows of protecting and unprotecting."""
    jobs = oscore_jobs(items)
    prove_outputs(jobs)
    return race((PROTECT, UNPROTECT), OSCORE_WORKERS, jobs, rounds)


def full_race(rounds: int = ROUNDS, items: int = ITEMS) -> list[dict[str, Any]]:
    """Rows of a request to a server that remembers nothing and to one that remembers all it can."""
    job = {"keys": {}, "good": {ROW: ["01"] * items}, "bad": {ROW: ["00"]}, "prove": PROVED}
    return race((ROW,), FULL_WORKERS, dict.fromkeys(FULL_WORKERS, job), rounds)
