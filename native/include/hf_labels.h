/* Every wire number, from holdfast_core/labels.py. Made by scripts/gen_labels.py; not to be edited. */
#ifndef HF_LABELS_H
#define HF_LABELS_H

/* UDP ports (7252:6.1, 7252:6.2) */
#define HF_L_PORT_COAP 5683
#define HF_L_PORT_COAPS 5684

/* CoAP message types (7252:3) */
#define HF_L_TYPE_CON 0
#define HF_L_TYPE_NON 1
#define HF_L_TYPE_ACK 2
#define HF_L_TYPE_RST 3

/* CoAP codes, the code byte (class << 5 | detail) (7252:12.1; 7959:6; 8132:6; 8516:6; 8768:6) */
#define HF_L_CODE_EMPTY 0x00
#define HF_L_CODE_GET 0x01
#define HF_L_CODE_POST 0x02
#define HF_L_CODE_PUT 0x03
#define HF_L_CODE_DELETE 0x04
#define HF_L_CODE_FETCH 0x05
#define HF_L_CODE_PATCH 0x06
#define HF_L_CODE_IPATCH 0x07
#define HF_L_CODE_CREATED 0x41
#define HF_L_CODE_DELETED 0x42
#define HF_L_CODE_VALID 0x43
#define HF_L_CODE_CHANGED 0x44
#define HF_L_CODE_CONTENT 0x45
#define HF_L_CODE_CONTINUE 0x5F
#define HF_L_CODE_BAD_REQUEST 0x80
#define HF_L_CODE_UNAUTHORIZED 0x81
#define HF_L_CODE_BAD_OPTION 0x82
#define HF_L_CODE_FORBIDDEN 0x83
#define HF_L_CODE_NOT_FOUND 0x84
#define HF_L_CODE_METHOD_NOT_ALLOWED 0x85
#define HF_L_CODE_NOT_ACCEPTABLE 0x86
#define HF_L_CODE_REQUEST_ENTITY_INCOMPLETE 0x88
#define HF_L_CODE_CONFLICT 0x89
#define HF_L_CODE_PRECONDITION_FAILED 0x8C
#define HF_L_CODE_REQUEST_ENTITY_TOO_LARGE 0x8D
#define HF_L_CODE_UNSUPPORTED_CONTENT_FORMAT 0x8F
#define HF_L_CODE_UNPROCESSABLE_ENTITY 0x96
#define HF_L_CODE_TOO_MANY_REQUESTS 0x9D
#define HF_L_CODE_INTERNAL_SERVER_ERROR 0xA0
#define HF_L_CODE_NOT_IMPLEMENTED 0xA1
#define HF_L_CODE_BAD_GATEWAY 0xA2
#define HF_L_CODE_SERVICE_UNAVAILABLE 0xA3
#define HF_L_CODE_GATEWAY_TIMEOUT 0xA4
#define HF_L_CODE_PROXYING_NOT_SUPPORTED 0xA5
#define HF_L_CODE_HOP_LIMIT_REACHED 0xA8

/* CoAP options (7252:12.2; 7641:6; 7959:6; RFC 7967; 8613:13.2; 8768:6; 9175:5; 9177:12.1) */
#define HF_L_OPT_IF_MATCH 1
#define HF_L_OPT_URI_HOST 3
#define HF_L_OPT_ETAG 4
#define HF_L_OPT_IF_NONE_MATCH 5
#define HF_L_OPT_OBSERVE 6
#define HF_L_OPT_URI_PORT 7
#define HF_L_OPT_LOCATION_PATH 8
#define HF_L_OPT_OSCORE 9
#define HF_L_OPT_URI_PATH 11
#define HF_L_OPT_CONTENT_FORMAT 12
#define HF_L_OPT_MAX_AGE 14
#define HF_L_OPT_URI_QUERY 15
#define HF_L_OPT_HOP_LIMIT 16
#define HF_L_OPT_ACCEPT 17
#define HF_L_OPT_Q_BLOCK1 19
#define HF_L_OPT_LOCATION_QUERY 20
#define HF_L_OPT_BLOCK2 23
#define HF_L_OPT_BLOCK1 27
#define HF_L_OPT_SIZE2 28
#define HF_L_OPT_Q_BLOCK2 31
#define HF_L_OPT_PROXY_URI 35
#define HF_L_OPT_PROXY_SCHEME 39
#define HF_L_OPT_SIZE1 60
#define HF_L_OPT_ECHO 252
#define HF_L_OPT_NO_RESPONSE 258
#define HF_L_OPT_REQUEST_TAG 292

/* Values of the Observe option in a request (7641:2) */
#define HF_L_OBSERVE_REGISTER 0
#define HF_L_OBSERVE_DEREGISTER 1

/* Bits of the OSCORE option's first byte (8613:6.1, 8613:13.7) */
#define HF_L_OSCFLAG_PIV_LEN 0x07
#define HF_L_OSCFLAG_KID 0x08
#define HF_L_OSCFLAG_KID_CONTEXT 0x10

/* CoAP Content-Formats (7252:12.3; 8949:9.4; 9052:11.4; 9200:8.16; 8392:9.3; 9290:6.4; 9237:5.3; 8613:13.6) */
#define HF_L_CF_TEXT_PLAIN 0
#define HF_L_CF_COSE_ENCRYPT0 16
#define HF_L_CF_COSE_MAC0 17
#define HF_L_CF_COSE_SIGN1 18
#define HF_L_CF_ACE_CBOR 19
#define HF_L_CF_LINK_FORMAT 40
#define HF_L_CF_OCTET_STREAM 42
#define HF_L_CF_JSON 50
#define HF_L_CF_CBOR 60
#define HF_L_CF_CWT 61
#define HF_L_CF_COSE_ENCRYPT 96
#define HF_L_CF_COSE_MAC 97
#define HF_L_CF_COSE_SIGN 98
#define HF_L_CF_COSE_KEY 101
#define HF_L_CF_COSE_KEY_SET 102
#define HF_L_CF_PROBLEM_DETAILS 257
#define HF_L_CF_ACE_TRL 262
#define HF_L_CF_AIF_CBOR 290
#define HF_L_CF_AIF_JSON 291
#define HF_L_CF_OSCORE 10001

/* OAuth Parameters CBOR Mappings: token request and response, OSCORE-profile authz-info */
#define HF_L_ACE_ACCESS_TOKEN 1
#define HF_L_ACE_EXPIRES_IN 2
#define HF_L_ACE_REQ_CNF 4
#define HF_L_ACE_AUDIENCE 5
#define HF_L_ACE_CNF 8
#define HF_L_ACE_SCOPE 9
#define HF_L_ACE_CLIENT_ID 24
#define HF_L_ACE_CLIENT_SECRET 25
#define HF_L_ACE_RESPONSE_TYPE 26
#define HF_L_ACE_REDIRECT_URI 27
#define HF_L_ACE_STATE 28
#define HF_L_ACE_CODE 29
#define HF_L_ACE_ERROR 30
#define HF_L_ACE_ERROR_DESCRIPTION 31
#define HF_L_ACE_ERROR_URI 32
#define HF_L_ACE_GRANT_TYPE 33
#define HF_L_ACE_TOKEN_TYPE 34
#define HF_L_ACE_USERNAME 35
#define HF_L_ACE_PASSWORD 36
#define HF_L_ACE_REFRESH_TOKEN 37
#define HF_L_ACE_PROFILE 38
#define HF_L_ACE_CNONCE 39
#define HF_L_ACE_NONCE1 40
#define HF_L_ACE_RS_CNF 41
#define HF_L_ACE_NONCE2 42
#define HF_L_ACE_CLIENT_RECIPIENTID 43
#define HF_L_ACE_SERVER_RECIPIENTID 44

/* OAuth Token Introspection Response CBOR Mappings (9200:5.9.4 table 6; 9201:6) */
#define HF_L_INTRO_ISS 1
#define HF_L_INTRO_SUB 2
#define HF_L_INTRO_AUD 3
#define HF_L_INTRO_EXP 4
#define HF_L_INTRO_NBF 5
#define HF_L_INTRO_IAT 6
#define HF_L_INTRO_CTI 7
#define HF_L_INTRO_CNF 8
#define HF_L_INTRO_SCOPE 9
#define HF_L_INTRO_ACTIVE 10
#define HF_L_INTRO_TOKEN 11
#define HF_L_INTRO_CLIENT_ID 24
#define HF_L_INTRO_ERROR 30
#define HF_L_INTRO_ERROR_DESCRIPTION 31
#define HF_L_INTRO_ERROR_URI 32
#define HF_L_INTRO_TOKEN_TYPE_HINT 33
#define HF_L_INTRO_TOKEN_TYPE 34
#define HF_L_INTRO_USERNAME 35
#define HF_L_INTRO_ACE_PROFILE 38
#define HF_L_INTRO_CNONCE 39
#define HF_L_INTRO_EXI 40

/* AS Request Creation Hints (9200:5.3 table 1) */
#define HF_L_HINT_AS 1
#define HF_L_HINT_KID 2
#define HF_L_HINT_AUDIENCE 5
#define HF_L_HINT_SCOPE 9
#define HF_L_HINT_CNONCE 39

/* Error codes, values of ACE_ERROR (9200:5.8.3 table 3) */
#define HF_L_ERR_INVALID_REQUEST 1
#define HF_L_ERR_INVALID_CLIENT 2
#define HF_L_ERR_INVALID_GRANT 3
#define HF_L_ERR_UNAUTHORIZED_CLIENT 4
#define HF_L_ERR_UNSUPPORTED_GRANT_TYPE 5
#define HF_L_ERR_INVALID_SCOPE 6
#define HF_L_ERR_UNSUPPORTED_POP_KEY 7
#define HF_L_ERR_INCOMPATIBLE_ACE_PROFILES 8

/* Grant types, values of ACE_GRANT_TYPE (9200:5.8.4.1 table 4) */
#define HF_L_GRANT_PASSWORD 0
#define HF_L_GRANT_AUTHORIZATION_CODE 1
#define HF_L_GRANT_CLIENT_CREDENTIALS 2
#define HF_L_GRANT_REFRESH_TOKEN 3

/* Access token types, values of ACE_TOKEN_TYPE (9200:8.7.1) */
#define HF_L_TOKEN_TYPE_BEARER 1
#define HF_L_TOKEN_TYPE_POP 2

/* ACE profiles, values of ACE_PROFILE and CLAIM_ACE_PROFILE (9202:9; 9203:9.1; 9431:7) */
#define HF_L_PROFILE_COAP_DTLS 1
#define HF_L_PROFILE_COAP_OSCORE 2
#define HF_L_PROFILE_MQTT_TLS 3

/* CWT claims (8392:4 table 1; 8747:7.1; 9200:8.14) */
#define HF_L_CLAIM_ISS 1
#define HF_L_CLAIM_SUB 2
#define HF_L_CLAIM_AUD 3
#define HF_L_CLAIM_EXP 4
#define HF_L_CLAIM_NBF 5
#define HF_L_CLAIM_IAT 6
#define HF_L_CLAIM_CTI 7
#define HF_L_CLAIM_CNF 8
#define HF_L_CLAIM_SCOPE 9
#define HF_L_CLAIM_ACE_PROFILE 38
#define HF_L_CLAIM_CNONCE 39
#define HF_L_CLAIM_EXI 40

/* CWT confirmation methods, keys of a cnf map (8747:7.2 table 1; 9203:9.5; 9679) */
#define HF_L_CNF_COSE_KEY 1
#define HF_L_CNF_ENCRYPTED_COSE_KEY 2
#define HF_L_CNF_KID 3
#define HF_L_CNF_OSC 4
#define HF_L_CNF_CKT 5

/* OSCORE Security Context Parameters, keys of an osc map (9203:3.2.1 table 1) */
#define HF_L_OSC_ID 0
#define HF_L_OSC_VERSION 1
#define HF_L_OSC_MS 2
#define HF_L_OSC_HKDF 3
#define HF_L_OSC_ALG 4
#define HF_L_OSC_SALT 5
#define HF_L_OSC_CONTEXT_ID 6

/* CBOR tags (9052:2 table 1; 8392:9.4) */
#define HF_L_TAG_COSE_ENCRYPT0 16
#define HF_L_TAG_COSE_MAC0 17
#define HF_L_TAG_COSE_SIGN1 18
#define HF_L_TAG_CWT 61
#define HF_L_TAG_COSE_ENCRYPT 96
#define HF_L_TAG_COSE_MAC 97
#define HF_L_TAG_COSE_SIGN 98

/* COSE header parameters (9052:3.1 table 3; 8613:13.1; 9597; 9596) */
#define HF_L_HDR_ALG 1
#define HF_L_HDR_CRIT 2
#define HF_L_HDR_CONTENT_TYPE 3
#define HF_L_HDR_KID 4
#define HF_L_HDR_IV 5
#define HF_L_HDR_PARTIAL_IV 6
#define HF_L_HDR_KID_CONTEXT 10
#define HF_L_HDR_CWT_CLAIMS 15
#define HF_L_HDR_TYP 16

/* COSE key parameters: common to all types (9052:7.1 table 4), EC2 and OKP (9053:7.1), Symmetric (9053:7.3). */
#define HF_L_KEY_KTY 1
#define HF_L_KEY_KID 2
#define HF_L_KEY_ALG 3
#define HF_L_KEY_OPS 4
#define HF_L_KEY_BASE_IV 5
#define HF_L_KEY_CRV (-1)
#define HF_L_KEY_X (-2)
#define HF_L_KEY_Y (-3)
#define HF_L_KEY_D (-4)
#define HF_L_KEY_K (-1)

/* COSE key types (9053:7 table 17) */
#define HF_L_KTY_OKP 1
#define HF_L_KTY_EC2 2
#define HF_L_KTY_SYMMETRIC 4

/* COSE elliptic curves (9053:7.1 table 18) */
#define HF_L_CRV_P256 1
#define HF_L_CRV_P384 2
#define HF_L_CRV_P521 3
#define HF_L_CRV_X25519 4
#define HF_L_CRV_X448 5
#define HF_L_CRV_ED25519 6
#define HF_L_CRV_ED448 7

/* COSE key operations (9052:7.1 table 5) */
#define HF_L_KEYOP_SIGN 1
#define HF_L_KEYOP_VERIFY 2
#define HF_L_KEYOP_ENCRYPT 3
#define HF_L_KEYOP_DECRYPT 4
#define HF_L_KEYOP_WRAP_KEY 5
#define HF_L_KEYOP_UNWRAP_KEY 6
#define HF_L_KEYOP_DERIVE_KEY 7
#define HF_L_KEYOP_DERIVE_BITS 8
#define HF_L_KEYOP_MAC_CREATE 9
#define HF_L_KEYOP_MAC_VERIFY 10

/* COSE algorithms (9053:2-6; 9054:2 for the hashes) */
#define HF_L_ALG_SHA_256 (-16)
#define HF_L_ALG_SHA_256_64 (-15)
#define HF_L_ALG_DIRECT_HKDF_SHA_256 (-10)
#define HF_L_ALG_EDDSA (-8)
#define HF_L_ALG_ES256 (-7)
#define HF_L_ALG_DIRECT (-6)
#define HF_L_ALG_A128KW (-3)
#define HF_L_ALG_A128GCM 1
#define HF_L_ALG_A256GCM 3
#define HF_L_ALG_HMAC_256_64 4
#define HF_L_ALG_HMAC_256_256 5
#define HF_L_ALG_HMAC_384_384 6
#define HF_L_ALG_HMAC_512_512 7
#define HF_L_ALG_AES_CCM_16_64_128 10
#define HF_L_ALG_AES_CCM_16_64_256 11
#define HF_L_ALG_CHACHA20_POLY1305 24
#define HF_L_ALG_AES_CCM_16_128_128 30
#define HF_L_ALG_AES_CCM_16_128_256 31

/* AIF method set: bit (CoAP method number - 1) of a REST-method-set; Dynamic-X is X shifted further (9237:3) */
#define HF_L_METHOD_GET 1
#define HF_L_METHOD_POST 2
#define HF_L_METHOD_PUT 4
#define HF_L_METHOD_DELETE 8
#define HF_L_METHOD_FETCH 16
#define HF_L_METHOD_PATCH 32
#define HF_L_METHOD_IPATCH 64
#define HF_L_METHOD_DYNAMIC_SHIFT 32

/* Token Revocation List: keys of its map, and of the problem detail in a 4.00 (RFC 9770 section 12 and 13, numbers */
#define HF_L_TRL_FULL_SET 0
#define HF_L_TRL_DIFF_SET 1
#define HF_L_TRL_CURSOR 2
#define HF_L_TRL_MORE 3

/* Concise problem details: standard keys (9290:2 figure 1) and the TRL's custom key with its two members and three */
#define HF_L_PROBLEM_ACE_TRL_ERROR 1
#define HF_L_PROBLEM_TITLE (-1)
#define HF_L_PROBLEM_DETAIL (-2)
#define HF_L_TRL_ERROR_ID 0
#define HF_L_TRL_ERROR_CURSOR 1
#define HF_L_TRL_ID_INVALID_VALUE 0
#define HF_L_TRL_ID_INVALID_SET 1
#define HF_L_TRL_ID_OUT_OF_BOUND 2

/* Ours, Private Use (integers below -65536, 9200:8.10 and 8392:9.1): things no registry gives a CBOR number. */
#define HF_L_PRIV_SUBJECT_TOKEN (-65537)
#define HF_L_PRIV_SUBJECT_TOKEN_TYPE (-65538)
#define HF_L_PRIV_ACTOR_TOKEN (-65539)
#define HF_L_PRIV_ACTOR_TOKEN_TYPE (-65540)
#define HF_L_PRIV_REQUESTED_TOKEN_TYPE (-65541)
#define HF_L_PRIV_ISSUED_TOKEN_TYPE (-65542)
#define HF_L_PRIV_CODE_VERIFIER (-65543)
#define HF_L_PRIV_ACT (-65544)
#define HF_L_PRIV_GRANT_TOKEN_EXCHANGE (-65545)

/* Ours: the provisioning record (provisioning.py); it never travels on a network */
#define HF_L_PROV_VERSION 0
#define HF_L_PROV_ISSUER 1
#define HF_L_PROV_AS_URI 2
#define HF_L_PROV_AS_PEER 3
#define HF_L_PROV_KEYS 4
#define HF_L_PROV_RS 5
#define HF_L_PROV_AS_CONTEXT 6
#define HF_L_PROV_CLIENT_ID 7
#define HF_L_PROV_SEED 8
#define HF_L_PROV_TIME_FLOOR 9
#define HF_L_PROV_MAX_SESSIONS 10
#define HF_L_PROV_EDITION 11
#define HF_L_PROV_RS_ID 1
#define HF_L_PROV_RS_AUDIENCES 2
#define HF_L_PROV_RS_SCOPES 3
#define HF_L_PROV_RS_FORMATS 4
#define HF_L_PROV_RS_CONNECTED 5
#define HF_L_PROV_RS_FRESHNESS 6
#define HF_L_PROV_RS_EXI_FLOOR 7
#define HF_L_PROV_RS_TOKEN_SHAPE 8
#define HF_L_PROV_CTX_SECRET 1
#define HF_L_PROV_CTX_SALT 2
#define HF_L_PROV_CTX_SENDER_ID 3
#define HF_L_PROV_CTX_RECIPIENT_ID 4

#endif
