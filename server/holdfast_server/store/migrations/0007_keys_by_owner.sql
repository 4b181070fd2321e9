-- Each token asks for the keys of one resource server, or for those that sign; each sweep for those whose time is over.

CREATE INDEX keys_of ON keys (role, rs_id);
CREATE INDEX keys_retired ON keys (retired_until) WHERE retired_until IS NOT NULL;
