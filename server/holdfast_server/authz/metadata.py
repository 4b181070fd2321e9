"""What the server says of itself to machines: metadata (RFC 8414) and public keys (RFC 7517).

Only what is true of every client; what one client may do is in the registry.
"""

from typing import Any

from holdfast_core.names import GRANT_NAMES, PROFILE_NAMES
from holdfast_core.rules import PROFILES
from holdfast_server.authz.grants import GRANT_RULES
from holdfast_server.authz.keyring import Keyring
from holdfast_server.authz.settings import Settings
from holdfast_server.base64url import b64


def authorization_server_metadata(settings: Settings) -> dict[str, Any]:
    """The document at /.well-known/oauth-authorization-server."""
    root = settings.issuer.rstrip("/")
    return {
        "issuer": settings.issuer,
        "authorization_endpoint": root + "/authorize",
        "token_endpoint": root + "/token",
        "introspection_endpoint": root + "/introspect",
        "revocation_endpoint": root + "/revoke",
        "jwks_uri": root + "/jwks.json",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": sorted(GRANT_NAMES[grant_type] for grant_type in GRANT_RULES),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "authorization_response_iss_parameter_supported": True,
        "ace_profiles_supported": [PROFILE_NAMES[profile] for profile in PROFILES],
    }


def jwks(keyring: Keyring) -> dict[str, Any]:
    """The signing keys that are valid now or soon: a JWK Set of P-256 public keys."""
    return {
        "keys": [
            {
                "kty": "EC",
                "crv": "P-256",
                "use": "sig",
                "alg": "ES256",
                "kid": b64(key.kid),
                "x": b64(key.x),
                "y": b64(key.y),
            }
            for key in keyring.public_keys()
        ]
    }
