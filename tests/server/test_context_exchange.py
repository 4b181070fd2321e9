"""OSCORE contexts leave and enter in documented forms, are used from one place only, and are never shown."""

import asyncio
import json

import cbor2
import pytest

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.coap_message import decode
from holdfast_core.oscore import SecurityContext
from holdfast_core.oscore_option import decode_option
from holdfast_core.secret import Secret
from holdfast_server.coap.context_exchange import ContextExchange
from holdfast_server.coap.party_contexts import PartyContexts
from holdfast_server.records import RegistryError
from holdfast_server.store.home import EPOCH_JUMP
from holdfast_server.store.sqlite import Store
from holdfast_server.wire.context_forms import ALGS, FORMS, ContextParameters, decode_context, encode_context
from testkit.as_peer import Peer, context_of
from testkit.authz import DOCTOR_APP, EKG, NOW_S, CountingRng
from testkit.serve import holdfast, serving

SECRET = b"0123456789abcdef"
WANTED = {L.ACE_GRANT_TYPE: L.GRANT_CLIENT_CREDENTIALS, L.ACE_AUDIENCE: "tube", L.ACE_SCOPE: "read"}
# RFC 8613 appendix C.1.1, as RFC 9203 figure 9 would carry it.
RFC_TEXT = """{ / ms / 2: h'0102030405060708090a0b0c0d0e0f10', / salt / 5: h'9e7ca92223786340' }"""


@pytest.fixture
def app(run):
    run("rs", "add", "tube", "--scope", "read=GET:/t", "--format", "cwt-encrypted")
    run("client", "add", "app", "--grant", "client_credentials", "--allow", "tube=read", "--no-secret")


def side_of(parameters):
    """The party's side of a context."""
    return SecurityContext(
        parameters.master_secret,
        parameters.master_salt,
        parameters.sender_id,
        parameters.recipient_id,
        parameters.id_context,
        parameters.alg,
    )


def ask(state, *contexts):
    """One token request in each context, in one life of the server; (answer, datagrams) of each."""

    async def play(ready):
        said = []
        for context in contexts:
            async with Peer(("127.0.0.1", ready["coap"])) as peer:
                said.append((await peer.post("/token", WANTED, context), peer.datagrams))
        return said

    with serving(state) as process:
        return asyncio.run(play(process.ready))


# --- forms ---


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("alg", ALGS.values())
@pytest.mark.parametrize("id_context", [None, b"", b"context"])
def test_each_form_reads_back(form, alg, id_context):
    whole = ContextParameters(Secret(SECRET), b"salt", b"\x01", b"", id_context, alg)
    read = decode_context(form, encode_context(form, whole))
    ids = (read.sender_id, read.recipient_id)
    assert ids == ((b"\x01", b"") if form == "aiocoap" else (None, None))
    assert (read.master_secret, read.master_salt, read.id_context, read.alg) == (
        Secret(SECRET),
        b"salt",
        id_context,
        alg,
    )


def test_the_input_material_is_that_of_rfc_9203():
    read = decode_context("diag", RFC_TEXT.encode())
    assert read.master_secret.reveal() == bytes(range(1, 17))
    assert read.alg == L.ALG_AES_CCM_16_64_128
    material = cbor2.loads(encode_context("cbor", read))
    assert material == {1: 1, 2: bytes(range(1, 17)), 3: 5, 4: 10, 5: bytes.fromhex("9e7ca92223786340")}


BAD = [
    ("diag", b"{}"),
    ("diag", b"{2: 5}"),
    ("diag", b"{2: h'00', 9: 1}"),
    ("diag", b"\xff"),
    ("diag", b"[1]"),
    ("diag", b"{2: h'00', 3: 6}"),
    ("diag", b"{2: h'00', 1: 2}"),
    ("diag", b"{2: h'00', 4: h''}"),
    ("cbor", b""),
    ("cbor", b"\xa1\x02"),
    ("cbor", b"\x80"),
    ("aiocoap", b"[]"),
    ("aiocoap", b"{}"),
    ("aiocoap", b'{"secret_hex": 5}'),
    ("aiocoap", b'{"secret_hex": "00", "sender-id_hex": "0", "recipient-id_hex": ""}'),
    ("aiocoap", b'{"secret_ascii": "x", "sender-id_hex": "", "recipient-id_hex": "01", "kdf-hashfun": "sha512"}'),
]


@pytest.mark.parametrize(("form", "octets"), BAD)
def test_what_is_no_context_is_one_sentence(form, octets):
    with pytest.raises(RegistryError):
        decode_context(form, octets)


# --- rules ---


@pytest.fixture
def exchange(story):
    return ContextExchange(story.store, story.registry, CountingRng(b"exchange"))


def material(**over):
    values = {"master_secret": Secret(SECRET), "sender_id": b"\x01", "recipient_id": b"\x02", **over}
    return ContextParameters(**values)


@pytest.mark.parametrize(
    "wrong",
    [
        {"master_secret": Secret(b"short")},
        {"sender_id": None},
        {"sender_id": b"\x02"},
        {"sender_id": bytes(8)},
        {"recipient_id": bytes(8)},
        {"alg": L.ALG_A128GCM},
        {"alg": 0},
        {"master_salt": bytes(65)},
        {"id_context": bytes(65)},
    ],
)
def test_a_context_that_cannot_be_is_refused_and_the_former_one_stays(story, exchange, wrong):
    before = story.store.oscore_party(client_id=DOCTOR_APP)
    with pytest.raises(RegistryError):
        exchange.take_in(material(**wrong), "unused", NOW_S, client_id=DOCTOR_APP, rs_id=None)
    assert story.store.oscore_party(client_id=DOCTOR_APP) == before
    exchange.take_in(material(), "unused", NOW_S, client_id=DOCTOR_APP, rs_id=None)


def test_the_same_material_never_starts_twice_whoever_brings_it(story, exchange):
    exchange.take_in(material(), "jump", NOW_S, client_id=DOCTOR_APP, rs_id=None)
    swapped = {"sender_id": b"\x02", "recipient_id": b"\x01"}
    for again in (material(), material(**swapped)):
        for owner in ({"client_id": DOCTOR_APP, "rs_id": None}, {"client_id": None, "rs_id": EKG}):
            with pytest.raises(RegistryError, match="before"):
                exchange.take_in(again, "unused", NOW_S, **owner)
    made = exchange.export(material(), NOW_S, client_id=DOCTOR_APP, rs_id=None)
    with pytest.raises(RegistryError, match="before"):
        exchange.take_in(made, "unused", NOW_S, client_id=DOCTOR_APP, rs_id=None)


@pytest.mark.parametrize("ids", [("sender_id", "recipient_id"), ("recipient_id", "sender_id")])
@pytest.mark.parametrize("shared", [b"\x01", b"\x02"])
def test_one_id_of_the_same_master_secret_is_the_same_key(story, exchange, ids, shared):
    exchange.take_in(material(), "jump", NOW_S, client_id=DOCTOR_APP, rs_id=None)
    partly = material(**dict(zip(ids, (shared, b"\x77"), strict=True)))
    with pytest.raises(RegistryError, match="before"):
        exchange.take_in(partly, "unused", NOW_S, client_id=DOCTOR_APP, rs_id=None)
    other = material(sender_id=b"\x66", recipient_id=b"\x77")
    exchange.take_in(other, "unused", NOW_S, client_id=DOCTOR_APP, rs_id=None)


def test_what_is_remembered_is_bounded_and_then_refused(story, exchange, monkeypatch):
    monkeypatch.setattr("holdfast_server.coap.context_exchange.MAX_REMEMBERED", 4)
    for number in (1, 2):
        exchange.take_in(material(master_salt=bytes([number])), "jump", NOW_S, client_id=DOCTOR_APP, rs_id=None)
    with pytest.raises(RegistryError):
        exchange.take_in(material(), "jump", NOW_S, client_id=DOCTOR_APP, rs_id=None)


def test_a_sender_id_is_one_partys(story, exchange):
    taken = story.store.oscore_party(client_id=EKG).recipient_id
    with pytest.raises(RegistryError, match="Sender ID"):
        exchange.take_in(material(sender_id=taken), "unused", NOW_S, client_id=DOCTOR_APP, rs_id=None)


def test_an_import_jumps_unless_nobody_has_used_it(story, exchange):
    contexts = PartyContexts(story.store, CountingRng(), lambda: NOW_S)
    exchange.take_in(material(), "jump", NOW_S, client_id=DOCTOR_APP, rs_id=None)
    jumped = contexts.find(b"\x01")
    assert jumped.sequence.take() >= EPOCH_JUMP
    assert not jumped.replay.initialised
    exchange.take_in(material(master_salt=b"x"), "unused", NOW_S, client_id=DOCTOR_APP, rs_id=None)
    unused = contexts.find(b"\x01")
    assert unused.sequence.take() == 0
    assert unused.replay.initialised


def test_a_device_that_is_client_and_resource_server_keeps_both_names(story, exchange):
    exchange.export(material(), NOW_S, client_id=None, rs_id=EKG)
    party = story.store.oscore_party(client_id=EKG)
    assert (party.client_id, party.rs_id, party.rederives) == (EKG, EKG, False)


# --- commands ---


@pytest.mark.parametrize("form", FORMS)
def test_an_export_is_private_serves_at_once_and_ends_the_one_before(state, run, app, tmp_path, form):
    ids = ("--sender-id", "0a0b", "--recipient-id", "53")
    sides = []
    for number, more in enumerate([(), ("--alg", "AES-CCM-16-64-256", "--id-context", "1d", "--salt", "aa")]):
        out = tmp_path / f"{number}"
        said = run("context", "export", "--client", "app", "--form", form, "--out", out, *ids, *more)
        assert out.stat().st_mode & 0o777 == 0o600
        read = decode_context(form, out.read_bytes())
        assert read.master_secret.reveal().hex() not in said.stdout + said.stderr
        values = (read.master_secret, read.master_salt, b"\x0a\x0b", b"\x53", read.id_context, read.alg)
        sides.append(side_of(ContextParameters(*values)))
    (old, _), (new, datagrams) = ask(state, *sides)
    assert old in ("unprotected", "decryption-failed")  # refused: its keys, or its ID Context, are no more
    assert (new.code, len(datagrams)) == (L.CODE_CREATED, 1)  # no Echo: nobody has used it
    (row,) = json.loads(run("context", "list", "--json").stdout)
    assert (row["client"], row["sender_id"], row["recipient_id"]) == ("app", "0a0b", "53")
    assert "secret" not in row


def test_an_import_is_challenged_once_with_a_number_far_ahead(state, run, app, tmp_path):
    (tmp_path / "c").write_text(RFC_TEXT)
    argv = ("context", "import", tmp_path / "c", "--client", "app", "--form", "diag")
    assert "--sender-id" in run(*argv, code=2).stderr
    run(*argv, "--sender-id", "", "--recipient-id", "01")
    side = side_of(ContextParameters(Secret(bytes(range(1, 17))), bytes.fromhex("9e7ca92223786340"), b"", b"\x01"))
    ((answer, datagrams),) = ask(state, side)
    assert answer.code == L.CODE_CREATED
    (piv,) = [decode_option(decode(one).get(L.OPT_OSCORE)).piv for one in datagrams if decode(one).get(L.OPT_OSCORE)]
    assert int.from_bytes(piv, "big") >= EPOCH_JUMP
    assert "before" in run(*argv, "--sender-id", "", "--recipient-id", "01", code=2).stderr


def test_a_party_that_starts_by_appendix_b_2_makes_another_key_of_what_was_imported(state, run, app, tmp_path):
    (tmp_path / "c").write_text(RFC_TEXT)
    ids = ("--sender-id", "0a", "--recipient-id", "01")
    run("context", "import", tmp_path / "c", "--client", "app", "--form", "diag", "--start", "b2", *ids)
    with Store(state, serving=False, create=False) as store:
        party = store.oscore_party(client_id="app")
    plain = side_of(ContextParameters(party.master_secret, party.master_salt, b"\x0a", b"\x01"))
    (first, _), (refused, _), (second, _) = ask(state, context_of(party), plain, context_of(party))
    assert (first.code, second.code) == (L.CODE_CREATED, L.CODE_CREATED)
    assert refused == "unprotected"
    (tmp_path / "c").write_text(RFC_TEXT.replace("}", ", / contextId / 6: h'01' }"))
    argv = ("context", "import", tmp_path / "c", "--client", "app", "--form", "diag", "--start", "b2", *ids)
    assert "B.2" in run(*argv, code=2).stderr


@pytest.mark.parametrize(
    "argv",
    [
        ("export", "--form", "diag", "--out", "OUT"),
        ("export", "--client", "app", "--rs", "tube", "--form", "diag", "--out", "OUT"),
        ("export", "--client", "nobody", "--form", "diag", "--out", "OUT"),
        ("export", "--rs", "nobody", "--form", "diag", "--out", "OUT"),
        ("export", "--client", "app", "--form", "diag", "--out", "OUT", "--sender-id", "4153"),
        ("export", "--client", "app", "--form", "diag", "--out", "OUT", "--sender-id", "0"),
        ("import", "none", "--client", "app", "--form", "diag"),
        ("import", "FILE", "--client", "app", "--form", "aiocoap"),
        ("import", "FILE", "--client", "app", "--form", "diag", "--sender-id", "01", "--recipient-id", "01"),
        ("import", "LONG", "--client", "app", "--form", "diag"),
    ],
)
def test_a_mistake_is_a_sentence_and_changes_nothing(state, run, app, tmp_path, argv):
    (tmp_path / "file").write_text(RFC_TEXT)
    (tmp_path / "long").write_text(" " * 70_000 + RFC_TEXT)
    named = {"OUT": tmp_path / "out", "FILE": tmp_path / "file", "LONG": tmp_path / "long"}
    done = holdfast("context", *(named.get(word, word) for word in argv), "--state", state)
    assert done.returncode == 2
    assert "0102030405" not in done.stderr
    assert not (tmp_path / "out").exists()
    with Store(state, serving=False, create=False) as store:
        assert store.oscore_parties() == []


def test_a_file_that_is_there_is_not_replaced_and_the_context_stays(run, app, tmp_path):
    out = tmp_path / "out"
    argv = ("context", "export", "--client", "app", "--form", "cbor", "--out", out)
    run(*argv)
    before, listed = out.read_bytes(), run("context", "list").stdout
    run(*argv, code=2)
    assert (out.read_bytes(), run("context", "list").stdout) == (before, listed)
    run(*argv, "--force")
    assert cbor.decode(out.read_bytes()) != cbor.decode(before)
