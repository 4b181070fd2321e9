-- Each token asks for the keys of one resource server, or for those that sign.

CREATE INDEX keys_of ON keys (role, rs_id);
