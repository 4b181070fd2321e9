"""How a record reads: the same words on the command line, in its JSON and on the administrator's page.

Never a secret, nor a hash of one; it says only whether there is one.
"""

from datetime import UTC, datetime
from typing import Any

from holdfast_core import labels as L
from holdfast_core.names import GRANT_NAMES, PROFILE_NAMES, TOKEN_EXCHANGE
from holdfast_server.authz.standing import state_of
from holdfast_server.records import AuditRow, Client, ClientUsage, Consent, KeyRecord, ResourceServer, TokenRecord, User

METHODS = {
    "GET": L.METHOD_GET,
    "POST": L.METHOD_POST,
    "PUT": L.METHOD_PUT,
    "DELETE": L.METHOD_DELETE,
    "FETCH": L.METHOD_FETCH,
    "PATCH": L.METHOD_PATCH,
    "IPATCH": L.METHOD_IPATCH,
}


def client_words(record: Client) -> dict[str, Any]:
    """A client; secret: whether it has one."""
    return {
        "client_id": record.client_id,
        "title": record.title,
        "grants": [grant_word(grant_type) for grant_type in record.grant_types],
        "allowed": _lists(record.scopes),
        "redirect_uris": list(record.redirect_uris),
        "secret": record.secret_hash is not None,
        "public": record.public,
        "public_keys": len(record.public_keys),
        "narrow_scope": record.narrows,
        "lenient": record.lenient,
        "token_type": record.tells_token_type,
        "hub": record.is_hub,
        "disabled": record.disabled,
    }


def rs_words(record: ResourceServer) -> dict[str, Any]:
    """A resource server; its scopes as lists of {"path", "methods"}."""
    return {
        "rs_id": record.rs_id,
        "title": record.title,
        "audiences": list(record.audiences),
        "scopes": {
            name: [{"path": path, "methods": method_words(mask)} for path, mask in permissions]
            for name, permissions in record.scope_map.items()
        },
        "scope_titles": record.scope_titles,
        "format": record.token_format,
        "token_shape": record.token_shape,
        "sealed_format": record.sealed_format or None,
        "split": record.is_split,
        "hub_lifetime_s": record.hub_lifetime_s if record.wants_hub else None,
        "profiles": [PROFILE_NAMES[profile] for profile in record.profiles],
        "lifetime_s": record.token_lifetime_s,
        "exi_s": record.exi_lifetime_s,
        "freshness": record.freshness,
        "clock": record.clock,
        "connected": record.connected,
        "disabled": record.disabled,
    }


def user_words(record: User) -> dict[str, Any]:
    """A person."""
    return {"user_id": record.user_id, "allowed": _lists(record.scopes), "disabled": record.disabled}


def consent_words(record: Consent) -> dict[str, Any]:
    """What a person has approved."""
    return {
        "client": record.client_id,
        "audience": record.audience,
        "scope": record.scope,
        "approved": when(record.granted_at),
    }


def token_words(record: TokenRecord, now_s: int) -> dict[str, Any]:
    """What was said about a token when it was made, and what became of it."""
    return {
        "token": record.token_id,
        "state": state_of(record, now_s),
        "client": record.client_id,
        "user": record.user_id,
        "audience": record.audience,
        "scope": scope_words(record.scope),
        "format": record.token_format,
        "issued": when(record.issued_at),
        "expires": when(record.expires_at),
        "exchanged_for": record.parent_id,
    }


def audit_words(row: AuditRow) -> dict[str, Any]:
    """One event."""
    return {
        "at": when(row.at),
        "event": row.event,
        "client": row.client_id,
        "rs": row.rs_id,
        "user": row.user_id,
        "token": row.token_id,
        "reason": row.reason or None,
        "address": row.address or None,
        "operator": row.operator or None,
        "client_number": row.client_number,
        "rs_number": row.rs_number,
        "user_number": row.user_number,
    }


def key_words(record: KeyRecord, held_by: list[str]) -> dict[str, Any]:
    """A key, without the key. held_by: the resource servers whose last export carried it."""
    return {
        "kid": record.kid.hex(),
        "role": record.role,
        "rs": record.rs_id,
        "state": record.state,
        "made": when(record.created_at),
        "kept_until": None if record.retired_until is None else when(record.retired_until),
        "held_by": held_by,
    }


def scope_words(scope: str | bytes) -> str:
    """A scope as text; one of paths (RFC 9237) in hexadecimal."""
    return scope if isinstance(scope, str) else scope.hex()


def usage_words(usage: ClientUsage) -> dict[str, Any]:
    """What a client has used since it was added; limited: of its refused requests, those that a quota refused."""
    return {
        "client_id": usage.client_id,
        "requests": usage.requests,
        "issued": usage.issued,
        "live_tokens": usage.live_tokens,
        "refused": usage.refused,
        "limited": usage.limited,
        "last": None if usage.last_at is None else when(usage.last_at),
    }


def when(at_s: int) -> str:
    """A time as people and programs read it (RFC 3339): 2026-01-31T13:00:00Z."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _lists(scopes: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    return {audience: list(names) for audience, names in scopes.items()}


def grant_word(grant_type: int) -> str:
    """A grant type by the word that `--grant` takes."""
    name = GRANT_NAMES[grant_type]
    return "token_exchange" if name == TOKEN_EXCHANGE else name


def method_words(mask: int) -> list[str]:
    """The methods of a mask (RFC 9237 section 3) by name."""
    return [name for name, bit in METHODS.items() if mask & bit]
