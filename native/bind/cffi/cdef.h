/* The functions of the core that Python calls, for cffi. The headers in native/include say what they do. */
int hf_p256_check_point(const uint8_t *point);
int hf_p256_verify(const uint8_t *point, const uint8_t *hash, const uint8_t *sig);
int hf_p256_verify_fixed(const uint8_t *table, size_t table_len, const uint8_t *hash, const uint8_t *sig);
int hf_p256_table_make(const uint8_t *point, unsigned teeth, unsigned blocks, uint8_t *table, size_t table_len);
int hf_p256_table_check(const uint8_t *table, size_t table_len, const uint8_t *point);

struct hf_slice {
    const uint8_t *p;
    size_t len;
};
struct hf_rules {
    ...;
};
struct hf_moment {
    int64_t now_s;
    uint64_t exi_floor;
    uint8_t clock;
    uint8_t exi;
    ...;
};
struct hf_grant {
    uint8_t token_hash[32];
    uint8_t format;
    uint8_t detail;
    ...;
};
uint32_t hf_rules_read(struct hf_slice encoded, struct hf_rules *rules);
int hf_token_verify(const struct hf_rules *rules, const struct hf_moment *moment, const uint8_t *token,
                    size_t token_len, uint8_t *scratch, size_t scratch_len, struct hf_grant *grant);
uint32_t hf_token_items(const struct hf_rules *rules, const uint8_t *moment, const uint8_t *token, size_t token_len,
                        uint8_t *room, size_t room_len, int32_t *lens);
