/* The entry point of a fuzz target, as libFuzzer calls it. fuzz_main.c calls it where there is no libFuzzer. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Run one input; abort when something is wrong. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_len);

/* Abort, with the condition's text, unless it holds. */
#define FUZZ_ASSERT(condition) ((condition) ? (void)0 : fuzz_failed(#condition))

void fuzz_failed(const char *condition);

#endif
