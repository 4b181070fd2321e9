/* What secrets stay behind: each operation runs twice on a stack of its own, with two secrets and the same public input.
 *
 * Every byte of the dead stack that differs between the two runs depends on the secret: it is of a key, a schedule, a pad
 * or a plaintext that nobody wiped, or of what the compiler put aside.
 * Prints "OPERATION BYTES" for each operation: the longest run. Exit code 0: each is within LIMIT, and a copy is found.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

#include "hf_aes_ccm.h"
#include "hf_hkdf.h"
#include "hf_hmac.h"
#include "hf_oscore.h"
#include "hf_oscore_parts.h"

#define STACK_LEN 65536
#define LIMIT 8 /* bytes: a word that the compiler put aside; a pseudorandom key has 32 */
#define NEAR 8 /* differing bytes this close belong together: of two secrets some bytes are equal */
#define ALG 10 /* AES-CCM-16-64-128 */

static uint8_t stacks[2][STACK_LEN];
static uint8_t stack[STACK_LEN];
static ucontext_t main_context;
static ucontext_t operation_context;

/* What the operation under way works with: made on the stack of main, for one secret and then for the other. */
static uint8_t secret[16];
static uint8_t text[32];
static struct hf_oscore_ctx mine;
static struct hf_oscore_ctx theirs;
static struct hf_oscore_ctx derived;
static struct hf_oscore_input input;
static uint8_t sealed[sizeof text + 8];
static uint8_t room[256];
static const struct hf_oscore_binding request = {1, 1, true, true};
static const struct hf_oscore_binding heard = {1, 1, false, false};

static void leak(void) /* the search finds what stays */
{
    uint8_t copy[2 * sizeof secret];
    memcpy(copy, secret, sizeof secret);
    memcpy(copy + sizeof secret, secret, sizeof secret);
    __asm__ __volatile__("" : : "r"(copy) : "memory");
}

static void derive(void)
{
    (void)hf_oscore_derive(&derived, &input);
}

static void hkdf(void)
{
    (void)hf_hkdf_sha256((const uint8_t *)"salt", 4, secret, sizeof secret, (const uint8_t *)"info", 4, room, 40);
}

static void hmac(void)
{
    hf_hmac_sha256(secret, sizeof secret, (const uint8_t *)"text", 4, room);
}

static void hmac_by_a_long_key(void)
{
    uint8_t *key = room + 64;
    memset(key, 7, 100);
    memcpy(key, secret, sizeof secret);
    hf_hmac_sha256(key, 100, (const uint8_t *)"text", 4, room);
}

static void expand_key(void)
{
    struct hf_aes_ccm *ccm = (struct hf_aes_ccm *)(void *)room; /* long enough, see prepare */
    (void)hf_aes_ccm_init(ccm, secret, sizeof secret, 8);
}

static void seal(void)
{
    (void)hf_oscore_seal(&mine, &request, text, sizeof text);
}

static void open_good(void)
{
    (void)hf_oscore_open(&theirs, &heard, sealed, sizeof sealed);
}

static void open_forged(void)
{
    sealed[sizeof sealed - 1] ^= 1;
    (void)hf_oscore_open(&theirs, &heard, sealed, sizeof sealed);
}

static void open_without_a_tag(void)
{
    (void)hf_oscore_open(&theirs, &heard, sealed, 3);
}

static const struct {
    const char *name;
    void (*run)(void);
} operations[] = {
    {"derive", derive},
    {"hkdf", hkdf},
    {"hmac", hmac},
    {"hmac-by-a-long-key", hmac_by_a_long_key},
    {"expand-key", expand_key},
    {"seal", seal},
    {"open", open_good},
    {"open-forged", open_forged},
    {"open-without-a-tag", open_without_a_tag},
};

static void prepare(unsigned which)
{
    _Static_assert(sizeof(struct hf_aes_ccm) <= sizeof room, "room");
    for (unsigned i = 0; i < sizeof secret; i++) {
        secret[i] = (uint8_t)(which ? 0x5b * (i + 1) : 0x1f * i + 3);
    }
    for (unsigned i = 0; i < sizeof text; i++) {
        text[i] = (uint8_t)(which ? i * i + 1 : 0x80 + 3 * i);
    }
    memset(room, 0, sizeof room);
    input.master_secret = secret;
    input.master_secret_len = sizeof secret;
    input.master_salt = (const uint8_t *)"thesalt.";
    input.master_salt_len = 8;
    input.sender_id_len = 1;
    input.recipient_id_len = 1;
    input.alg = ALG;
    input.sender_id = (const uint8_t *)"s";
    input.recipient_id = (const uint8_t *)"c";
    hf_oscore_derive(&theirs, &input);
    input.sender_id = (const uint8_t *)"c";
    input.recipient_id = (const uint8_t *)"s";
    hf_oscore_derive(&mine, &input);
    memcpy(sealed, text, sizeof text);
    hf_oscore_seal(&mine, &request, sealed, sizeof text);
}

static void run(void (*operation)(void), unsigned which)
{
    prepare(which);
    memset(stack, 0, sizeof stack);
    getcontext(&operation_context);
    operation_context.uc_stack.ss_sp = stack;
    operation_context.uc_stack.ss_size = sizeof stack;
    operation_context.uc_link = &main_context;
    makecontext(&operation_context, operation, 0);
    swapcontext(&main_context, &operation_context);
    memcpy(stacks[which], stack, sizeof stack);
}

/* The longest run of bytes that differ, of gaps shorter than NEAR. */
static size_t longest(void)
{
    size_t most = 0;
    size_t first = 0;
    size_t last = 0;
    bool any = false;
    for (size_t at = 0; at < STACK_LEN; at++) {
        if (stacks[0][at] == stacks[1][at]) {
            continue;
        }
        first = any && at - last < NEAR ? first : at;
        last = at;
        any = true;
        most = last - first + 1 > most ? last - first + 1 : most;
    }
    return most;
}

static size_t left_by(void (*operation)(void))
{
    run(operation, 0);
    run(operation, 1);
    return longest();
}

int main(void)
{
    bool good = left_by(leak) == 2 * sizeof secret;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        size_t left = left_by(operations[i].run);
        printf("%s %zu\n", operations[i].name, left);
        good = good && left <= LIMIT;
    }
    return !good;
}
