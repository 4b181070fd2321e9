/* Maps and arrays whose members are known: one pass reads them by a table of their labels and types.
 * Claims, COSE headers and keys, confirmations and the encoded rules are all read so. The data is public, except the
 * content of strings, which these functions only point at. Not for callers of the core.
 */
#ifndef HF_FIELDS_H
#define HF_FIELDS_H

#include "hf_cbor.h"

/* What type a value must have, and what is stored of it. */
enum hf_form {
    /* struct hf_slice: the content */
    HF_FORM_BYTES,
    HF_FORM_TEXT,
    HF_FORM_STRING, /* bytes or text */
    /* struct hf_slice: the encoding */
    HF_FORM_ARRAY,
    HF_FORM_MAP,
    HF_FORM_ITEM, /* anything */
    /* int32_t: the nearest that 32 bits hold */
    HF_FORM_INT,
    HF_FORM_LABEL, /* an integer, or a text, of which nothing is stored */
    /* int64_t: the nearest that 64 bits hold */
    HF_FORM_INT64,
    HF_FORM_UINT, /* not negative, at most HF_MAX_TIME_S */
    HF_FORM_DATE  /* an integer or a float, rounded up, no further from 0 than HF_MAX_TIME_S */
};

/* One known member. */
struct hf_field {
    int8_t label;   /* of a map's member; the place of an array's */
    uint8_t form;   /* enum hf_form */
    uint8_t at;     /* where in the structure the value goes: offsetof */
    uint8_t detail; /* enum hf_detail of a value that is something else */
};

/* Which members were met, as sets of the table's fields: bit i for fields[i]. */
struct hf_met {
    uint32_t present;
    uint32_t wrong; /* present, and not as the table says */
    bool others;    /* there are members that the table does not have */
};

#define HF_FIELD_BIT(place) (1u << (place))

/* Read the map or array at a place, whichever `kind` says, by a table of fields[count], count <= 32.
 *   in:  value: in bytes that hf_cbor_check accepted; *out: a structure with the fields' offsets
 *   out: *out where members are present and right; *met, to which the members that were met are added
 *   ret: whether the item is of that kind
 */
bool hf_fields_read(struct hf_cbor value, enum hf_cbor_kind kind, const struct hf_field *fields, unsigned count,
                    void *out, struct hf_met *met);

/* The detail of the first field of a set, HF_DETAIL_NONE for the empty one: the table's order is that of the checks. */
enum hf_detail hf_fields_detail(const struct hf_field *fields, uint32_t set);

/* How many items an array has, when all of them are of one form: 0 when it is empty or anything else. */
uint32_t hf_list_len(struct hf_cbor list, enum hf_form form);

#endif
