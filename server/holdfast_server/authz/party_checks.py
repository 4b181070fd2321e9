"""What each record of the registry must be, said to whoever makes one: names, formats, lifetimes, URIs, keys.

Raises RegistryError with a sentence for the operator; never reads a store.  RFC 9200 section 4 (registration).
"""

import re
from urllib.parse import urlsplit

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.cose_key import decode_cose_key
from holdfast_core.errors import LocalError, Malformed
from holdfast_core.kinds import FORMATS, REFERENCE, TOKEN_SHAPES
from holdfast_core.names import GRANT_NAMES
from holdfast_core.scope import ScopeMap
from holdfast_core.token_split import SPLIT_FORMATS
from holdfast_server.records import (
    LOOPBACK,
    MAX_LIFETIME_S,
    MAX_USERNAME_LEN,
    READABLE_FORMATS,
    SEALED_FORMATS,
    Client,
    RegistryError,
    ResourceServer,
    User,
)

_URI_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*")


def check_client(client: Client) -> None:
    """Raise RegistryError when a client's record cannot be."""
    if not client.client_id:
        raise RegistryError("client_id is empty")
    _check_printable("client_id", client.client_id)
    if not set(client.grant_types) <= set(GRANT_NAMES):
        raise RegistryError("grant type is unknown")
    _check_printable("title", client.title)
    _check_printable("scope", *(name for names in client.scopes.values() for name in names), *client.scopes)
    for uri in client.redirect_uris:
        _check_redirect_uri(uri)
    if client.public and (client.grant_types != (L.GRANT_AUTHORIZATION_CODE,) or client.secret_hash is not None):
        raise RegistryError("a public client has no secret and may only redeem codes: authorization_code")
    if client.is_hub and (client.grant_types != (L.PRIV_GRANT_TOKEN_EXCHANGE,) or client.public_keys):
        raise RegistryError("a hub gets sealed tokens and nothing else: its one grant is token_exchange")
    for encoded in client.public_keys:
        _check_public_key(encoded)
    if L.GRANT_AUTHORIZATION_CODE in client.grant_types and not client.redirect_uris:
        raise RegistryError("authorization_code wants --redirect-uri: where browsers bring the code to the app.")


def check_resource_server(rs: ResourceServer) -> None:
    """Raise RegistryError when an RS's record cannot be."""
    if not rs.rs_id or not rs.audiences or not all(rs.audiences):
        raise RegistryError("rs_id or audiences are empty")
    _check_printable("rs_id", rs.rs_id)
    _check_printable("audience", *rs.audiences)
    _check_printable("title", rs.title, *rs.scope_titles.values())
    if not rs.scope_map:
        raise RegistryError("A resource server has a scope at least: remove the resource server, or say --scope too.")
    if not set(rs.scope_titles) <= set(rs.scope_map):
        unknown = ", ".join(sorted(set(rs.scope_titles) - set(rs.scope_map)))
        raise RegistryError(f"{rs.rs_id} has no scope {unknown} that a title could be for")
    if rs.token_format not in FORMATS:
        raise RegistryError("token format is unknown")
    if rs.token_shape not in TOKEN_SHAPES:
        raise RegistryError("token shape is unknown")
    if not 1 <= rs.token_lifetime_s <= MAX_LIFETIME_S:
        raise RegistryError(f"--lifetime must be 1 to {MAX_LIFETIME_S} seconds, which is ten years")
    if not 0 <= rs.exi_lifetime_s <= MAX_LIFETIME_S:
        raise RegistryError(f"--exi must be 0 (none) to {MAX_LIFETIME_S} seconds, which is ten years")
    _check_hub(rs)
    if rs.device_format == REFERENCE and not rs.connected:
        raise RegistryError("a resource server takes reference tokens only when it is connected: say --connected too")
    if rs.exi_lifetime_s and rs.device_format == REFERENCE:
        raise RegistryError("reference tokens have no exi (RFC 9200 section 5.10.3): say --exi 0 too")
    if rs.token_format in READABLE_FORMATS and L.PROFILE_COAP_OSCORE in rs.profiles:
        raise RegistryError(
            f"{rs.token_format} can be read by anybody on its way, so it never carries the secret key of coap_oscore: "
            "say --profile coap_dtls, whose tokens carry the client's public key "
            "(`holdfast server client add --public-key`)"
        )
    try:
        ScopeMap({name: list(allowed) for name, allowed in rs.scope_map.items()})
    except LocalError:
        raise RegistryError("scope map has a bad name, path or method mask") from None
    if rs.public_key is not None:
        _check_public_key(rs.public_key)


def _check_hub(rs: ResourceServer) -> None:
    if not 1 <= rs.hub_lifetime_s <= MAX_LIFETIME_S:
        raise RegistryError(f"--hub-lifetime must be 1 to {MAX_LIFETIME_S} seconds, which is ten years")
    if rs.is_split and rs.token_format not in SPLIT_FORMATS:
        raise RegistryError("a reference has no part that proves: say --format with one of " + ", ".join(SPLIT_FORMATS))
    if not rs.sealed_format:
        return
    if rs.token_format != REFERENCE:
        raise RegistryError("--sealed-format is for a device whose clients hold references: say --format reference too")
    if rs.sealed_format not in SEALED_FORMATS:
        raise RegistryError(
            f"a hub could read {rs.sealed_format}: say --sealed-format {' or '.join(SEALED_FORMATS)}, which only the "
            "device can open"
        )


def check_user(user: User) -> None:
    """Raise RegistryError when a person's record cannot be: they could not log in, or a list could misread it."""
    if not 1 <= len(user.user_id) <= MAX_USERNAME_LEN or not user.user_id.isprintable():
        raise RegistryError(f"A user's name has 1 to {MAX_USERNAME_LEN} printable characters.")
    _check_printable("scope", *(name for names in user.scopes.values() for name in names), *user.scopes)


def _check_printable(what: str, *names: str) -> None:
    """Refuse what a terminal, a log or a list could take for something else."""
    if not all(name.isprintable() for name in names):
        raise RegistryError(f"{what} has a character that cannot be printed")


def _check_redirect_uri(uri: str) -> None:
    """RFC 9700 section 2.6: a code never travels in the clear; RFC 8252 section 7.1: an app's scheme is a domain."""
    try:
        parts = urlsplit(uri)
        port_is_good = parts.port != 0
    except ValueError:
        raise RegistryError("redirect_uri is not a URI") from None
    if not _URI_CHARACTERS.fullmatch(uri) or not port_is_good:
        raise RegistryError("redirect_uri has a character or a port that no URI has (RFC 3986): write others as %xx")
    if "@" in parts.netloc:  # browsers and people would see different hosts
        raise RegistryError("redirect_uri names a user: leave out what is before the @")
    if not parts.scheme or "#" in uri or not (parts.netloc or parts.path):
        raise RegistryError("redirect_uri is not an absolute URI without a fragment")
    web = parts.netloc and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))
    if not web and "." not in parts.scheme:
        raise RegistryError("redirect_uri is neither https, nor http on loopback, nor of a scheme like com.example.app")


def _check_public_key(encoded: bytes) -> None:
    try:
        decode_cose_key(cbor.decode(encoded)).es256()
    except Malformed:
        raise RegistryError("public key is not a COSE_Key on P-256") from None
