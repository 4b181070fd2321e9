"""aiocoap speaks to our server in contexts that were exchanged as files: it reads ours, and we read its own."""

import asyncio
import json

import aiocoap
import cbor2
import pytest
from aiocoap.oscore import FilesystemSecurityContext

from testkit import aiocoap_peer
from testkit.serve import holdfast, init, serving

TOKEN, ACE_CBOR = 1, 19


@pytest.fixture
def state(tmp_path):
    path = tmp_path / "state"
    init(path)
    for argv in (
        ("rs", "add", "tube", "--scope", "read=GET:/t", "--format", "cwt-encrypted"),
        ("client", "add", "app", "--grant", "client_credentials", "--allow", "tube=read", "--no-secret"),
    ):
        done = holdfast(*argv, "--state", path)
        assert done.returncode == 0, done.stderr
    return path


def ask(state, folder, count=1):
    """Ask for tokens as aiocoap does with the context in this folder; the answers."""

    async def play(port):
        base = f"coap://127.0.0.1:{port}"
        context = FilesystemSecurityContext(str(folder))
        answers = []
        async with aiocoap_peer.client(base, context) as client:
            for _ in range(count):
                fields = cbor2.dumps({33: 2, 5: "tube", 9: "read"})
                message = aiocoap.Message(
                    code=aiocoap.POST, uri=f"{base}/token", payload=fields, content_format=ACE_CBOR
                )
                answers.append(await asyncio.wait_for(client.request(message).response, 20))
        context._destroy()
        return answers

    with serving(state) as process:
        return asyncio.run(play(process.ready["coap"]))


@pytest.mark.parametrize("more", [(), ("--alg", "AES-CCM-16-128-256", "--id-context", "c0ffee", "--sender-id", "")])
def test_aiocoap_asks_for_tokens_in_a_context_that_we_exported(state, tmp_path, more):
    folder = tmp_path / "context"
    folder.mkdir()
    argv = ("--client", "app", "--form", "aiocoap", "--out", folder / "settings.json", *more)
    done = holdfast("context", "export", *argv, "--state", state)
    assert done.returncode == 0, done.stderr
    for answer in ask(state, folder, 2):
        assert answer.code == aiocoap.CREATED
        assert TOKEN in cbor2.loads(answer.payload)


@pytest.mark.parametrize("start", ["jump", "unused"])
def test_we_serve_aiocoap_in_a_context_that_it_had(state, tmp_path, start):
    folder = tmp_path / "context"
    folder.mkdir()
    settings = {
        "sender-id_hex": "0b",
        "recipient-id_ascii": "AS",
        "secret_ascii": "a secret of thirty-two octets...",
        "salt_hex": "0102030405060708",
        "algorithm": "AES-CCM-16-64-128",
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    argv = ("import", folder / "settings.json", "--client", "app", "--form", "aiocoap", "--start", start)
    assert holdfast("context", *argv, "--state", state).returncode == 0
    assert ask(state, folder)[0].code == aiocoap.CREATED
    again = holdfast("context", *argv, "--state", state)
    assert again.returncode == 2
    assert "before" in again.stderr
