"""An authorization server in a temporary directory with the story's parties, for every test that needs a server.

The story: the doctor's app, an EKG that is a connected RS and a client, and a test tube that is never connected.
"""

import base64
import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from holdfast_core import labels as L
from holdfast_core.kinds import CWT_NESTED, REFERENCE
from holdfast_core.names import ACCESS_TOKEN_URN
from holdfast_core.secret import Secret
from holdfast_server.authz.authorization_server import AuthorizationServer
from holdfast_server.authz.caller import Caller
from holdfast_server.authz.errors import OAuthError
from holdfast_server.authz.exports import Exports
from holdfast_server.authz.grants import code_challenge_of
from holdfast_server.authz.keyring import Keyring
from holdfast_server.authz.registry import Registry
from holdfast_server.authz.settings import Settings
from holdfast_server.records import Client, ResourceServer, User
from holdfast_server.store.sqlite import Store

NOW_S = 1_800_000_000
ISSUER = "https://as.example"
EKG = "ekg_device_ABC"
TUBE = "connected_tube_123"
DOCTOR_APP = "doctor_app"
DOCTOR = "doctor"
REDIRECT_URI = "http://127.0.0.1:8765/callback"
EKG_SCOPE = "read_ekg read_result"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636 appendix B


class CountingRng:
    """Deterministic bytes that never repeat: SHA-256 of a counter.  For tests only."""

    def __init__(self, seed: bytes = b"holdfast") -> None:
        self._seed = seed
        self._count = 0

    def __call__(self, length: int) -> bytes:
        octets = b""
        while len(octets) < length:
            self._count += 1
            octets += hashlib.sha256(self._seed + self._count.to_bytes(8, "big")).digest()
        return octets[:length]


@dataclass
class StoryAs:
    """What a test touches.  doctor_secret: the app's client secret.  The callers are as a shell would make them."""

    server: AuthorizationServer
    store: Store
    keyring: Keyring
    registry: Registry
    exports: Exports
    settings: Settings
    doctor_secret: Secret
    doctor_app: Caller
    ekg: Caller
    tube: Caller

    def code(self, scope: str = EKG_SCOPE, approved: str | None = None, now_s: int = NOW_S) -> bytes:
        """Return a code for the doctor's app as the browser would bring it, base64url decoded."""
        request = self.server.authorize(authorize_params(scope=scope), now_s)
        url = self.server.grant_code(request, DOCTOR, scope if approved is None else approved, now_s)
        return code_of(url)

    def doctor_token(self, now_s: int = NOW_S, **params) -> dict:
        """Return the answer to the doctor's app: the reference token for the EKG."""
        params = {**code_params(self.code(now_s=now_s)), **params}
        return self.server.token(params, self.doctor_app, now_s)

    def tube_token(self, subject_token: bytes, now_s: int = NOW_S, **params) -> dict:
        """Return the answer to the EKG: the nested CWT for the tube."""
        return self.server.token({**exchange_params(subject_token), **params}, self.ekg, now_s)


def build_story_as(path: Path, now_s: int = NOW_S, password_hash: str = "", rng=None, **settings) -> StoryAs:
    """Build the server under path (an empty directory).  password_hash: the doctor's; rng: deterministic by default."""
    rng = rng or CountingRng()
    values = Settings(**{"issuer": ISSUER, "as_uri": "coap://as.example/token", **settings})
    store = Store(path, now_s)
    keyring = Keyring(store, rng)
    registry = Registry(store, keyring, values, rng)
    keyring.make_keys("sign", None, now_s)
    doctor_secret = add_story_clients(registry, now_s)
    add_story_servers(registry, now_s)
    registry.add_user(User(DOCTOR, password_hash, {EKG: ("read_ekg", "read_result")}), now_s)
    return StoryAs(
        server=AuthorizationServer(store, keyring, values, rng),
        store=store,
        keyring=keyring,
        registry=registry,
        exports=Exports(store, keyring, registry, values, rng),
        settings=values,
        doctor_secret=doctor_secret,
        doctor_app=registry.add_oscore_party(now_s, client_id=DOCTOR_APP).caller(),
        ekg=Caller(EKG, EKG, authenticated=True),
        tube=Caller(rs_id=TUBE, authenticated=True),
    )


def plain(story, party):
    """Make what a party was given its context (no RFC 8613 appendix B.2), and return it."""
    story.store.delete_oscore_party(party.recipient_id)
    made = dataclasses.replace(party, rederives=False)
    story.store.add_oscore_party(made, NOW_S)
    return made


def add_story_servers(registry: Registry, now_s: int) -> None:
    """Register the EKG, which is a client too, and the tube."""
    ekg_scopes = {"read_ekg": (("/ekg", L.METHOD_GET),), "read_result": (("/results", L.METHOD_GET),)}
    registry.add_resource_server(ResourceServer(EKG, (EKG,), ekg_scopes, REFERENCE), now_s, client_id=EKG)
    tube_scopes = {"read_result": (("/result", L.METHOD_GET),), "calibrate": (("/calibration", L.METHOD_PUT),)}
    registry.add_resource_server(ResourceServer(TUBE, (TUBE,), tube_scopes, CWT_NESTED, connected=False), now_s)


def add_story_clients(registry: Registry, now_s: int) -> Secret:
    """Register the doctor's app, whose secret is returned, and the EKG as a client."""
    doctor_app = Client(
        DOCTOR_APP,
        grant_types=(L.GRANT_AUTHORIZATION_CODE,),
        scopes={EKG: ("read_ekg", "read_result")},
        redirect_uris=(REDIRECT_URI,),
    )
    ekg = Client(EKG, grant_types=(L.PRIV_GRANT_TOKEN_EXCHANGE,), scopes={TUBE: ("read_result",)})
    registry.add_client(ekg, now_s)
    secret = registry.add_client(doctor_app, now_s, with_secret=True)
    assert secret is not None
    return secret


def authorize_params(**changes) -> dict:
    """Return the query of a good authorization request; a change to None leaves the parameter out."""
    params = {
        "response_type": "code",
        "client_id": DOCTOR_APP,
        "redirect_uri": REDIRECT_URI,
        "audience": EKG,
        "scope": EKG_SCOPE,
        "code_challenge": code_challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        "state": "s1",
        **changes,
    }
    return {name: value for name, value in params.items() if value is not None}


def code_params(code: bytes, **changes) -> dict:
    """Return the parameters that redeem a code."""
    return {
        "grant_type": L.GRANT_AUTHORIZATION_CODE,
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
        **changes,
    }


def exchange_params(subject_token: bytes, **changes) -> dict:
    """Return the parameters of the EKG's token exchange for the tube."""
    return {
        "grant_type": L.PRIV_GRANT_TOKEN_EXCHANGE,
        "subject_token": subject_token,
        "subject_token_type": ACCESS_TOKEN_URN,
        "audience": TUBE,
        "scope": "read_result",
        **changes,
    }


def code_of(url: str) -> bytes:
    """Return the code in a redirect URL, base64url decoded."""
    text = parse_qs(urlsplit(url).query)["code"][0]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def refused(story: StoryAs, params: dict, caller: Caller | None = None, now_s: int = NOW_S) -> int:
    """Return the error number of a request that must be refused, and check that nothing was issued."""
    before = len(story.store.tokens())
    with pytest.raises(OAuthError) as caught:
        story.server.token(params, caller or story.doctor_app, now_s)
    assert len(story.store.tokens()) == before
    expected = (
        (L.CODE_UNAUTHORIZED, 401) if caught.value.ace_error == L.ERR_INVALID_CLIENT else (L.CODE_BAD_REQUEST, 400)
    )
    assert (caught.value.coap_code, caught.value.http_status) == expected
    return caught.value.ace_error


def consent_of(store, user_id: str, client_id: str, audience: str) -> str | None:
    """Return the scope that a person approved last, or None."""
    found = {(one.client_id, one.audience): one.scope for one in store.consents_of(user_id)}
    return found.get((client_id, audience))


def change_client(story: StoryAs, client_id: str, **changes) -> None:
    """Change a client's record as an operator would."""
    story.store.put_client(dataclasses.replace(story.store.client(client_id), **changes), NOW_S)


def change_rs(story: StoryAs, rs_id: str, **changes) -> None:
    """Change an RS's record as an operator would."""
    story.store.put_resource_server(dataclasses.replace(story.store.resource_server(rs_id), **changes), NOW_S)


def cose_key(scalar):
    """Return the COSE_Key map of a public key made from a small scalar."""
    numbers = ec.derive_private_key(scalar, ec.SECP256R1()).public_key().public_numbers()
    x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
    return {L.KEY_KTY: L.KTY_EC2, L.KEY_CRV: L.CRV_P256, L.KEY_X: x, L.KEY_Y: y}
