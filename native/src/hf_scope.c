/* Scopes and what they permit on an RS: names by configuration, or AIF-REST (RFC 9237 section 3): scope.py.
 * A scope that is not understood whole is refused; the part that is known is never taken. */
#include "hf_labels.h"
#include "hf_port.h"
#include "hf_token_parts.h"

#define AIF_DEPTH 2 /* an array of [path, methods] */

#define MALFORMED(detail) HF_VERDICT(HF_MALFORMED_SCOPE, detail)
#define UNKNOWN(detail) HF_VERDICT(HF_SCOPE_UNKNOWN, detail)

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
        struct hf_cbor scope = scopes;
        struct hf_slice own = {NULL, 0};
        uint32_t two;
        (void)hf_cbor_array(&scope, &two);
        (void)hf_cbor_text(scope, &own);
        if (hf_slice_equal(own, name)) {
            return place;
        }
        hf_cbor_skip(&scopes);
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

/* Read one [path, methods] of checked CBOR.
 *   out: *path absent or *methods 0 where the item is something else; entries moves on
 *   ret: 0 | HF_MALFORMED_SCOPE (entry path methods)
 */
static hf_verdict_t next_permission(struct hf_cbor *entries, struct hf_slice *path, uint64_t *methods)
{
    struct hf_cbor entry = *entries;
    uint32_t two;
    int64_t number;
    hf_cbor_skip(entries);
    path->p = NULL;
    path->len = 0;
    *methods = 0;
    if (!hf_cbor_array(&entry, &two) || two != 2) {
        return MALFORMED(ENTRY);
    }
    if (!hf_cbor_text(entry, path) || path->len == 0 || path->p[0] != '/') {
        return MALFORMED(PATH);
    }
    hf_cbor_skip(&entry);
    if (!hf_cbor_int64(entry, &number) || number < 0) {
        return MALFORMED(METHODS);
    }
    *methods = (uint64_t)number;
    return HF_OK;
}

/* Gather what one list of permissions allows on a path. */
static uint64_t methods_in(struct hf_cbor permissions, struct hf_slice path)
{
    uint64_t gathered = 0;
    uint32_t count;
    (void)hf_cbor_array(&permissions, &count);
    for (; count > 0; count--) {
        struct hf_slice own;
        uint64_t methods;
        (void)next_permission(&permissions, &own, &methods);
        if (hf_slice_equal(own, path)) {
            gathered |= methods;
        }
    }
    return gathered;
}

/* Gather what the scope map allows on a path, by the scopes whose bits are set; by all of them for NULL. */
static uint64_t methods_by_scopes(const struct hf_rules *rules, const uint8_t *places, struct hf_slice path)
{
    struct hf_cbor scopes = hf_cbor_at(rules->scopes);
    uint64_t gathered = 0;
    uint32_t count;
    (void)hf_cbor_array(&scopes, &count);
    for (uint32_t place = 0; place < count; place++) {
        struct hf_cbor scope = scopes;
        hf_cbor_skip(&scopes);
        if (places == NULL || (places[place / 8] >> place % 8 & 1) != 0) {
            uint32_t two;
            (void)hf_cbor_array(&scope, &two);
            hf_cbor_skip(&scope);
            gathered |= methods_in(scope, path);
        }
    }
    return gathered;
}

/* Decode an AIF-REST: scope.decode_aif. */
static hf_verdict_t check_aif(struct hf_slice scope, uint32_t *count)
{
    struct hf_cbor entries = hf_cbor_at(scope);
    if (hf_cbor_check(scope, 0, AIF_DEPTH) != HF_OK) {
        return MALFORMED(CBOR);
    }
    if (!hf_cbor_array(&entries, count)) {
        return MALFORMED(ARRAY);
    }
    if (*count > HF_MAX_PERMISSIONS) {
        return MALFORMED(TOO_LONG);
    }
    for (uint32_t i = 0; i < *count; i++) {
        struct hf_slice path;
        uint64_t methods;
        hf_verdict_t verdict = next_permission(&entries, &path, &methods);
        if (verdict != HF_OK) {
            return verdict;
        }
    }
    return HF_OK;
}

static hf_verdict_t understand_aif(struct hf_slice scope, const struct hf_rules *rules)
{
    struct hf_cbor entries = hf_cbor_at(scope);
    uint32_t count = 0;
    hf_verdict_t verdict = check_aif(scope, &count);
    if (verdict != HF_OK) {
        return verdict;
    }
    if (count == 0) {
        return UNKNOWN(EMPTY);
    }
    for (hf_cbor_array(&entries, &count); count > 0; count--) {
        struct hf_slice path;
        uint64_t methods;
        (void)next_permission(&entries, &path, &methods);
        if (methods_by_scopes(rules, NULL, path) == 0) { /* no scope mentions it; none permits nothing */
            return UNKNOWN(PATH);
        }
        if (methods == 0 || methods > HF_ALL_METHODS) {
            return UNKNOWN(METHOD);
        }
    }
    return HF_OK;
}

hf_verdict_t hf_scope_understand(const struct hf_claims *claims, const struct hf_rules *rules,
                                 uint8_t scopes[HF_MAX_SCOPES / 8])
{
    hf_memset(scopes, 0, HF_MAX_SCOPES / 8);
    return claims->scope_is_text ? understand_text(claims->scope, rules, scopes)
                                 : understand_aif(claims->scope, rules);
}

enum hf_status hf_permissions_check(const struct hf_grant *grant, const struct hf_rules *rules, struct hf_slice path,
                                    uint8_t code)
{
    uint64_t methods = grant->claims.scope_is_text ? methods_by_scopes(rules, grant->scopes, path)
                                                   : methods_in(hf_cbor_at(grant->claims.scope), path);
    if (methods == 0) {
        return HF_RESOURCE_FORBIDDEN;
    }
    if (code < HF_L_CODE_GET || code > HF_L_CODE_IPATCH || ((uint32_t)methods >> (code - 1) & 1) == 0) {
        return HF_METHOD_FORBIDDEN;
    }
    return HF_OK;
}
