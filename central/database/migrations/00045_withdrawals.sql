-- +goose Up
-- The office can take an eCard back, and give it back. A row that is withdrawn
-- outlives its holder's account and place in the register. Times are Unix milliseconds.

ALTER TABLE ecards ADD COLUMN withdrawn BIGINT NOT NULL DEFAULT 0; -- 0: it is not
ALTER TABLE ecards ADD COLUMN withdrawn_by TEXT NOT NULL DEFAULT '';
ALTER TABLE ecards ADD COLUMN reason TEXT NOT NULL DEFAULT ''; -- for the holder to read
