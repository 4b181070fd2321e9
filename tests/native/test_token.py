"""The C core's token check on every vector, every truncation and every flipped bit; rules, tables and permissions."""

import pytest
from minitest import vectors

from holdfast_core import cbor
from holdfast_core.errors import PeerError
from holdfast_core.moment import Moment
from holdfast_core.verifier import verify_token
from testkit import native_token as kit
from testkit import p256_native
from testkit.token_rules import load_rules, rules_from, verify_row
from vectors.gen import story as s
from vectors.gen import token_writer as w

every_build = pytest.mark.parametrize("build", kit.BUILDS.values(), ids=kit.BUILDS)
ROWS = list(vectors("tokens"))
RULE_ROWS = {row["keys"]: row for row in vectors("token_rules")}
RULES = load_rules()
GOOD = [row for row in ROWS if row["expect"] == "ok"]
PATHS = ("/result", "/calibration", "/log", "/none", "/", "")


def table_of(key_hex, teeth=4, blocks=2):
    point = (int(key_hex[:64], 16), int(key_hex[64:], 16))
    return bytes(p256_native.table(point, teeth, blocks))


def encoded(name, with_tables=False):
    row = RULE_ROWS[name]
    tables = {key["key"]: table_of(key["key"]) for key in row["trusted"] if key["role"] == "sign"}
    return kit.encode_rules(row, tables if with_tables else None)


def python_text(token, rules):
    try:
        verify_token(token, rules, Moment(s.NOW))
    except PeerError as error:
        return str(error)
    return ""


@every_build
@pytest.mark.parametrize("with_tables", [False, True], ids=["keys", "tables"])
def test_vectors(build, with_tables):
    rules = {name: kit.record("R", encoded(name, with_tables)) for name in RULE_ROWS}
    records = [record for row in ROWS for record in (rules[row["keys"]], kit.of_row(row))]
    verdicts = kit.run(kit.program(*build), records)
    assert {verdict.text for verdict in verdicts[::2]} == {""}
    wrong = [(r["id"], v.text) for r, v in zip(ROWS, verdicts[1::2], strict=True) if v.text != r["reason"]]
    assert not wrong, wrong[:5]
    for row, verdict in zip(ROWS, verdicts[1::2], strict=True):
        if row["expect"] == "ok":
            assert kit.comparable(verdict.grant) == kit.of_grant(verify_row(row, RULES)), row["id"]
    assert len(GOOD) > 50


def forms():
    """One good token of each rule set and length; the forms differ."""
    chosen = {}
    for row in GOOD:
        if "cnonces" not in row and row["now"] == s.NOW and "exi_floor" not in row:
            chosen.setdefault((row["keys"], len(row["token"]) // 40), row)
    return list(chosen.values())


@every_build
def test_every_truncation_and_every_extension(build):
    records, cases = [], []
    for row in forms():
        token = bytes.fromhex(row["token"])
        records.append(kit.record("R", encoded(row["keys"])))
        for cut in [token[:n] for n in range(len(token))] + [token + b"\0", token * 2]:
            records.append(kit.token_record(cut, s.NOW))
            cases.append((cut, RULES[row["keys"]]))
    verdicts = [v for v, r in zip(kit.run(kit.program(*build), records), records, strict=True) if r[:1] == b"T"]
    for case, verdict in zip(cases, verdicts, strict=True):
        assert verdict.text == python_text(*case) != "", case
    assert len(cases) > 5000


def test_every_flipped_bit():
    """On one short token of each format, all bits; what is flipped never passes."""
    shortest = {}
    for row in sorted(forms(), key=lambda row: len(row["token"])):
        shortest.setdefault(verify_row(row, RULES).format, row)
    assert len(shortest) == 4
    for row in shortest.values():
        token = bytes.fromhex(row["token"])
        number = int.from_bytes(token, "big")
        flipped = [(number ^ 1 << bit).to_bytes(len(token), "big") for bit in range(8 * len(token))]
        records = [kit.record("R", encoded(row["keys"])), *[kit.token_record(one, s.NOW) for one in flipped]]
        verdicts = kit.run(kit.program(), records)[1:]
        for one, verdict in zip(flipped, verdicts, strict=True):
            assert verdict.text == python_text(one, RULES[row["keys"]]) != ""


@every_build
def test_permissions(build):
    """Each method on each path, for every grant of the vectors: what scope.Permissions says."""
    records, wants = [], []
    for row in GOOD:
        permissions = verify_row(row, RULES).permissions
        records += [kit.record("R", encoded(row["keys"])), kit.of_row(row)]
        wants += ["", ""]
        for path in PATHS:
            for code in (0, 1, 2, 3, 4, 5, 6, 7, 8, 31, 255):
                records.append(kit.record("P", bytes((code,)), path.encode()))
                try:
                    permissions.check(path, code)
                    wants.append("")
                except PeerError as error:
                    wants.append(error.reason)
    assert [verdict.text for verdict in kit.run(kit.program(*build), records)] == wants
    assert {"", "resource-forbidden", "method-forbidden"} == set(wants)


@every_build
def test_scratch_that_is_too_short(build):
    row = GOOD[0]
    token = bytes.fromhex(row["token"])
    rules = kit.record("R", encoded(row["keys"]))
    records = [rules, *[kit.token_record(token, s.NOW, scratch_len=n) for n in (0, len(token), 2 * len(token) - 1)]]
    assert {v.text for v in kit.run(kit.program(*build), records)[1:]} == {"local: scratch"}
    longest = kit.token_record(bytes(1025), s.NOW, scratch_len=10)
    fits = kit.token_record(token, s.NOW, scratch_len=2 * len(token))
    assert [v.text for v in kit.run(kit.program(*build), [rules, fits, longest])] == [
        "",
        "",
        "malformed-cose: too-long",
    ]


@every_build
def test_room_for_an_encrypted_key_in_an_encrypted_token(build):
    """The most that one token can ask of the scratch: inside it, and as long as possible, a key with a long header."""
    dtls = RULE_ROWS["any"] | {"profiles": [1]}
    rules = rules_from(dtls)
    records = [kit.record("R", kit.encode_rules(dtls))]
    expected = []
    for maker in (s.encrypted, s.maced, s.signed):
        for padding in range(0, 900, 9):
            header = w.protected(10, None, s.IV, (99, w.bstr(bytes(padding))))
            key = w.mapping((1, w.integer(4)), (-1, w.bstr(bytes(16))))
            inner = s.encrypted(key, header=header)
            claims = {3: w.tstr(s.TUBE), 4: w.integer(s.NOW + 1), 9: w.tstr("manage"), 8: w.mapping((2, inner))}
            payload = w.mapping(*claims.items())
            tag = {s.encrypted: 16, s.maced: 17, s.signed: 18}[maker]
            token = w.cwt(tag, maker(payload))
            records.append(kit.token_record(token, s.NOW))
            expected.append(python_text(token, rules))
    verdicts = [v.text for v in kit.run(kit.program(*build), records)[1:]]
    assert verdicts == expected
    assert {"", "malformed-cose: too-long"} == set(expected)


BAD_RULES = [
    (lambda r: r.__setitem__(0, 1), "local: rules"),
    (lambda r: r.__setitem__(0, 3), "local: rules"),
    (lambda r: r.__setitem__(0, 0), "local: rules"),
    (lambda r: r.append(0), "local: rules"),
    (lambda r: r.__setitem__(1, 16), "local: rules"),
    (lambda r: r.__setitem__(1, -1), "local: rules"),
    (lambda r: r.__setitem__(2, []), "local: rules"),
    (lambda r: r.__setitem__(2, [3]), "local: rules"),
    (lambda r: r.__setitem__(2, [1, 2, 1]), "local: rules"),
    (lambda r: r.__setitem__(2, [True]), "local: rules"),
    (lambda r: r.__setitem__(2, 2), "local: rules"),
    (lambda r: r.__setitem__(3, "tube"), "local: rules"),
    (lambda r: r.__setitem__(4, 1 << 32), "local: rules"),
    (lambda r: r.__setitem__(4, None), "local: rules"),
    (lambda r: r.__setitem__(5, None), "local: rules"),
    (lambda r: r.__setitem__(5, True), "local: rules"),
    (lambda r: r.__setitem__(5, 4), "local: rules"),
    (lambda r: r.__setitem__(5, -1), "local: rules"),
    (lambda r: r.__setitem__(6, "x"), "local: rules"),
    (lambda r: r.__setitem__(6, [b"x"]), "local: rules"),
    (lambda r: r.__setitem__(7, 0), "local: rules"),
    (lambda r: r.__setitem__(8, {}), "local: rules"),
    (lambda r: r.__setitem__(8, [["a b", []]]), "local: rules"),
    (lambda r: r.__setitem__(8, [["", []]]), "local: rules"),
    (lambda r: r.__setitem__(8, [[b"x", []]]), "local: rules"),
    (lambda r: r.__setitem__(8, [["x"]]), "local: rules"),
    (lambda r: r.__setitem__(8, [[]]), "local: rules"),
    (lambda r: r.__setitem__(8, ["x"]), "local: rules"),
    (lambda r: r.__setitem__(8, [["x", 1]]), "local: rules"),
    (lambda r: r.__setitem__(8, [["x", [], 1]]), "local: rules"),
    (lambda r: r.__setitem__(8, [["x", ["/a"]]]), "local: rules"),
    (lambda r: r.__setitem__(8, [["x", [["/a"]]]]), "local: rules"),
    (lambda r: r.__setitem__(8, [["x", [["a", 1]]]]), "local: rules"),
    (lambda r: r.__setitem__(8, [["x", [["", 1]]]]), "local: rules"),
    (lambda r: r.__setitem__(8, [["x", [[1, 1]]]]), "local: rules"),
    (lambda r: r.__setitem__(8, [["x", [["/a", 0]]]]), "local: rules"),
    (lambda r: r.__setitem__(8, [["x", [["/a", 128]]]]), "local: rules"),
    (lambda r: r.__setitem__(8, [[f"x{n}", []] for n in range(257)]), "local: rules"),
    (lambda r: r[7].append(1), "local: rules"),
    (lambda r: r[7].append([0]), "local: rules"),
    (lambda r: r[7][0].__setitem__(0, 3), "local: rules"),
    (lambda r: r[7][0].__setitem__(0, -1), "local: rules"),
    (lambda r: r[7][0].__setitem__(1, "kid"), "local: rules"),
    (lambda r: r[7][0].__setitem__(2, "ES256"), "local: rules"),
    (lambda r: r[7][0].__setitem__(3, b"iss"), "local: rules"),
    (lambda r: r[7][0].__setitem__(4, 1), "local: rules"),
    (lambda r: r[7][0].__setitem__(5, "table"), "local: rules"),
    (lambda r: r[7][0].__setitem__(2, 5), "malformed-key: alg"),
    (lambda r: r[7][2].__setitem__(2, -7), "malformed-key: alg"),
    (lambda r: r[7][4].__setitem__(2, 5), "malformed-key: alg"),
    (lambda r: r[7][4].__setitem__(5, b""), "malformed-key: alg"),
    (lambda r: r[7][0].__setitem__(4, bytes(63)), "malformed-key: length"),
    (lambda r: r[7][2].__setitem__(4, bytes(31)), "malformed-key: length"),
    (lambda r: r[7][4].__setitem__(4, bytes(32)), "malformed-key: length"),
    (lambda r: r[7][5].__setitem__(4, bytes(16)), "malformed-key: length"),
    (lambda r: r[7][0].__setitem__(4, bytes(64)), "malformed-key: not-on-curve"),
    (lambda r: r[7][0].__setitem__(4, bytes(32) + b"\xff" * 32), "malformed-key: coordinate-range"),
    (lambda r: r[7][0].__setitem__(5, b""), "malformed-key: table"),
    (lambda r: r[7][0].__setitem__(5, r[7][1][5]), "malformed-key: table"),
    (lambda r: r[7][0].__setitem__(5, r[7][0][5][:-1]), "malformed-key: table"),
]


@every_build
def test_rules_that_are_refused(build):
    good = encoded("any", with_tables=True)
    records = [kit.record("R", good)]
    for change, _ in BAD_RULES:
        rules = cbor.decode(good)
        change(rules)
        records.append(kit.record("R", cbor.encode(rules)))
    records += [kit.record("R", bad) for bad in (b"", b"\xf6", good[:-1], good + b"\0")]
    verdicts = [verdict.text for verdict in kit.run(kit.program(*build), records)]
    assert verdicts == ["", *[text for _, text in BAD_RULES], *["local: rules"] * 4]
    cuts = [kit.record("R", good[:n]) for n in range(0, len(good), 7)]
    assert {verdict.text for verdict in kit.run(kit.program(*build), cuts)} == {"local: rules"}
