/* Runs a fuzz target without libFuzzer: every seed given, then COUNT changed ones, by a fixed generator.
 *   fuzz COUNT FILE..
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define MAX_LEN 1200

static uint32_t next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static size_t read_seed(const char *path, uint8_t seed[MAX_LEN])
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        exit(2);
    }
    size_t len = fread(seed, 1, MAX_LEN, file);
    fclose(file);
    return len;
}

/* Replace, cut out or put in a few bytes. */
static size_t change(uint8_t input[MAX_LEN], size_t len, uint32_t *state)
{
    for (uint32_t edits = 1 + next(state) % 4; edits > 0; edits--) {
        size_t at = len > 0 ? next(state) % len : 0;
        uint32_t kind = next(state) % 4;
        if (kind == 0 && len + 1 < MAX_LEN) {
            memmove(input + at + 1, input + at, len - at);
            len++;
        } else if (kind == 1 && len > 0) {
            memmove(input + at, input + at + 1, len - at - 1);
            len--;
        }
        if (len > 0 && kind != 1) {
            input[at] = (uint8_t)(kind == 2 ? input[at] ^ 1u << next(state) % 8 : next(state));
        }
    }
    return len;
}

/* Run one input from memory of exactly its length. */
static void run(const uint8_t *input, size_t len)
{
    uint8_t *exact = malloc(len > 0 ? len : 1);
    if (exact == NULL) {
        exit(2);
    }
    memcpy(exact, input, len);
    (void)LLVMFuzzerTestOneInput(exact, len);
    free(exact);
}

int main(int argc, char **argv)
{
    uint8_t input[MAX_LEN];
    uint32_t state = 1;
    if (argc < 3) {
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        run(input, read_seed(argv[i], input));
    }
    for (long count = strtol(argv[1], NULL, 10); count > 0; count--) {
        size_t len = read_seed(argv[2 + next(&state) % (uint32_t)(argc - 2)], input);
        run(input, change(input, len, &state));
    }
    return 0;
}
