"""Text names of the enumerated values, for the JSON and form-encoded shapes of the same messages.

CBOR uses the integers of labels.py and never these names (RFC 9200 section 5.8.4.3); JSON uses these names
and never the integers. Holds no behaviour. Sources: RFC 9200 tables 3 to 5 and section 8.7.1; RFC 6749;
RFC 8693.
"""

from holdfast_core import labels as L

ERROR_NAMES = {
    L.ERR_INVALID_REQUEST: "invalid_request",
    L.ERR_INVALID_CLIENT: "invalid_client",
    L.ERR_INVALID_GRANT: "invalid_grant",
    L.ERR_UNAUTHORIZED_CLIENT: "unauthorized_client",
    L.ERR_UNSUPPORTED_GRANT_TYPE: "unsupported_grant_type",
    L.ERR_INVALID_SCOPE: "invalid_scope",
    L.ERR_UNSUPPORTED_POP_KEY: "unsupported_pop_key",
    L.ERR_INCOMPATIBLE_ACE_PROFILES: "incompatible_ace_profiles",
}

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a name, no secret

GRANT_NAMES = {
    L.GRANT_PASSWORD: "password",
    L.GRANT_AUTHORIZATION_CODE: "authorization_code",
    L.GRANT_CLIENT_CREDENTIALS: "client_credentials",
    L.GRANT_REFRESH_TOKEN: "refresh_token",
    L.PRIV_GRANT_TOKEN_EXCHANGE: TOKEN_EXCHANGE,
}

TOKEN_TYPE_NAMES = {
    L.TOKEN_TYPE_BEARER: "Bearer",
    L.TOKEN_TYPE_POP: "PoP",
}

PROFILE_NAMES = {
    L.PROFILE_COAP_DTLS: "coap_dtls",
    L.PROFILE_COAP_OSCORE: "coap_oscore",
    L.PROFILE_MQTT_TLS: "mqtt_tls",
}

# Token type identifier of token exchange (RFC 8693 section 3).
ACCESS_TOKEN_URN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name, no secret

# Parameters of application/ace+json (RFC 9200 table 5, RFC 9201, RFC 9203), and those that Holdfast numbers
# itself.
ACE_NAMES = {
    L.ACE_ACCESS_TOKEN: "access_token",
    L.ACE_EXPIRES_IN: "expires_in",
    L.ACE_REQ_CNF: "req_cnf",
    L.ACE_AUDIENCE: "audience",
    L.ACE_CNF: "cnf",
    L.ACE_SCOPE: "scope",
    L.ACE_CLIENT_ID: "client_id",
    L.ACE_CLIENT_SECRET: "client_secret",
    L.ACE_RESPONSE_TYPE: "response_type",
    L.ACE_REDIRECT_URI: "redirect_uri",
    L.ACE_STATE: "state",
    L.ACE_CODE: "code",
    L.ACE_ERROR: "error",
    L.ACE_ERROR_DESCRIPTION: "error_description",
    L.ACE_ERROR_URI: "error_uri",
    L.ACE_GRANT_TYPE: "grant_type",
    L.ACE_TOKEN_TYPE: "token_type",
    L.ACE_USERNAME: "username",
    L.ACE_PASSWORD: "password",
    L.ACE_REFRESH_TOKEN: "refresh_token",
    L.ACE_PROFILE: "ace_profile",
    L.ACE_CNONCE: "cnonce",
    L.ACE_NONCE1: "nonce1",
    L.ACE_RS_CNF: "rs_cnf",
    L.ACE_NONCE2: "nonce2",
    L.ACE_CLIENT_RECIPIENTID: "ace_client_recipientid",
    L.ACE_SERVER_RECIPIENTID: "ace_server_recipientid",
    L.PRIV_SUBJECT_TOKEN: "subject_token",
    L.PRIV_SUBJECT_TOKEN_TYPE: "subject_token_type",
    L.PRIV_ACTOR_TOKEN: "actor_token",
    L.PRIV_ACTOR_TOKEN_TYPE: "actor_token_type",
    L.PRIV_REQUESTED_TOKEN_TYPE: "requested_token_type",
    L.PRIV_ISSUED_TOKEN_TYPE: "issued_token_type",
    L.PRIV_CODE_VERIFIER: "code_verifier",
}
