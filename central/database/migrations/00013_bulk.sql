-- +goose Up
-- Deeds on many passes, each with its position, so that it goes on after a crash
-- and does nothing twice; and mail that waits to be sent.

CREATE TABLE imports (
    id           TEXT   NOT NULL PRIMARY KEY,
    name         TEXT   NOT NULL, -- of the file
    state        TEXT   NOT NULL, -- reading, preview, running, done, discarded
    by           TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    confirmed    BIGINT NOT NULL,
    confirmed_by TEXT   NOT NULL,
    good         BIGINT NOT NULL,
    bad          BIGINT NOT NULL,
    position     BIGINT NOT NULL, -- rows up to here are issued or failed
    issued       BIGINT NOT NULL,
    failed       BIGINT NOT NULL,
    ended        BIGINT NOT NULL
);
CREATE INDEX imports_at ON imports (at);
CREATE INDEX imports_state ON imports (state);

-- Good rows have a position from 1 on and a request, bad ones only faults.
CREATE TABLE import_rows (
    import   TEXT   NOT NULL REFERENCES imports (id),
    line     BIGINT NOT NULL,
    position BIGINT NOT NULL,
    request  TEXT   NOT NULL,
    faults   TEXT   NOT NULL,
    day      BIGINT NOT NULL,
    idx      BIGINT NOT NULL, -- -1: not issued
    PRIMARY KEY (import, line)
);
CREATE INDEX import_rows_position ON import_rows (import, position);

CREATE TABLE bulks (
    id           TEXT   NOT NULL PRIMARY KEY,
    state        TEXT   NOT NULL, -- proposed, running, done, withdrawn
    selection    TEXT   NOT NULL,
    status       BIGINT NOT NULL,
    reason       TEXT   NOT NULL,
    by           TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    expires      BIGINT NOT NULL, -- of a proposal
    settled      BIGINT NOT NULL,
    settled_by   TEXT   NOT NULL,
    passes       BIGINT NOT NULL,
    changed      BIGINT NOT NULL,
    skipped      BIGINT NOT NULL,
    seq          BIGINT NOT NULL  -- the newest feed event of it, 0 if none went out
);
CREATE INDEX bulks_at ON bulks (at);
CREATE INDEX bulks_state ON bulks (state);

CREATE TABLE bulk_passes (
    bulk     TEXT   NOT NULL REFERENCES bulks (id),
    position BIGINT NOT NULL,
    day      BIGINT NOT NULL,
    idx      BIGINT NOT NULL,
    was      BIGINT NOT NULL,
    done     BIGINT NOT NULL,
    PRIMARY KEY (bulk, position)
);
CREATE INDEX bulk_passes_open ON bulk_passes (bulk, position) WHERE done = 0;

CREATE TABLE outbox (
    id       TEXT   NOT NULL PRIMARY KEY,
    state    TEXT   NOT NULL, -- waiting, sent, failed
    day      BIGINT NOT NULL,
    idx      BIGINT NOT NULL,
    address  TEXT   NOT NULL,
    by       TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next     BIGINT NOT NULL,
    ended    BIGINT NOT NULL,
    error    TEXT   NOT NULL
);
CREATE INDEX outbox_pass ON outbox (day, idx);
CREATE INDEX outbox_next ON outbox (state, next);
