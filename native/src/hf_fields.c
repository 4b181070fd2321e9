/* hf_fields.h */
#include "hf_fields.h"

#define KIND(kind) (1u << HF_CBOR_##kind)

/* Which kinds of items a form takes. */
static const uint16_t kinds_of[] = {
    [HF_FORM_BYTES] = KIND(BYTES),
    [HF_FORM_TEXT] = KIND(TEXT),
    [HF_FORM_STRING] = KIND(BYTES) | KIND(TEXT),
    [HF_FORM_ARRAY] = KIND(ARRAY),
    [HF_FORM_MAP] = KIND(MAP),
    [HF_FORM_ITEM] = 0xffff,
    [HF_FORM_INT] = KIND(UINT) | KIND(NINT),
    [HF_FORM_LABEL] = KIND(UINT) | KIND(NINT) | KIND(TEXT),
    [HF_FORM_INT64] = KIND(UINT) | KIND(NINT),
    [HF_FORM_UINT] = KIND(UINT),
    [HF_FORM_DATE] = KIND(UINT) | KIND(NINT) | KIND(FLOAT),
};

static bool fits(const struct hf_cbor_item *item, enum hf_form form)
{
    return (kinds_of[form] >> item->kind & 1) != 0;
}

/* Store a value, whose head is *item; returns whether the value has the field's form. */
static bool store(struct hf_slice encoded, struct hf_cbor_item *item, const struct hf_field *field, void *at)
{
    if (!fits(item, (enum hf_form)field->form)) {
        return false;
    }
    if (field->form < HF_FORM_INT) {
        *(struct hf_slice *)at = field->form < HF_FORM_ARRAY ? item->content : encoded;
    } else if (item->kind != HF_CBOR_TEXT) {
        int64_t number = hf_cbor_number(item);
        if (field->form >= HF_FORM_UINT && (number < -HF_MAX_TIME_S || number > HF_MAX_TIME_S)) {
            return false;
        }
        if (field->form < HF_FORM_INT64) {
            *(int32_t *)at = hf_cbor_near32(number);
        } else {
            *(int64_t *)at = number;
        }
    }
    return true;
}

bool hf_fields_read(struct hf_cbor value, enum hf_cbor_kind kind, const struct hf_field *fields, unsigned count,
                    void *out, struct hf_met *met)
{
    uint32_t items;
    if (!hf_cbor_enter(&value, kind, &items)) {
        return false;
    }
    for (uint32_t place = 0; place < items; place++) {
        int32_t label = (int32_t)place;
        bool labelled = true;
        bool known = false;
        if (kind == HF_CBOR_MAP) {
            labelled = hf_cbor_int32(value, &label);
            hf_cbor_skip(&value);
        }
        const uint8_t *start = value.p;
        struct hf_cbor_item item;
        struct hf_cbor head = value;
        (void)hf_cbor_next(&head, &item);
        hf_cbor_skip(&value);
        struct hf_slice encoded = {start, (size_t)(value.p - start)};
        for (unsigned i = 0; i < count && labelled; i++) {
            if (fields[i].label == label) {
                known = true;
                met->present |= HF_FIELD_BIT(i);
                met->wrong |= store(encoded, &item, &fields[i], (uint8_t *)out + fields[i].at) ? 0 : HF_FIELD_BIT(i);
            }
        }
        met->others |= !known;
    }
    return true;
}

enum hf_detail hf_fields_detail(const struct hf_field *fields, uint32_t set)
{
    for (; set != 0; set >>= 1, fields++) {
        if ((set & 1) != 0) {
            return (enum hf_detail)fields->detail;
        }
    }
    return HF_DETAIL_NONE;
}

uint32_t hf_list_len(struct hf_cbor list, enum hf_form form)
{
    uint32_t count;
    (void)hf_cbor_array(&list, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct hf_cbor_item item;
        struct hf_cbor head = list;
        (void)hf_cbor_next(&head, &item);
        if (!fits(&item, form)) {
            return 0;
        }
        hf_cbor_skip(&list);
    }
    return count;
}
