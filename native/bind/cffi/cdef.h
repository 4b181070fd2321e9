/* The functions of the core that Python calls, for cffi. The headers in native/include say what they do. */
int hf_p256_check_point(const uint8_t *point);
int hf_p256_verify(const uint8_t *point, const uint8_t *hash, const uint8_t *sig);
int hf_p256_verify_fixed(const uint8_t *table, size_t table_len, const uint8_t *hash, const uint8_t *sig);
int hf_p256_table_make(const uint8_t *point, unsigned teeth, unsigned blocks, uint8_t *table, size_t table_len);
int hf_p256_table_check(const uint8_t *table, size_t table_len, const uint8_t *point);
