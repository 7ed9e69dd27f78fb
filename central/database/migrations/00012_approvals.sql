-- +goose Up
-- What the portal hands in for the office to decide, and the photos of holders.
-- Times are Unix milliseconds. The photo of an application is erased with the
-- decision: an approved one becomes the holder's.

CREATE TABLE applications (
    number     BIGINT NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL, -- ecard, guests
    state      TEXT   NOT NULL, -- open, approved, rejected
    holder     TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    facts      TEXT   NOT NULL, -- JSON: what the holder states, in order
    request    TEXT   NOT NULL, -- JSON: the passes that are asked for
    photo      BYTEA  NOT NULL,
    at         BIGINT NOT NULL,
    by         TEXT   NOT NULL,
    decided    BIGINT NOT NULL,
    decided_by TEXT   NOT NULL,
    reason     TEXT   NOT NULL
);
CREATE INDEX applications_state ON applications (state, number);
CREATE INDEX applications_holder ON applications (holder, number);
CREATE UNIQUE INDEX applications_open ON applications (holder) WHERE kind = 'ecard' AND state = 'open';

CREATE TABLE application_passes (
    application BIGINT NOT NULL REFERENCES applications (number),
    day         BIGINT NOT NULL,
    idx         BIGINT NOT NULL,
    PRIMARY KEY (application, day, idx)
);

CREATE TABLE ecards (
    holder TEXT   NOT NULL PRIMARY KEY,
    name   TEXT   NOT NULL,
    since  BIGINT NOT NULL,
    by     TEXT   NOT NULL
);

CREATE TABLE photos (
    holder TEXT   NOT NULL PRIMARY KEY,
    jpeg   BYTEA  NOT NULL,
    at     BIGINT NOT NULL
);
