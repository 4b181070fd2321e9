/* Scopes and what they permit on an RS: names by configuration, or AIF-REST (RFC 9237 section 3): scope.py.
 * A scope that is not understood whole is refused: no part of it is ever taken. */
#include <stddef.h>

#include "hf_fields.h"
#include "hf_labels.h"
#include "hf_port.h"
#include "hf_token_parts.h"

#define AIF_DEPTH 2 /* an array of [path, methods] */

#define MALFORMED(detail) HF_VERDICT(HF_MALFORMED_SCOPE, detail)
#define UNKNOWN(detail) HF_VERDICT(HF_SCOPE_UNKNOWN, detail)

static const struct hf_field permission_fields[] = {
    {0, HF_FORM_TEXT, offsetof(struct hf_permission, path), HF_DETAIL_NONE},
    {1, HF_FORM_INT, offsetof(struct hf_permission, methods), HF_DETAIL_NONE},
};

enum hf_detail hf_permission_next(struct hf_cbor *permissions, struct hf_permission *permission)
{
    struct hf_met met = {0, 0, false};
    hf_memset(permission, 0, sizeof *permission);
    bool is_pair = hf_fields_read(*permissions, HF_CBOR_ARRAY, permission_fields, 2, permission, &met) &&
                   met.present == 3 && !met.others;
    hf_cbor_skip(permissions);
    if (!is_pair) {
        return HF_DETAIL_ENTRY;
    }
    if (permission->path.len == 0 || permission->path.p[0] != '/') {
        return HF_DETAIL_PATH;
    }
    return met.wrong != 0 || permission->methods < 0 ? HF_DETAIL_METHODS : HF_DETAIL_NONE;
}

static const struct hf_field scope_fields[] = {
    {0, HF_FORM_TEXT, offsetof(struct hf_scope, name), HF_DETAIL_NONE},
    {1, HF_FORM_ARRAY, offsetof(struct hf_scope, permissions), HF_DETAIL_NONE},
};

bool hf_scope_next(struct hf_cbor *scopes, struct hf_scope *scope)
{
    struct hf_met met = {0, 0, false};
    hf_memset(scope, 0, sizeof *scope);
    bool is_pair = hf_fields_read(*scopes, HF_CBOR_ARRAY, scope_fields, 2, scope, &met);
    hf_cbor_skip(scopes);
    return is_pair && met.present == 3 && met.wrong == 0 && !met.others;
}

bool hf_scope_is_token(struct hf_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.p[i];
        if (c <= 0x20 || c > 0x7E || c == '"' || c == '\\') {
            return false;
        }
    }
    return text.len > 0;
}

/* Cut the first name off a text scope; the rest begins behind the space, and is absent after the last name. */
static struct hf_slice next_name(struct hf_slice *rest)
{
    struct hf_slice name = {rest->p, 0};
    while (name.len < rest->len && rest->p[name.len] != ' ') {
        name.len++;
    }
    if (name.len < rest->len) {
        rest->p += name.len + 1;
        rest->len -= name.len + 1;
    } else {
        rest->p = NULL;
        rest->len = 0;
    }
    return name;
}

/* Check that a text is 1..HF_MAX_PERMISSIONS names with one space between (RFC 6749 section 3.3). */
static hf_verdict_t check_text(struct hf_slice scope)
{
    unsigned names = 1;
    for (size_t i = 0; i < scope.len; i++) {
        names += scope.p[i] == ' ';
    }
    if (names > HF_MAX_PERMISSIONS) {
        return MALFORMED(TOO_LONG);
    }
    while (scope.p != NULL) {
        if (!hf_scope_is_token(next_name(&scope))) {
            return MALFORMED(NAME);
        }
    }
    return HF_OK;
}

/* The place of a name in the scope map; HF_MAX_SCOPES when it means nothing here. */
static uint32_t place_of(struct hf_slice name, const struct hf_rules *rules)
{
    struct hf_cbor scopes = hf_cbor_at(rules->scopes);
    uint32_t count;
    (void)hf_cbor_array(&scopes, &count);
    for (uint32_t place = 0; place < count; place++) {
        struct hf_scope scope;
        (void)hf_scope_next(&scopes, &scope);
        if (hf_slice_equal(scope.name, name)) {
            return place;
        }
    }
    return HF_MAX_SCOPES;
}

static hf_verdict_t understand_text(struct hf_slice scope, const struct hf_rules *rules,
                                    uint8_t places[HF_MAX_SCOPES / 8])
{
    hf_verdict_t verdict = check_text(scope);
    while (verdict == HF_OK && scope.p != NULL) {
        uint32_t place = place_of(next_name(&scope), rules);
        if (place == HF_MAX_SCOPES) {
            return UNKNOWN(NAME);
        }
        places[place / 8] |= (uint8_t)(1u << place % 8);
    }
    return verdict;
}

/* Gather what one list of permissions allows on a path. */
static uint32_t methods_in(struct hf_slice list, struct hf_slice path)
{
    struct hf_cbor permissions = hf_cbor_at(list);
    uint32_t gathered = 0;
    uint32_t count;
    (void)hf_cbor_array(&permissions, &count);
    for (; count > 0; count--) {
        struct hf_permission own;
        (void)hf_permission_next(&permissions, &own);
        if (hf_slice_equal(own.path, path)) {
            gathered |= (uint32_t)own.methods; /* at most HF_ALL_METHODS: checked */
        }
    }
    return gathered;
}

/* Gather what the scope map allows on a path, by the scopes whose bits are set; by all of them for NULL. */
static uint32_t methods_by_scopes(const struct hf_rules *rules, const uint8_t *places, struct hf_slice path)
{
    struct hf_cbor scopes = hf_cbor_at(rules->scopes);
    uint32_t gathered = 0;
    uint32_t count;
    (void)hf_cbor_array(&scopes, &count);
    for (uint32_t place = 0; place < count; place++) {
        struct hf_scope scope;
        (void)hf_scope_next(&scopes, &scope);
        if (places == NULL || (places[place / 8] >> place % 8 & 1) != 0) {
            gathered |= methods_in(scope.permissions, path);
        }
    }
    return gathered;
}

/* Understand an AIF-REST: scope.decode_aif, then the paths and methods of this RS. A fault of form anywhere is
 * found before an unknown path or method. */
static hf_verdict_t understand_aif(struct hf_slice scope, const struct hf_rules *rules)
{
    struct hf_cbor entries = hf_cbor_at(scope);
    uint32_t count;
    if (hf_cbor_check(scope, 0, AIF_DEPTH) != HF_OK) {
        return MALFORMED(CBOR);
    }
    if (!hf_cbor_array(&entries, &count)) {
        return MALFORMED(ARRAY);
    }
    if (count > HF_MAX_PERMISSIONS) {
        return MALFORMED(TOO_LONG);
    }
    hf_verdict_t unknown = count == 0 ? UNKNOWN(EMPTY) : (hf_verdict_t)HF_OK;
    for (; count > 0; count--) {
        struct hf_permission permission;
        enum hf_detail detail = hf_permission_next(&entries, &permission);
        if (detail != HF_DETAIL_NONE) {
            return hf_verdict_of(HF_MALFORMED_SCOPE, detail);
        }
        if (unknown != HF_OK) {
            continue;
        }
        if (methods_by_scopes(rules, NULL, permission.path) == 0) { /* no scope mentions it; none permits nothing */
            unknown = UNKNOWN(PATH);
        } else if (permission.methods == 0 || permission.methods > HF_ALL_METHODS) {
            unknown = UNKNOWN(METHOD);
        }
    }
    return unknown;
}

hf_verdict_t hf_scope_understand(const struct hf_claims *claims, const struct hf_rules *rules,
                                 uint8_t scopes[HF_MAX_SCOPES / 8])
{
    hf_memset(scopes, 0, HF_MAX_SCOPES / 8);
    return claims->scope_is_text ? understand_text(claims->scope, rules, scopes) : understand_aif(claims->scope, rules);
}

enum hf_status hf_permissions_check(const struct hf_grant *grant, const struct hf_rules *rules, struct hf_slice path,
                                    uint8_t code)
{
    uint32_t methods = grant->claims.scope_is_text ? methods_by_scopes(rules, grant->scopes, path)
                                                   : methods_in(grant->claims.scope, path);
    if (methods == 0) {
        return HF_RESOURCE_FORBIDDEN;
    }
    if (code < HF_L_CODE_GET || code > HF_L_CODE_IPATCH || (methods >> (code - 1) & 1) == 0) {
        return HF_METHOD_FORBIDDEN;
    }
    return HF_OK;
}
