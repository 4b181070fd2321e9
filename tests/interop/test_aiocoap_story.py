"""The EKG story with aiocoap as the client: our server and device as real processes, every byte of the client theirs.

aiocoap's OSCORE asks our AS for a token, posts it to our EKG, derives the session with cbor2 and aiocoap alone, reads,
observes, and is refused where it must be. Once for a client of its own, once with a doctor's consent.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import aiocoap
import cbor2
import httpx
import pytest
from aiocoap import oscore

from holdfast_core.provisioning import decode_provisioning
from holdfast_sim.pages import forms_of
from testkit import aiocoap_peer

EKG = "ekg_device_ABC"
MONITOR = "ward_monitor"
APP = "doctor_app"
REDIRECT_URI = "http://127.0.0.1:9/back"
ACE_CBOR = 19
STARTS_IN_S = 20
HOLDFAST = Path(sys.executable).with_name("holdfast")


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def holdfast(*arguments):
    done = subprocess.run([HOLDFAST, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Program:
    """A process of ours that says when it is ready."""

    def __init__(self, *command):
        self.process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        self.ready = json.loads(line)["ready"]

    def stop(self):
        self.process.kill()
        self.process.communicate(timeout=STARTS_IN_S)


@pytest.fixture
def ward(tmp_path, repo):
    """A server with one EKG, both running, a client of its own and a doctor with an app; yields what a test needs."""
    state, coap = tmp_path / "state", free_port()
    at = ("--state", state)
    holdfast("server", "init", "--http", "127.0.0.1:0", "--coap", f"127.0.0.1:{coap}", *at)
    scopes = ("--scope", "read_ekg=GET:/ekg", "--scope", "read_result=GET:/results")
    holdfast("server", "client", "add", EKG, "--grant", "token_exchange", "--allow", "tube=read_result", *at)
    holdfast("server", "rs", "add", EKG, "--format", "reference", "--client", EKG, *scopes, *at)
    allow = ("--allow", f"{EKG}=read_ekg")
    monitor = ("--grant", "client_credentials", "--oscore", tmp_path / "monitor.prov")
    holdfast("server", "client", "add", MONITOR, *monitor, *allow, *at)
    app = ("--grant", "authorization_code", "--redirect-uri", REDIRECT_URI, "--oscore", tmp_path / "app.prov")
    holdfast("server", "client", "add", APP, *app, *allow, *at)
    doctor = json.loads(holdfast("server", "user", "add", "doctor", "--generate", "--json", *allow, *at))
    holdfast("server", "rs", "export", EKG, "--out", tmp_path / "ekg.prov", *at)
    with contextlib.closing(sqlite3.connect(state / "holdfast.db")) as database, database:
        # aiocoap does not do RFC 8613 appendix B.2: what it was given is its context.
        database.execute("UPDATE oscore_parties SET rederives = 0 WHERE client_id IN (?, ?)", (MONITOR, APP))
    peer = f"connected_tube_123=127.0.0.1:{coap}"
    with contextlib.ExitStack() as running:
        server = Program(HOLDFAST, "server", "serve", *at)
        running.callback(server.stop)
        example = repo / "device/examples/ekg.py"
        ekg = Program(sys.executable, example, tmp_path / "ekg.prov", "--port", 0, "--peer", peer)
        running.callback(ekg.stop)
        yield SimpleNamespace(
            state=state,
            web=f"http://127.0.0.1:{server.ready['http']}",
            as_uri=f"coap://127.0.0.1:{coap}",
            ekg_uri=f"coap://127.0.0.1:{ekg.ready}",
            monitor=context_in(tmp_path / "monitor.prov"),
            app=context_in(tmp_path / "app.prov"),
            password=doctor["password"],
        )


def context_in(record):
    """aiocoap's end of the OSCORE context between the AS and the client of this provisioning record."""
    as_context = decode_provisioning(record.read_bytes()).as_context
    return aiocoap_peer.MemoryContext(
        as_context.master_secret.reveal(), as_context.master_salt, as_context.sender_id, as_context.recipient_id
    )


def code_for(ward, verifier):
    """The one-time code that the doctor's browser brings back from the real pages."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {"response_type": "code", "client_id": APP, "redirect_uri": REDIRECT_URI, "scope": "read_ekg"}
    query |= {"audience": EKG, "code_challenge": challenge, "code_challenge_method": "S256"}
    with httpx.Client(base_url=ward.web, trust_env=False) as browser:
        [login] = [form for form in forms_of(browser.get("/authorize", params=query).text) if form.blanks]
        fields = dict(login.fields) | {"username": "doctor", "password": ward.password}
        page = browser.post(login.action, data=fields, follow_redirects=True)
        [consent] = [form for form in forms_of(page.text) if ("decision", "allow") in form.buttons]
        back = browser.post(consent.action, data=dict([*consent.fields, ("decision", "allow")]))
    return base64.urlsafe_b64decode(parse_qs(urlsplit(back.headers["location"]).query)["code"][0] + "=")


def ace(code, uri, fields=None):
    payload = b"" if fields is None else cbor2.dumps(fields)
    return aiocoap.Message(code=code, uri=uri, payload=payload, content_format=ACE_CBOR if payload else None)


async def get_token(client, as_uri, **over):
    fields = {5: EKG, 9: "read_ekg", 38: None, **{int(key): value for key, value in over.items()}}
    answer = await client.request(ace(aiocoap.POST, as_uri + "/token", fields)).response
    return answer.code, cbor2.loads(answer.payload) if answer.payload else None


async def open_session(client, ekg_uri, token, osc, ms=None):
    """Post a token and make aiocoap's context from what comes back (RFC 9203 section 4.3, by cbor2 alone)."""
    client.client_credentials.pop(ekg_uri + "/*", None)
    n1, id1 = os.urandom(8), b"\x01"
    answer = await client.request(ace(aiocoap.POST, ekg_uri + "/authz-info", {1: token, 40: n1, 43: id1})).response
    if answer.code != aiocoap.CREATED:
        return answer.code, None
    answered = cbor2.loads(answer.payload)
    salt = cbor2.dumps(osc[5]) + cbor2.dumps(n1) + cbor2.dumps(answered[42])
    return answer.code, aiocoap_peer.MemoryContext(ms or osc[2], salt, answered[44], id1)


async def ask(client, method, uri, context=None):
    """One request, in this context; what answers it, protected or not."""
    client.client_credentials.pop(uri.rpartition("/")[0] + "/*", None)
    if context is not None:
        client.client_credentials[uri.rpartition("/")[0] + "/*"] = context
    try:
        return await client.request(aiocoap.Message(code=method, uri=uri)).response
    except oscore.NotAProtectedMessage as unprotected:
        return unprotected.plain_message


def test_the_whole_story_with_aiocoap_as_the_client(ward):
    as_uri, ekg_uri = ward.as_uri, ward.ekg_uri

    async def story():
        async with aiocoap_peer.client(as_uri, ward.monitor) as client:
            plain = await ask(client, aiocoap.GET, ekg_uri + "/ekg")
            assert plain.code == aiocoap.UNAUTHORIZED

            code, refused = await get_token(client, as_uri, **{"9": "read_ekg read_result"})
            assert (code, refused[30]) == (aiocoap.BAD_REQUEST, 6), "more than it may have: invalid_scope"
            code, token = await get_token(client, as_uri)
            assert code == aiocoap.CREATED
            assert (token[38], sorted(token[8]), token[2] > 0) == (2, [4], True)
            osc = token[8][4]

            code, session = await open_session(client, ekg_uri, token[1], osc)
            assert code == aiocoap.CREATED
            read = await ask(client, aiocoap.GET, ekg_uri + "/ekg", session)
            assert (read.code, len(read.payload)) == (aiocoap.CONTENT, 16)
            outside = await ask(client, aiocoap.GET, ekg_uri + "/results", session)
            assert outside.code == aiocoap.FORBIDDEN
            method = await ask(client, aiocoap.PUT, ekg_uri + "/ekg", session)
            assert method.code == aiocoap.METHOD_NOT_ALLOWED
            assert await beats(client, ekg_uri + "/ekg", session, 3) == [16, 16, 16]

            code, thief = await open_session(client, ekg_uri, token[1], osc, ms=bytes(16))
            assert code == aiocoap.CREATED, "whoever has the token may post it"
            stolen = await ask(client, aiocoap.GET, ekg_uri + "/ekg", thief)
            assert stolen.code == aiocoap.BAD_REQUEST, "and without the key gets nothing (RFC 8613 section 8.2)"
            again = await ask(client, aiocoap.GET, ekg_uri + "/ekg", session)
            assert again.code == aiocoap.CONTENT, "the owner's session lives on"

            holdfast("server", "token", "revoke", 1, "--state", ward.state)
            code, _ = await open_session(client, ekg_uri, token[1], osc)
            assert code == aiocoap.BAD_REQUEST, "a revoked token (RFC 9200 section 5.10.1.1)"

    asyncio.run(story())


async def beats(client, uri, session, count):
    """The payload lengths of the first `count` notifications."""
    client.client_credentials[uri.rpartition("/")[0] + "/*"] = session
    request = client.request(aiocoap.Message(code=aiocoap.GET, uri=uri, observe=0))
    async with asyncio.timeout(30):
        lengths = [len((await request.response).payload)]
        async for notification in request.observation:
            lengths.append(len(notification.payload))
            if len(lengths) >= count:
                break
    request.observation.cancel()
    return lengths


def test_the_doctors_app_redeems_its_code_over_coap(ward):
    verifier = "v" * 43
    code = code_for(ward, verifier)

    async def redeem(client, verifier):
        fields = {33: 1, 29: code, 27: REDIRECT_URI, -65543: verifier}
        return await get_token(client, ward.as_uri, **{str(key): value for key, value in fields.items()})

    async def story():
        async with aiocoap_peer.client(ward.as_uri, ward.app) as client:
            answer = await redeem(client, "w" * 43)
            assert answer == (aiocoap.BAD_REQUEST, {30: 3, 31: answer[1][31]}), "another verifier: invalid_grant"
            answer, token = await redeem(client, verifier)
            assert answer == aiocoap.CREATED
            answer, session = await open_session(client, ward.ekg_uri, token[1], token[8][4])
            assert answer == aiocoap.CREATED
            read = await ask(client, aiocoap.GET, ward.ekg_uri + "/ekg", session)
            assert (read.code, len(read.payload)) == (aiocoap.CONTENT, 16)

            answer, _ = await redeem(client, verifier)
            assert answer == aiocoap.BAD_REQUEST, "a second time, so it has leaked"
            answer, _ = await open_session(client, ward.ekg_uri, token[1], token[8][4])
            assert answer == aiocoap.BAD_REQUEST, "and what it gave is withdrawn"

    asyncio.run(story())
