"""The token check in C as a filter (native/tests/token_program.c): records in, verdicts out, in the vectors' words.

For the tests only. This file also encodes the rules of token_rules.jsonl as native/include/hf_token.h wants them.
"""

import hashlib
import os
import re
import subprocess

from holdfast_core import cbor, crypto_cryptography, errors
from holdfast_core.trust import Trust, TrustedKey
from testkit.native_build import CACHE, ROOT, STRICT, X86, counted, generator_include
from testkit.token_rules import rules_from

FORMATS = {"cwt-encrypted": 1, "cwt-nested": 2, "cwt-signed": 4, "cwt-mac": 8}
ROLES = {"sign": 0, "mac": 1, "encrypt": 2}
UNKNOWN, FLOOR, EXACT = range(3)
REFUSED, ANY, ABOVE = range(3)
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1")
# Arguments of program(). On x86-64 one chooses at run time what the processor has.
BUILDS = {
    "token": ("token", ("-O2",)),
    "sanitized": ("sanitized", SANITIZED),
    "clang-sanitized": ("clang-sanitized", SANITIZED, "clang"),
}
if X86:
    BUILDS |= {
        "x86-sanitized": ("x86-sanitized", (*SANITIZED, *X86)),
        "narrow-sanitized": ("narrow-sanitized", (*SANITIZED, "-m32")),  # where a length has 32 bits, as on boards
    }
TEETH, BLOCKS = 6, 1


def program(name="token", flags=("-O2",), compiler="gcc"):
    """Path of the filter, built unless it is there already."""
    sources = [*sorted((ROOT / "native/src").glob("hf_*.c")), ROOT / "native/tests/token_program.c"]
    sources = [path for path in sources if "-m32" not in flags or not path.stem.endswith("_x86")]
    headers = sorted((ROOT / "native").glob("*/*.h"))
    include = generator_include(TEETH, BLOCKS)
    folders = [f"-I{folder}" for folder in (ROOT / "native/include", ROOT / "native/src", include)]
    command = [compiler, *STRICT, "-g", *flags, *counted(compiler, flags), *folders]
    key = hashlib.sha256(repr(command).encode() + b"".join(path.read_bytes() for path in sources + headers))
    folder = CACHE / f"{name}-{key.hexdigest()[:16]}"
    if not (folder / name).exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{name}.{os.getpid()}"
        subprocess.run([*command, *map(str, sources), "-o", str(part)], check=True, timeout=300, cwd=folder)
        part.replace(folder / name)
    return folder / name


def statuses():
    """The enum of hf_status.h: name by number."""
    text = (ROOT / "native/include/hf_status.h").read_text()
    named = {}
    number = 0
    for name, value in re.findall(r"^    HF_(\w+)(?: = (\w+))?,?$", text, re.MULTILINE):
        number = int(value, 0) if value else number + 1
        named[number] = name
    return named


def error_class(name):
    """The exception that a status stands for."""
    if name == "LOCAL":
        return errors.LocalError
    return getattr(errors, "".join(word.title() for word in name.split("_")))


REASONS = {number: "" if name == "OK" else error_class(name).reason for number, name in statuses().items()}


def encode_rules(row, tables=None):
    """Encode a row of token_rules.jsonl for hf_rules_read; tables: a table for each public key that has one, by hex."""
    keys = [
        [
            ROLES[key["role"]],
            bytes.fromhex(key["kid"]),
            key["alg"],
            key["issuer"],
            bytes.fromhex(key["key"]),
            (tables or {}).get(key["key"]),
        ]
        for key in row["trusted"]
    ]
    return cbor.encode(
        [
            2,
            sum(FORMATS[name] for name in row["formats"] if name in FORMATS),
            row["profiles"],
            bytes.fromhex(row["rs_id"]),
            row["leeway_s"],
            row["require_cnonce"] | (row["token_shape"] == "rfc8392") << 1,
            row["audiences"],
            keys,
            [[name, permissions] for name, permissions in row["scopes"].items()],
        ]
    )


def openssl_rules(row):
    """Rules (rules.py) of a row of token_rules.jsonl. Their keys verify by OpenSSL, whatever crypto.py prefers."""
    rules = rules_from(row)
    keys = []
    for key, given in zip(rules.trust.keys, row["trusted"], strict=True):
        point = bytes.fromhex(given["key"])
        by = crypto_cryptography.Es256Key(point[:32], point[32:]) if key.role == "sign" else key.key
        keys.append(TrustedKey(key.role, key.kid, key.alg, key.issuer, by))
    rules.trust = Trust(keys)
    return rules


def record(operation, *fields):
    """One record of the filter's input."""
    framed = b"".join(len(field).to_bytes(4, "little") + bytes(field) for field in fields)
    return operation.encode() + bytes((len(fields),)) + framed


def token_record(token, now_s, exi_floor=None, is_floor=False, cnonces=None, scratch_len=None):
    """A T record with the words of verifier.verify_token; cnonces: the fresh ones; None: the RS hands out none."""
    clock = UNKNOWN if now_s is None else FLOOR if is_floor else EXACT
    exi = REFUSED if exi_floor is None else ANY if exi_floor < 0 else ABOVE
    last = scratch_len if scratch_len is not None else max(exi_floor or 0, 0)
    moment = bytes((clock, exi)) + (now_s or 0).to_bytes(8, "little", signed=True) + last.to_bytes(8, "little")
    fresh = [] if cnonces is None else [b"", *cnonces]
    return record("T" if scratch_len is None else "S", moment, token, *fresh)


class Verdict:
    """One line of the filter: reason and detail as in str(PeerError), and the grant's fields."""

    def __init__(self, line):
        status, detail, *fields = line.split(" ")
        self.reason = REASONS[int(status)]
        self.text = self.reason + ": " + detail if detail else self.reason
        self.grant = dict(field.split("=") for field in fields)


def run(executable, records):
    """Give the filter these records; return a Verdict for each. A sanitizer's finding is an AssertionError."""
    done = subprocess.run([executable], input=b"".join(records), capture_output=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
    return [Verdict(line) for line in done.stdout.decode().splitlines()]


def of_row(row):
    """The record of a row of tokens.jsonl."""
    nonces = None if "cnonces" not in row else [bytes.fromhex(nonce) for nonce in row["cnonces"]]
    token = bytes.fromhex(row["token"])
    return token_record(token, row["now"], row.get("exi_floor"), row.get("floor", False), nonces)


INT64 = 1 << 63


def _nearest(number):
    return max(-INT64, min(number, INT64 - 1))


def of_grant(grant):
    """The fields that the filter prints for an equal grant."""
    text = {"iss": grant.iss, "sub": grant.sub}
    octets = {"cti": grant.cti, "cnonce": grant.cnonce, "hash": grant.token_hash, "kid": grant.cnf.kid}
    numbers = {"exp": grant.exp, "nbf": grant.nbf, "iat": grant.iat, "exi": grant.exi}
    numbers |= {"profile": grant.ace_profile, "format": FORMATS[grant.format], "method": grant.cnf.method}
    numbers |= {"encrypted": int(grant.cnf.encrypted), "exi_seq": grant.exi_seq}
    if grant.exi_seq is not None and grant.exi_seq >= INT64:  # the filter prints it signed
        numbers["exi_seq"] = grant.exi_seq - 2 * INT64
    if isinstance(grant.scope, str):
        text["scope_text"] = grant.scope
    else:
        octets["scope_bytes"] = grant.scope
    osc, key = grant.cnf.osc, grant.cnf.key
    if osc is not None:
        octets |= {"id": osc.id, "ms": osc.ms.reveal(), "salt": osc.salt, "context_id": osc.context_id}
        numbers["osc_alg"] = osc.alg
    if key is not None:
        octets |= {"x": key.x, "y": key.y, "k": key.k and key.k.reveal()}
        numbers["key_alg"] = 0 if isinstance(key.alg, str) else key.alg
    made = {name: value.encode().hex() for name, value in text.items() if value is not None}
    made |= {name: value.hex() for name, value in octets.items() if value is not None}
    made |= {name: str(_nearest(value)) for name, value in numbers.items() if value is not None}
    made["aud"] = grant.aud
    made["act"] = grant.act
    made["key_ops"] = key and key.key_ops
    return made


def comparable(fields):
    """The fields of the filter in the form of of_grant: encoded items decoded."""
    fields = dict(fields)
    for name in ("aud", "act", "key_ops"):
        item = fields.get(name)
        fields[name] = None if item is None else cbor.decode(bytes.fromhex(item), (16,))
    aud, ops = fields["aud"], fields["key_ops"]
    fields["aud"] = (aud,) if isinstance(aud, str) else tuple(aud)
    fields["key_ops"] = None if ops is None else tuple(ops)
    return fields
