"""Every wire number Holdfast uses, once: plain integers, prefixed by the registry they belong to.

The prefix matters because one integer means different things in different registries: 1 is access_token in a token
response, iss in a claims set, AS in creation hints and COSE_Key in a cnf map. No other file holds such a literal.
Never holds text names (names.py), limits or behaviour. Sources are cited per registry, `9200:5.8.5` being RFC 9200
section 5.8.5. A second table under tests/golden, typed from the RFC texts, must agree with this one.
Numbers that no published RFC assigns are marked so in the comment of their line or section.
"""

try:
    from micropython import const
except ImportError:

    def const(value: int) -> int:  # type: ignore[misc]  # boards' stubs have a wider one
        """Stand in for MicroPython's compile-time constant marker: returns value unchanged."""
        return value


# --- UDP ports (7252:6.1, 7252:6.2) ---
PORT_COAP = const(5683)
PORT_COAPS = const(5684)

# --- CoAP message types (7252:3) ---
TYPE_CON = const(0)
TYPE_NON = const(1)
TYPE_ACK = const(2)
TYPE_RST = const(3)

# --- CoAP codes, the code byte (class << 5 | detail) (7252:12.1; 7959:6; 8132:6; 8516:6; 8768:6) ---
CODE_EMPTY = const(0x00)
CODE_GET = const(0x01)
CODE_POST = const(0x02)
CODE_PUT = const(0x03)
CODE_DELETE = const(0x04)
CODE_FETCH = const(0x05)
CODE_PATCH = const(0x06)
CODE_IPATCH = const(0x07)
CODE_CREATED = const(0x41)
CODE_DELETED = const(0x42)
CODE_VALID = const(0x43)
CODE_CHANGED = const(0x44)
CODE_CONTENT = const(0x45)
CODE_CONTINUE = const(0x5F)
CODE_BAD_REQUEST = const(0x80)
CODE_UNAUTHORIZED = const(0x81)
CODE_BAD_OPTION = const(0x82)
CODE_FORBIDDEN = const(0x83)
CODE_NOT_FOUND = const(0x84)
CODE_METHOD_NOT_ALLOWED = const(0x85)
CODE_NOT_ACCEPTABLE = const(0x86)
CODE_REQUEST_ENTITY_INCOMPLETE = const(0x88)
CODE_CONFLICT = const(0x89)
CODE_PRECONDITION_FAILED = const(0x8C)
CODE_REQUEST_ENTITY_TOO_LARGE = const(0x8D)
CODE_UNSUPPORTED_CONTENT_FORMAT = const(0x8F)
CODE_UNPROCESSABLE_ENTITY = const(0x96)
CODE_TOO_MANY_REQUESTS = const(0x9D)
CODE_INTERNAL_SERVER_ERROR = const(0xA0)
CODE_NOT_IMPLEMENTED = const(0xA1)
CODE_BAD_GATEWAY = const(0xA2)
CODE_SERVICE_UNAVAILABLE = const(0xA3)
CODE_GATEWAY_TIMEOUT = const(0xA4)
CODE_PROXYING_NOT_SUPPORTED = const(0xA5)
CODE_HOP_LIMIT_REACHED = const(0xA8)

# --- CoAP options (7252:12.2; 7641:6; 7959:6; RFC 7967; 8613:13.2; 8768:6; 9175:5; 9177:12.1) ---
OPT_IF_MATCH = const(1)
OPT_URI_HOST = const(3)
OPT_ETAG = const(4)
OPT_IF_NONE_MATCH = const(5)
OPT_OBSERVE = const(6)
OPT_URI_PORT = const(7)
OPT_LOCATION_PATH = const(8)
OPT_OSCORE = const(9)
OPT_URI_PATH = const(11)
OPT_CONTENT_FORMAT = const(12)
OPT_MAX_AGE = const(14)
OPT_URI_QUERY = const(15)
OPT_HOP_LIMIT = const(16)
OPT_ACCEPT = const(17)
OPT_Q_BLOCK1 = const(19)
OPT_LOCATION_QUERY = const(20)
OPT_BLOCK2 = const(23)
OPT_BLOCK1 = const(27)
OPT_SIZE2 = const(28)
OPT_Q_BLOCK2 = const(31)
OPT_PROXY_URI = const(35)
OPT_PROXY_SCHEME = const(39)
OPT_SIZE1 = const(60)
OPT_ECHO = const(252)
OPT_NO_RESPONSE = const(258)
OPT_REQUEST_TAG = const(292)

# --- Values of the Observe option in a request (7641:2) ---
OBSERVE_REGISTER = const(0)
OBSERVE_DEREGISTER = const(1)

# --- Bits of the OSCORE option's first byte (8613:6.1, 8613:13.7) ---
OSCFLAG_PIV_LEN = const(0x07)
OSCFLAG_KID = const(0x08)
OSCFLAG_KID_CONTEXT = const(0x10)

# --- CoAP Content-Formats (7252:12.3; 8949:9.4; 9052:11.4; 9200:8.16; 8392:9.3; 9290:6.4; 9237:5.3; 8613:13.6) ---
CF_TEXT_PLAIN = const(0)
CF_COSE_ENCRYPT0 = const(16)
CF_COSE_MAC0 = const(17)
CF_COSE_SIGN1 = const(18)
CF_ACE_CBOR = const(19)
CF_LINK_FORMAT = const(40)
CF_OCTET_STREAM = const(42)
CF_JSON = const(50)
CF_CBOR = const(60)
CF_CWT = const(61)
CF_COSE_ENCRYPT = const(96)
CF_COSE_MAC = const(97)
CF_COSE_SIGN = const(98)
CF_COSE_KEY = const(101)
CF_COSE_KEY_SET = const(102)
CF_PROBLEM_DETAILS = const(257)
CF_ACE_TRL = const(262)  # RFC 9770; the number is from the IANA registry, the draft text read here says TBD
CF_AIF_CBOR = const(290)
CF_AIF_JSON = const(291)
CF_OSCORE = const(10001)

# --- OAuth Parameters CBOR Mappings: token request and response, OSCORE-profile authz-info
#     (9200:5.8.5 table 5; 9201:6; 9203:9.3) ---
ACE_ACCESS_TOKEN = const(1)
ACE_EXPIRES_IN = const(2)
ACE_REQ_CNF = const(4)
ACE_AUDIENCE = const(5)
ACE_CNF = const(8)
ACE_SCOPE = const(9)
ACE_CLIENT_ID = const(24)
ACE_CLIENT_SECRET = const(25)
ACE_RESPONSE_TYPE = const(26)
ACE_REDIRECT_URI = const(27)
ACE_STATE = const(28)
ACE_CODE = const(29)
ACE_ERROR = const(30)
ACE_ERROR_DESCRIPTION = const(31)
ACE_ERROR_URI = const(32)
ACE_GRANT_TYPE = const(33)
ACE_TOKEN_TYPE = const(34)
ACE_USERNAME = const(35)
ACE_PASSWORD = const(36)
ACE_REFRESH_TOKEN = const(37)
ACE_PROFILE = const(38)  # ace_profile; null in a request asks the AS to name the profile
ACE_CNONCE = const(39)
ACE_NONCE1 = const(40)
ACE_RS_CNF = const(41)
ACE_NONCE2 = const(42)
ACE_CLIENT_RECIPIENTID = const(43)
ACE_SERVER_RECIPIENTID = const(44)

# --- OAuth Token Introspection Response CBOR Mappings (9200:5.9.4 table 6; 9201:6) ---
INTRO_ISS = const(1)
INTRO_SUB = const(2)
INTRO_AUD = const(3)
INTRO_EXP = const(4)
INTRO_NBF = const(5)
INTRO_IAT = const(6)
INTRO_CTI = const(7)
INTRO_CNF = const(8)
INTRO_SCOPE = const(9)
INTRO_ACTIVE = const(10)
INTRO_TOKEN = const(11)
INTRO_CLIENT_ID = const(24)
INTRO_ERROR = const(30)
INTRO_ERROR_DESCRIPTION = const(31)
INTRO_ERROR_URI = const(32)
INTRO_TOKEN_TYPE_HINT = const(33)
INTRO_TOKEN_TYPE = const(34)
INTRO_USERNAME = const(35)
INTRO_ACE_PROFILE = const(38)
INTRO_CNONCE = const(39)
INTRO_EXI = const(40)

# --- AS Request Creation Hints (9200:5.3 table 1) ---
HINT_AS = const(1)
HINT_KID = const(2)
HINT_AUDIENCE = const(5)
HINT_SCOPE = const(9)
HINT_CNONCE = const(39)

# --- Error codes, values of ACE_ERROR (9200:5.8.3 table 3) ---
ERR_INVALID_REQUEST = const(1)
ERR_INVALID_CLIENT = const(2)
ERR_INVALID_GRANT = const(3)
ERR_UNAUTHORIZED_CLIENT = const(4)
ERR_UNSUPPORTED_GRANT_TYPE = const(5)
ERR_INVALID_SCOPE = const(6)
ERR_UNSUPPORTED_POP_KEY = const(7)
ERR_INCOMPATIBLE_ACE_PROFILES = const(8)

# --- Grant types, values of ACE_GRANT_TYPE (9200:5.8.4.1 table 4) ---
GRANT_PASSWORD = const(0)
GRANT_AUTHORIZATION_CODE = const(1)
GRANT_CLIENT_CREDENTIALS = const(2)
GRANT_REFRESH_TOKEN = const(3)

# --- Access token types, values of ACE_TOKEN_TYPE (9200:8.7.1) ---
TOKEN_TYPE_BEARER = const(1)
TOKEN_TYPE_POP = const(2)

# --- ACE profiles, values of ACE_PROFILE and CLAIM_ACE_PROFILE (9202:9; 9203:9.1; 9431:7) ---
PROFILE_COAP_DTLS = const(1)
PROFILE_COAP_OSCORE = const(2)
PROFILE_MQTT_TLS = const(3)  # from memory: the draft of RFC 9431 read here says TBD

# --- CWT claims (8392:4 table 1; 8747:7.1; 9200:8.14) ---
CLAIM_ISS = const(1)
CLAIM_SUB = const(2)
CLAIM_AUD = const(3)
CLAIM_EXP = const(4)
CLAIM_NBF = const(5)
CLAIM_IAT = const(6)
CLAIM_CTI = const(7)
CLAIM_CNF = const(8)
CLAIM_SCOPE = const(9)
CLAIM_ACE_PROFILE = const(38)
CLAIM_CNONCE = const(39)
CLAIM_EXI = const(40)

# --- CWT confirmation methods, keys of a cnf map (8747:7.2 table 1; 9203:9.5; 9679) ---
CNF_COSE_KEY = const(1)
CNF_ENCRYPTED_COSE_KEY = const(2)
CNF_KID = const(3)
CNF_OSC = const(4)
CNF_CKT = const(5)  # RFC 9679; the draft text read here says TBD

# --- OSCORE Security Context Parameters, keys of an osc map (9203:3.2.1 table 1) ---
OSC_ID = const(0)
OSC_VERSION = const(1)
OSC_MS = const(2)
OSC_HKDF = const(3)
OSC_ALG = const(4)
OSC_SALT = const(5)
OSC_CONTEXT_ID = const(6)

# --- CBOR tags (9052:2 table 1; 8392:9.4) ---
TAG_COSE_ENCRYPT0 = const(16)
TAG_COSE_MAC0 = const(17)
TAG_COSE_SIGN1 = const(18)
TAG_CWT = const(61)
TAG_COSE_ENCRYPT = const(96)
TAG_COSE_MAC = const(97)
TAG_COSE_SIGN = const(98)

# --- COSE header parameters (9052:3.1 table 3; 8613:13.1; 9597; 9596) ---
HDR_ALG = const(1)
HDR_CRIT = const(2)
HDR_CONTENT_TYPE = const(3)
HDR_KID = const(4)
HDR_IV = const(5)
HDR_PARTIAL_IV = const(6)
HDR_KID_CONTEXT = const(10)
HDR_CWT_CLAIMS = const(15)
HDR_TYP = const(16)

# --- COSE key parameters: common to all types (9052:7.1 table 4), EC2 and OKP (9053:7.1), Symmetric (9053:7.3).
#     Negative labels are per key type: KEY_CRV and KEY_K are both -1. ---
KEY_KTY = const(1)
KEY_KID = const(2)
KEY_ALG = const(3)
KEY_OPS = const(4)
KEY_BASE_IV = const(5)
KEY_CRV = const(-1)
KEY_X = const(-2)
KEY_Y = const(-3)
KEY_D = const(-4)
KEY_K = const(-1)

# --- COSE key types (9053:7 table 17) ---
KTY_OKP = const(1)
KTY_EC2 = const(2)
KTY_SYMMETRIC = const(4)

# --- COSE elliptic curves (9053:7.1 table 18) ---
CRV_P256 = const(1)
CRV_P384 = const(2)
CRV_P521 = const(3)
CRV_X25519 = const(4)
CRV_X448 = const(5)
CRV_ED25519 = const(6)
CRV_ED448 = const(7)

# --- COSE key operations (9052:7.1 table 5) ---
KEYOP_SIGN = const(1)
KEYOP_VERIFY = const(2)
KEYOP_ENCRYPT = const(3)
KEYOP_DECRYPT = const(4)
KEYOP_WRAP_KEY = const(5)
KEYOP_UNWRAP_KEY = const(6)
KEYOP_DERIVE_KEY = const(7)
KEYOP_DERIVE_BITS = const(8)
KEYOP_MAC_CREATE = const(9)
KEYOP_MAC_VERIFY = const(10)

# --- COSE algorithms (9053:2-6; 9054:2 for the hashes) ---
ALG_SHA_256 = const(-16)
ALG_SHA_256_64 = const(-15)
ALG_DIRECT_HKDF_SHA_256 = const(-10)
ALG_EDDSA = const(-8)
ALG_ES256 = const(-7)
ALG_DIRECT = const(-6)
ALG_A128KW = const(-3)
ALG_A128GCM = const(1)
ALG_A256GCM = const(3)
ALG_HMAC_256_64 = const(4)
ALG_HMAC_256_256 = const(5)
ALG_HMAC_384_384 = const(6)
ALG_HMAC_512_512 = const(7)
ALG_AES_CCM_16_64_128 = const(10)
ALG_AES_CCM_16_64_256 = const(11)
ALG_CHACHA20_POLY1305 = const(24)
ALG_AES_CCM_16_128_128 = const(30)
ALG_AES_CCM_16_128_256 = const(31)

# --- AIF method set: bit (CoAP method number - 1) of a REST-method-set; Dynamic-X is X shifted further (9237:3) ---
METHOD_GET = const(1)
METHOD_POST = const(2)
METHOD_PUT = const(4)
METHOD_DELETE = const(8)
METHOD_FETCH = const(16)
METHOD_PATCH = const(32)
METHOD_IPATCH = const(64)
METHOD_DYNAMIC_SHIFT = const(32)

# --- Token Revocation List: keys of its map, and of the problem detail in a 4.00 (RFC 9770 section 12 and 13, numbers
#     as pre-assigned in its draft -09) ---
TRL_FULL_SET = const(0)
TRL_DIFF_SET = const(1)
TRL_CURSOR = const(2)
TRL_MORE = const(3)

# --- Concise problem details: standard keys (9290:2 figure 1) and the TRL's custom key with its two members and three
#     error ids (RFC 9770 draft -09 sections 6.1 and 13) ---
PROBLEM_ACE_TRL_ERROR = const(1)
PROBLEM_TITLE = const(-1)
PROBLEM_DETAIL = const(-2)
TRL_ERROR_ID = const(0)
TRL_ERROR_CURSOR = const(1)
TRL_ID_INVALID_VALUE = const(0)
TRL_ID_INVALID_SET = const(1)
TRL_ID_OUT_OF_BOUND = const(2)

# --- Ours, Private Use (integers below -65536, 9200:8.10 and 8392:9.1): things no registry gives a CBOR number.
#     Token exchange (RFC 8693), PKCE (RFC 7636) as request and response parameters; act as a claim; a grant type. ---
PRIV_SUBJECT_TOKEN = const(-65537)
PRIV_SUBJECT_TOKEN_TYPE = const(-65538)
PRIV_ACTOR_TOKEN = const(-65539)
PRIV_ACTOR_TOKEN_TYPE = const(-65540)
PRIV_REQUESTED_TOKEN_TYPE = const(-65541)
PRIV_ISSUED_TOKEN_TYPE = const(-65542)
PRIV_CODE_VERIFIER = const(-65543)
PRIV_ACT = const(-65544)
PRIV_GRANT_TOKEN_EXCHANGE = const(-65545)

# --- Ours: the provisioning record (provisioning.py); it never travels on a network ---
PROV_VERSION = const(0)
PROV_ISSUER = const(1)
PROV_AS_URI = const(2)
PROV_AS_PEER = const(3)
PROV_KEYS = const(4)
PROV_RS = const(5)
PROV_AS_CONTEXT = const(6)
PROV_CLIENT_ID = const(7)
PROV_SEED = const(8)
PROV_TIME_FLOOR = const(9)
PROV_MAX_SESSIONS = const(10)
PROV_EDITION = const(11)
PROV_RS_ID = const(1)
PROV_RS_AUDIENCES = const(2)
PROV_RS_SCOPES = const(3)
PROV_RS_FORMATS = const(4)
PROV_RS_CONNECTED = const(5)
PROV_RS_FRESHNESS = const(6)
PROV_RS_EXI_FLOOR = const(7)
PROV_RS_TOKEN_SHAPE = const(8)
PROV_CTX_SECRET = const(1)
PROV_CTX_SALT = const(2)
PROV_CTX_SENDER_ID = const(3)
PROV_CTX_RECIPIENT_ID = const(4)
