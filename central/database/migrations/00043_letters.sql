-- +goose Up
-- Mail of any kind: what it says stands sealed in the row until it is sent.

ALTER TABLE outbox ADD COLUMN kind TEXT NOT NULL DEFAULT 'pass';
ALTER TABLE outbox ADD COLUMN lang TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN sealed BYTEA NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN until BIGINT NOT NULL DEFAULT 0;
CREATE INDEX outbox_address ON outbox (address, at);
CREATE INDEX outbox_urgent ON outbox (state, next) WHERE until > 0;
