"""What the doctor and the app do at the AS over HTTPS: consent with PKCE, then the token (RFC 6749 4.1, RFC 7636)."""

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast_core.errors import MalformedRequest
from holdfast_device.token_response import TokenResponse, token_response_from
from holdfast_sim.json_token import b64, members_of
from holdfast_sim.process_shell import PartFailed
from holdfast_sim.stage_shell import Stage
from holdfast_sim.topology import DOCTOR, DOCTOR_APP, EKG, REDIRECT_URI


@dataclass(frozen=True)
class Consent:
    """What came back from the browser, and what the app had kept: code, verifier, state."""

    code: str
    verifier: str
    returned: dict[str, str]
    state: str


def consent(stage: Stage, scope: str) -> Consent:
    """Send the doctor to the AS; returns the one-time code and its verifier. Raises PartFailed."""
    verifier, state = b64(secrets.token_bytes(32)), b64(secrets.token_bytes(12))
    query = authorization_request(scope, state, b64(hashlib.sha256(verifier.encode()).digest()))
    back = stage.web.log_in_and_consent(query, DOCTOR, stage.credentials[DOCTOR], REDIRECT_URI)
    if "code" not in back.query:
        raise PartFailed(f"The AS sent the doctor back without a code: {back.query.get('error', 'no error either')}.")
    stage.secrets[f"code for {scope}"] = back.query["code"].encode()
    stage.secrets[f"PKCE verifier for {scope}"] = verifier.encode()
    return Consent(back.query["code"], verifier, back.query, state)


def authorization_request(scope: str, state: str, challenge: str) -> dict[str, str]:
    """The query that the app opens the browser with (RFC 6749 section 4.1.1, RFC 7636 section 4.3)."""
    return {
        "response_type": "code",
        "client_id": DOCTOR_APP,
        "redirect_uri": REDIRECT_URI,
        "scope": scope,
        "audience": EKG,
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }


def token_form(stage: Stage, given: Consent) -> dict[str, str]:
    """The form of the app's token request."""
    return {
        "grant_type": "authorization_code",
        "client_id": DOCTOR_APP,
        "client_secret": stage.credentials[DOCTOR_APP],
        "code": given.code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": given.verifier,
        "audience": EKG,
        "ace_profile": "",
    }


def ask_token(stage: Stage, form: Mapping[str, str], who: str = "app") -> tuple[TokenResponse, dict[str, Any]]:
    """Ask the token endpoint over HTTPS; returns the token, checked as a device does, and the JSON.

    Raises PartFailed.
    """
    asked_ms = time.monotonic_ns() // 1_000_000
    status, answer = stage.web.post("/token", form, who)
    if status != 200:
        raise PartFailed(f"The AS refused a token with {status} {answer.get('error', '')}.")
    try:
        token = token_response_from(members_of(answer), asked_ms)
    except MalformedRequest as error:
        raise PartFailed(f"The AS's token response is not what RFC 9203 says: {error}.") from None
    if token.osc is not None:
        stage.secrets[f"PoP key {len(stage.secrets)} of {who}"] = token.osc.ms.reveal()
    return token, answer


def doctors_token(stage: Stage, scope: str) -> tuple[TokenResponse, dict[str, Any], Consent]:
    """Consent and token in one go."""
    given = consent(stage, scope)
    token, answer = ask_token(stage, token_form(stage, given))
    return token, answer, given
