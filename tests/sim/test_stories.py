"""Both stories with real processes, as `holdfast sim` plays them; and runs that must fail, and say what failed.

Slow for tests, some 10 s each: this is where server, devices on both interpreters and client meet.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec

from holdfast_core.provisioning import AsContext, ProvisionedKey, decode_provisioning, encode_provisioning
from holdfast_core.secret import Secret
from holdfast_sim.cli import group
from holdfast_sim.targets import TARGETS

# One prefix of the name of a check for each thing that a story is about; a check that vanishes is a failure too.
EKG_CHECKS = """
EKG: unprotected request|EKG: AS Request Creation Hints|EKG: unprotected request, unknown path
AS: consent brings code, state and iss back|AS: token response|EKG: the doctor's request|EKG: observation
EKG: resource outside the scope|EKG: method outside the scope|EKG: lost answer|EKG: replayed datagram
EKG: replayed OSCORE request|EKG: replayed authz-info post|EKG: replayed authz-info post, the session lives on
EKG: stolen token, posted|EKG: stolen token, then no key|EKG: stolen token, then a guessed key
EKG: stolen token, then an unknown context|EKG: stolen token: the owner's session lives on
EKG: token with one bit changed|EKG's token at the spare EKG|AS: token request without OSCORE
AS: introspection without OSCORE|AS: code with a wrong verifier|AS: code with a wrong client secret
AS: PKCE without S256|AS: redirect_uri that is not registered|AS: revocation|EKG: revoked token
spare EKG: token is revoked while it is observed|spare EKG: token ends while it is observed
spare EKG: request after the token's end|spare EKG: expired token posted|AS: code used twice
EKG: token of a code used twice
"""
TUBE_CHECKS = """
tube: whose primitives it uses and who checks its tokens
tube: unprotected request|tube: AS Request Creation Hints|tube: unprotected request, unknown path
EKG: result of the tube|tube's token: who acts for whom|tube's token: no more than the tube's part
tube's token: ends with the doctor's|EKG: second result without the AS|tube: the EKG's request
tube: resource outside the scope|tube: method outside the scope|AS: exchange, more than the doctor's token
AS: exchange, a token that nobody issued|AS: exchange, by a client that may not|tube: lost answer
tube: replayed datagram|tube: replayed OSCORE request|tube: replayed authz-info post
tube: replayed authz-info post, the session lives on|tube: stolen token, posted|tube: stolen token, then no key
tube: stolen token, then a guessed key|tube: stolen token, then an unknown context
tube: stolen token: the owner's session lives on|tube: token with one bit changed|tube's token at the spare tube
tube's token at the EKG|EKG's token at the tube|tube: token of a rogue AS|tube: old session after a power cut
tube: request replayed over a power cut|tube: new session after a power cut
tube: replayed authz-info post after a power cut
tube: replayed authz-info post after a power cut, the session lives on|spare tube: while the token lives
spare tube: request after the token's end|spare tube: expired token posted|AS: revocation
AS: exchange, a revoked token|tube: speaks only when asked|spare tube: speaks only when asked
"""
WIRE_CHECKS = """
wire: no nonce is used twice|wire: no key, password, scope or name in the clear
wire: little for a stranger that shows nothing|outputs: no key or password in what the parts print
"""
FAILS_CHECKS = """
hub: a token for a tube that sleeps|hub: what it kept when it was killed|hub: full disk|hub: what it cannot keep
hub: room on the disk again|hub: what it kept before
"""
EKG_HUB_CHECKS = """
EKG: the session lives on when the hub is killed|EKG: the session lives on while the hub's disk is full
"""
TUBE_HUB_CHECKS = """
tube: the session lives on when the hub is killed|tube: the session lives on while the hub's disk is full
line down: a token that was sent ahead|line up again: the answer to a request of an hour ago
line up again: the token is over|hostile hub: nothing yet|hostile hub: sends a request twice
hostile hub: sends an old request first|hostile hub: truncates a request
hostile hub: answers with the answer to another request|hostile hub: truncates an answer
hostile hub: answers in the tube's place|hostile hub: nothing any more|hostile hub: names an AS of its own
hostile hub: keeps a request: the client sees it|hostile hub: brings it after a year
"""

EKG_STEPS = [
    ("browser", "AS", "POST /authorize/login"),
    ("browser", "AS", "POST /authorize/consent"),
    ("app", "AS", "POST /token  {grant_type, client_id, client_secret, code, redirect_uri, code_verifier"),
    ("AS", "app", "200 OK  {token_type, access_token, expires_in, cnf: {osc}, ace_profile}"),
    ("app", "EKG", "POST /authz-info  {access_token, nonce1, ace_client_recipientid}  CON"),
    ("EKG", "AS", "OSCORE [POST /introspect"),
    ("AS", "EKG", "OSCORE [2.01 Created"),
    ("EKG", "app", "2.01 Created  {nonce2, ace_server_recipientid}"),
    ("app", "EKG", "OSCORE [GET /ekg]  CON"),
    ("EKG", "app", "OSCORE [2.05 Content"),
]
TUBE_STEPS = [
    ("app", "EKG", "OSCORE [GET /results]  CON"),
    ("EKG", "AS", "OSCORE [POST /token"),
    ("AS", "EKG", "OSCORE [2.01 Created"),
    ("EKG", "tube", "POST /authz-info  {access_token, nonce1, ace_client_recipientid}  CON"),
    ("tube", "EKG", "2.01 Created  {nonce2, ace_server_recipientid}"),
    ("EKG", "tube", "OSCORE [GET /result]  CON"),
    ("tube", "EKG", "OSCORE [2.05 Content"),
    ("EKG", "app", "OSCORE [2.05 Content"),
]
HUB_STEPS = [  # both legs of an answer, after all that the story has
    ("monitor", "sleeping tube", "POST /authz-info"),
    ("sleeping tube", "monitor", "5.03 Service Unavailable"),
    ("hub", "tube", "OSCORE [GET /result]"),
    ("tube", "hub", "OSCORE [2.05 Content"),
]


@pytest.fixture
def own_temp(tmp_path, monkeypatch):
    """A place for the run's directory in which the test can see what is left of it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def play(story, provisioned=None, *options):
    result = CliRunner().invoke(group, [story, "--json", *options], obj=provisioned)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, json.loads(result.stdout) if result.stdout else None, result.stderr


def names(*texts):
    return {name for text in texts for line in text.strip().splitlines() for name in line.split("|") if name}


def in_order(document, wanted):
    steps = iter(document["steps"])
    return [step for step in wanted if not any(_is(found, step) for found in steps)]


def _is(found, step):
    return (found["from"], found["to"]) == step[:2] and found["what"].startswith(step[2])


def failed(document):
    return [(verdict["name"], verdict["happened"]) for verdict in document["verdicts"] if not verdict["ok"]]


def processes_of(directory):
    """Processes that have a file of this directory on their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(directory).encode() in entry.read_bytes():
                found.append(entry.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("story", "checks", "steps", "options"),
    [
        pytest.param("ekg", EKG_CHECKS, EKG_STEPS, (), id="ekg"),
        pytest.param("ekg", EKG_CHECKS + FAILS_CHECKS + EKG_HUB_CHECKS, EKG_STEPS, ("--hub",), id="ekg-hub"),
        pytest.param("tube", TUBE_CHECKS, TUBE_STEPS, ("--core", "python"), id="tube-python"),
        pytest.param("tube", TUBE_CHECKS, TUBE_STEPS, ("--core", "native"), id="tube-native"),
        pytest.param(
            "tube",
            TUBE_CHECKS + FAILS_CHECKS + TUBE_HUB_CHECKS,
            TUBE_STEPS + HUB_STEPS,
            ("--hub", "--tube", "cpython"),
            id="tube-cpython-hub",
        ),
        *(
            pytest.param(
                *("tube", TUBE_CHECKS, TUBE_STEPS, ("--tube", kind, "--core", core)),
                marks=pytest.mark.boards,
                id=f"tube-{kind}-{core}",
            )
            for kind, target in sorted(TARGETS.items())
            for core in target.cores
        ),
    ],
)
def test_a_story_holds_from_end_to_end_and_leaves_nothing(story, checks, steps, options, own_temp):
    code, document, said = play(story, None, *options)
    assert failed(document) == []
    assert (code, document["ok"], document["story"], said) == (0, True, story, "")
    assert {verdict["name"] for verdict in document["verdicts"]} == names(checks, WIRE_CHECKS)
    assert in_order(document, steps) == []
    assert [step["n"] for step in document["steps"]] == list(range(1, len(document["steps"]) + 1))
    assert list(own_temp.iterdir()) == []
    assert processes_of(own_temp) == []


def another_as_key(who, path):
    """Give the tube the public keys of some other AS."""
    if who != "tube":
        return
    record = decode_provisioning(path.read_bytes())
    point = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    other = Secret(point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big"))
    record.keys = tuple(
        ProvisionedKey(key.role, key.kid, key.alg, key.issuer, other if key.role == "sign" else key.material)
        for key in record.keys
    )
    path.write_bytes(encode_provisioning(record))


def another_secret_with_the_as(who, path):
    """Give the EKG a context that the AS does not have."""
    if who != "EKG":
        return
    record = decode_provisioning(path.read_bytes())
    as_context = record.as_context
    record.as_context = AsContext(
        Secret(bytes(16)), as_context.master_salt, as_context.sender_id, as_context.recipient_id
    )
    path.write_bytes(encode_provisioning(record))


def test_a_tube_with_another_as_key_refuses_the_right_token_and_the_run_fails(own_temp):
    code, document, _ = play("tube", another_as_key)
    assert code == 1
    assert document["ok"] is False
    assert failed(document)[0][0] == "EKG: result of the tube"
    assert "troponin" not in failed(document)[0][1]
    assert in_order(document, [("tube", "EKG", "4.01 Unauthorized")]) == []
    assert processes_of(own_temp) == []


def test_an_ekg_that_cannot_ask_its_as_accepts_nothing_and_the_run_fails(own_temp):
    code, document, _ = play("ekg", another_secret_with_the_as)
    assert code == 1
    assert failed(document) == [("EKG: session", "4.00")]
    assert in_order(document, [("EKG", "app", "4.00 Bad Request")]) == []
    assert list(own_temp.iterdir()) == []


def test_without_micropython_the_tube_cannot_start_and_the_run_says_what_to_do(own_temp, monkeypatch):
    monkeypatch.setenv("HOLDFAST_MICROPYTHON", "/nowhere/micropython")
    code, document, said = play("tube")
    assert (code, document) == (3, None)
    assert said.startswith("Error: /nowhere/micropython is no MicroPython that runs this.")
    assert "scripts/micropython.sh" in said
    assert list(own_temp.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "program"),
    [(("--core", "native"), "scripts/natmod.sh"), (("--tube", "qemu-rv32"), "scripts/firmware.sh qemu-rv32")],
)
def test_a_core_or_a_firmware_that_is_not_built_is_one_sentence(options, program, own_temp, monkeypatch, repo):
    for folder in ("device", ".cache/micropython"):
        (own_temp / "tree" / folder).parent.mkdir(parents=True, exist_ok=True)
        (own_temp / "tree" / folder).symlink_to(repo / folder)
    monkeypatch.setattr("holdfast_sim.tubes_shell.ROOT", own_temp / "tree")
    code, document, said = play("tube", None, *options)
    assert (code, document) == (3, None)
    assert said.startswith("Error: There is no ")
    assert f": run {program}" in said


def test_a_run_that_is_told_to_stop_ends_its_parts(tmp_path):
    program = "from holdfast_core.cli import main; main(['sim', 'ekg', '--json'])"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    run = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE)
    try:
        end_s = time.monotonic() + 60
        while not list(tmp_path.glob("holdfast-ekg-*/*.prov.state")):
            assert time.monotonic() < end_s
            assert run.poll() is None
            time.sleep(0.02)  # until the EKG runs: there is nothing to wait on but its file
        run.send_signal(signal.SIGTERM)
        assert run.wait(20) == 3
        assert run.stdout.read() == b""
    finally:
        run.kill()
        run.wait()
        run.stdout.close()
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
