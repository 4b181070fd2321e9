"""Token keys leave and enter as COSE_Key, JWK and PEM: others read them, and secret ones are never shown."""

import base64
import json

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from holdfast_core import labels as L
from holdfast_server.records import RegistryError
from holdfast_server.store.sqlite import Store
from holdfast_server.wire.key_forms import decode_shared_key
from testkit.authz import NOW_S, TUBE

KEY, KID = bytes(range(16)), b"theirs"


@pytest.fixture
def tube(run):
    run("rs", "add", "tube", "--scope", "read=GET:/t")


def listed(run):
    return {key["kid"]: key for key in json.loads(run("key", "list", "--json").stdout)}


def export(run, tmp_path, form, *more):
    out = tmp_path / f"keys.{form}"
    said = run("key", "export", "--form", form, "--out", out, "--force", *more)
    assert out.stat().st_mode & 0o777 == 0o600
    return out.read_bytes(), said.stdout + said.stderr


def test_public_keys_are_the_same_in_every_form(run, tmp_path):
    kids = [bytes.fromhex(kid) for kid, key in listed(run).items() if key["role"] == "sign"]
    cose = cbor2.loads(export(run, tmp_path, "cose")[0])
    assert [key[L.KEY_KID] for key in cose] == kids
    points = [(int.from_bytes(key[L.KEY_X], "big"), int.from_bytes(key[L.KEY_Y], "big")) for key in cose]
    assert all(key[L.KEY_KTY] == 2 and key[L.KEY_CRV] == 1 and key[L.KEY_ALG] == -7 for key in cose)
    jwks = json.loads(export(run, tmp_path, "jwk")[0])["keys"]
    assert all((key["kty"], key["crv"], key["alg"], "d" in key) == ("EC", "P-256", "ES256", False) for key in jwks)
    assert [int.from_bytes(base64.urlsafe_b64decode(key["x"] + "="), "big") for key in jwks] == [x for x, _ in points]
    pem = export(run, tmp_path, "pem")[0].split(b"-----END PUBLIC KEY-----\n")[:-1]
    loaded = [load_pem_public_key(one + b"-----END PUBLIC KEY-----\n").public_numbers() for one in pem]
    assert [(key.x, key.y) for key in loaded] == points
    assert isinstance(loaded[0].curve, ec.SECP256R1)
    assert b"COSE_KeySet" in export(run, tmp_path, "diag")[0]


def test_the_keys_of_a_resource_server_leave_in_a_file_alone_and_are_remembered(run, tube, state, tmp_path):
    with Store(state, serving=False) as store:
        shared = store.keys("encrypt", "tube")
    cose, said = export(run, tmp_path, "cose", "--rs", "tube")
    keys = cbor2.loads(cose)
    assert [key[L.KEY_K] for key in keys if L.KEY_KTY in key and key[L.KEY_KTY] == 4] == [
        key.secret.reveal() for key in shared
    ]
    assert all(key.secret.reveal().hex() not in said for key in shared)
    assert all(key["held_by"] == ["tube"] for key in listed(run).values())
    run("key", "rotate", "--rs", "tube")
    assert "tube" in run("key", "rotate", "--rs", "tube", code=2).stderr
    assert "PEM" in run("key", "export", "--form", "pem", "--rs", "tube", "--out", tmp_path / "x", code=2).stderr
    assert not (tmp_path / "x").exists()


FORMS = {
    "cose": cbor2.dumps({1: 4, 2: KID, 3: 10, -1: KEY}),
    "diag": b"[{ / kty / 1: 4, / kid / 2: 'theirs', / k / -1: h'000102030405060708090a0b0c0d0e0f' }]",
    "jwk": b'{"keys": [{"kty": "oct", "kid": "dGhlaXJz", "k": "AAECAwQFBgcICQoLDA0ODw"}]}',
}


@pytest.mark.parametrize("form", FORMS)
def test_a_device_with_a_key_of_its_own_gets_tokens_that_this_key_opens(run, tube, tmp_path, form):
    file = tmp_path / "key"
    file.write_bytes(FORMS[form])
    argv = ("key", "import", file, "--rs", "tube", "--form", form)
    said = run(*argv)
    assert KEY.hex() not in said.stdout + said.stderr
    keys = listed(run)
    assert keys[KID.hex()]["state"] == "current"
    assert keys[KID.hex()]["held_by"] == ["tube"]
    assert sorted(key["state"] for key in keys.values() if key["rs"] == "tube") == ["current", "next", "retired"]
    assert "already" in run(*argv, code=2).stderr  # a second import
    assert "tube" in run("key", "rotate", "--rs", "tube", code=2).stderr  # the device knows no next one


def test_the_token_is_made_with_the_imported_key(story):
    kid, secret = decode_shared_key("cose", FORMS["cose"])
    story.registry.import_key(TUBE, kid, secret, NOW_S)
    answer = story.tube_token(story.doctor_token()["access_token"])
    message = cbor2.loads(answer["access_token"]).value
    protected = cbor2.loads(message.value[0])
    assert protected[L.HDR_KID] == KID
    aad = cbor2.dumps(["Encrypt0", message.value[0], b""])
    assert AESCCM(KEY, tag_length=8).decrypt(protected[L.HDR_IV], message.value[2], aad)


BAD = [
    ("cose", b""),
    ("cose", b"\x80"),
    ("cose", cbor2.dumps({1: 4, -1: KEY})),
    ("cose", cbor2.dumps({1: 4, 2: b"", -1: KEY})),
    ("cose", cbor2.dumps({1: 4, 2: bytes(65), -1: KEY})),
    ("cose", cbor2.dumps({1: 2, 2: KID, -1: 1, -2: bytes(32), -3: bytes(32)})),
    ("cose", cbor2.dumps([{1: 4, 2: KID, -1: KEY}] * 2)),
    ("diag", b"{1: 4, 2: 5, -1: h'00'}"),
    ("diag", b"\xff"),
    ("jwk", b"[]"),
    ("jwk", b'{"kty": "oct", "kid": "AA"}'),
    ("jwk", b'{"kty": "RSA", "kid": "AA", "k": "AA"}'),
    ("jwk", b'{"kty": "oct", "kid": "", "k": "AA"}'),
    ("jwk", b'{"kty": "oct", "kid": "*", "k": "AA"}'),
]


@pytest.mark.parametrize(("form", "octets"), BAD)
def test_what_is_no_such_key_is_refused(form, octets):
    with pytest.raises(RegistryError):
        decode_shared_key(form, octets)


def test_a_key_of_another_length_or_for_nobody_is_refused(run, tube, tmp_path):
    run("rs", "add", "ekg", "--scope", "read=GET:/e", "--format", "reference")
    (tmp_path / "short").write_bytes(cbor2.dumps({1: 4, 2: KID, -1: b"short"}))
    (tmp_path / "good").write_bytes(FORMS["cose"])
    before = listed(run)
    assert "16 bytes" in run("key", "import", tmp_path / "short", "--rs", "tube", "--form", "cose", code=2).stderr
    for name in ("ekg", "nobody"):
        run("key", "import", tmp_path / "good", "--rs", name, "--form", "cose", code=2)
    run("key", "import", tmp_path / "none", "--rs", "tube", "--form", "cose", code=2)
    assert listed(run) == before
