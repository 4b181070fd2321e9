"""The CoAP resources of the authorization server: /token, /introspect, /.well-known/core.

Takes a whole request that the CoAP stack has opened, answers with a whole message
(RFC 9200 sections 5.8 and 5.9). The caller is the owner of the OSCORE context of the
request; a request without a context gets only the list of links.
Sans-IO; decodes, asks authorization_server.py, encodes.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, response
from holdfast_core.errors import Malformed
from holdfast_core.oscore import SecurityContext
from holdfast_server.authz.authorization_server import AuthorizationServer
from holdfast_server.authz.caller import NOBODY, Caller
from holdfast_server.authz.errors import RETRY_AFTER_S, OAuthError, ServerRefusal
from holdfast_server.wire.ace_cbor import (
    decode_introspection_request,
    decode_token_request,
    encode_error,
    encode_introspection_answer,
    encode_token_answer,
)

LINKS = b"</token>;ct=19,</introspect>;ct=19"
DEFAULT_MAX_AGE_S = 60
"""RFC 7252 section 5.10.5; an answer that lives shorter says so (RFC 9202 section 3.2.1)."""


class CoapSite:
    """Answers the requests of one authorization server."""

    def __init__(self, authz_server: AuthorizationServer) -> None:
        self._authz = authz_server
        self._resources: dict[str, Callable[[bytes, Caller, int], Message]] = {
            "/token": self._token,
            "/introspect": self._introspect,
        }

    def answer(self, request: Message, context: SecurityContext | None, now_s: int, address: str = "") -> Message:
        """The response to one request; never raises for anything a peer can send.

        address: of the peer, for the audit.
        """
        path = request.path()
        if path == "/.well-known/core":
            return _links(request)
        resource = self._resources.get(path)
        if resource is None:
            return response(L.CODE_NOT_FOUND)
        if context is None:
            self._authz.note_unauthenticated(address, now_s, "no OSCORE")
            return _error(L.CODE_UNAUTHORIZED, L.ERR_INVALID_CLIENT)
        if request.code != L.CODE_POST:
            return response(L.CODE_METHOD_NOT_ALLOWED)
        if request.content_format != L.CF_ACE_CBOR and not self._is_excused(request, context):
            return response(L.CODE_UNSUPPORTED_CONTENT_FORMAT)
        if request.uint(L.OPT_ACCEPT) not in (None, L.CF_ACE_CBOR):
            return response(L.CODE_NOT_ACCEPTABLE)
        try:
            return resource(request.payload, replace(_caller(context), address=address), now_s)
        except Malformed:
            return _error(L.CODE_BAD_REQUEST, L.ERR_INVALID_REQUEST)
        except OAuthError as refused:
            return _error(refused.coap_code, refused.ace_error, refused.description)
        except ServerRefusal as refused:
            later = refused.coap_code in (L.CODE_SERVICE_UNAVAILABLE, L.CODE_TOO_MANY_REQUESTS)
            return _later(refused.coap_code) if later else response(refused.coap_code)

    def _is_excused(self, request: Message, context: SecurityContext) -> bool:
        """Whether a Content-Format that is not there may be guessed: RFC 9200 section 5.8.1 says what it must be."""
        if request.content_format is not None:
            return False
        client = self._authz.client(_caller(context).client_id or "")
        return client is not None and client.lenient

    def _token(self, payload: bytes, caller: Caller, now_s: int) -> Message:
        answer = self._authz.token(decode_token_request(payload), caller, now_s)
        created = response(L.CODE_CREATED, encode_token_answer(answer), L.CF_ACE_CBOR)
        if answer["expires_in"] < DEFAULT_MAX_AGE_S:
            created.add(L.OPT_MAX_AGE, answer["expires_in"])
        return created

    def _introspect(self, payload: bytes, caller: Caller, now_s: int) -> Message:
        answer = self._authz.introspect(decode_introspection_request(payload), caller, now_s)
        return response(L.CODE_CREATED, encode_introspection_answer(answer), L.CF_ACE_CBOR)


def unavailable() -> Message:
    """The answer while this server cannot serve (RFC 7252 section 5.9.3.4)."""
    return _later(L.CODE_SERVICE_UNAVAILABLE)


def _later(code: int) -> Message:
    return response(code).add(L.OPT_MAX_AGE, RETRY_AFTER_S)


def _caller(context: SecurityContext) -> Caller:
    return context.owner if isinstance(context.owner, Caller) else NOBODY


def _links(request: Message) -> Message:
    if request.code != L.CODE_GET:
        return response(L.CODE_METHOD_NOT_ALLOWED)
    return response(L.CODE_CONTENT, LINKS, L.CF_LINK_FORMAT)


def _error(code: int, error: Any, description: str = "") -> Message:
    return response(code, encode_error(error, description), L.CF_ACE_CBOR)
