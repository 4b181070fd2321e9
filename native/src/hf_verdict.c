/* The texts of the details (hf_verdict.h): one constant, so that no pointer to text needs to be relocated. */
#include "hf_verdict.h"

#define HF_DETAIL_TEXT(name, text) text "\0"

const char *hf_detail_text(enum hf_detail detail)
{
    static const char texts[] = HF_DETAILS(HF_DETAIL_TEXT);
    const char *text = texts;
    if ((unsigned)detail >= (unsigned)HF_DETAIL_COUNT) {
        return text;
    }
    for (unsigned skip = (unsigned)detail; skip > 0; skip--) {
        while (*text != '\0') {
            text++;
        }
        text++;
    }
    return text;
}
