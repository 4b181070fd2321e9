-- Whether the request for a code named its redirect_uri: then the request for the token does too (RFC 6749 section 4.1.3).

ALTER TABLE authorization_codes ADD COLUMN redirect_named INTEGER NOT NULL DEFAULT 1;
