-- What a party was provisioned with is no context by itself: each start makes one (RFC 8613 appendix B.2).

ALTER TABLE oscore_parties ADD COLUMN rederives INTEGER NOT NULL DEFAULT 1; -- 0: the context is these values alone
ALTER TABLE oscore_parties ADD COLUMN id_context BLOB; -- ID Context of the context in force; NULL: none
