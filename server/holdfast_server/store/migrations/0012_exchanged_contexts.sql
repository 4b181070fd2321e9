-- OSCORE contexts with parties that are not Holdfast's: their algorithm, and which were here before.

ALTER TABLE oscore_parties ADD COLUMN alg INTEGER NOT NULL DEFAULT 10; -- COSE AEAD algorithm

CREATE TABLE exchanged_contexts (
    digest BLOB PRIMARY KEY        -- of the context's material: it never starts a second time
) STRICT, WITHOUT ROWID;
