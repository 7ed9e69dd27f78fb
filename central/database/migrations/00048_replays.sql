-- +goose Up
-- A code of the NetIDs' provider stays until it expires, so that a second use is
-- known for one. Pairs of persons who are two for certain, whatever they have in
-- common, until that changes. Times are Unix milliseconds.

ALTER TABLE openid_codes ADD COLUMN uses BIGINT NOT NULL DEFAULT 0;

CREATE TABLE register_apart (
    a      TEXT   NOT NULL REFERENCES register_persons (id), -- of the two ids the first by the alphabet
    b      TEXT   NOT NULL REFERENCES register_persons (id),
    reason TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    by     TEXT   NOT NULL,
    PRIMARY KEY (a, b)
);
CREATE INDEX register_apart_b ON register_apart (b);
CREATE INDEX register_apart_at ON register_apart (at);
