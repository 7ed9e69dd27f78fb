-- +goose Up
-- What an API token may do beside or instead of its role, and the requests that
-- came with an Idempotency-Key.
ALTER TABLE api_tokens ADD COLUMN scopes TEXT NOT NULL DEFAULT '';
ALTER TABLE api_tokens ADD COLUMN lanes TEXT NOT NULL DEFAULT '';
ALTER TABLE api_tokens ADD COLUMN created_by TEXT NOT NULL DEFAULT '';

CREATE TABLE request_keys (
    token   TEXT   NOT NULL,
    key     BYTEA  NOT NULL,
    request BYTEA  NOT NULL,
    claim   TEXT   NOT NULL,
    state   BIGINT NOT NULL,
    begun   BIGINT NOT NULL,
    made    TEXT   NOT NULL,
    answer  BYTEA  NOT NULL,
    PRIMARY KEY (token, key)
);
CREATE INDEX request_keys_begun ON request_keys (begun);
