-- +goose Up
-- Times are Unix milliseconds. Hashes, keys and encoded entries are bytes.

CREATE TABLE days (
    day      BIGINT NOT NULL PRIMARY KEY,
    capacity BIGINT NOT NULL,
    issued   BIGINT NOT NULL
);

CREATE TABLE passes (
    day        BIGINT NOT NULL REFERENCES days (day),
    idx        BIGINT NOT NULL,
    kind       BIGINT NOT NULL,
    code       TEXT   NOT NULL,
    holder     TEXT   NOT NULL,
    guest_name TEXT   NOT NULL,
    purpose    TEXT   NOT NULL,
    issued     BIGINT NOT NULL,
    issued_by  TEXT   NOT NULL,
    status     BIGINT NOT NULL,
    status_seq BIGINT NOT NULL,
    changed    BIGINT NOT NULL,
    changed_by TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    PRIMARY KEY (day, idx)
);
CREATE INDEX passes_issued ON passes (issued, day, idx);
CREATE INDEX passes_holder ON passes (holder, issued);
CREATE INDEX passes_status ON passes (day, status);

CREATE TABLE feed_log (
    epoch BIGINT NOT NULL,
    seq   BIGINT NOT NULL,
    event BYTEA  NOT NULL,
    chain BYTEA  NOT NULL,
    at    BIGINT NOT NULL,
    PRIMARY KEY (epoch, seq)
);

CREATE TABLE feed_base (
    day      BIGINT NOT NULL PRIMARY KEY,
    snapshot BYTEA  NOT NULL
);

CREATE TABLE documents (
    name    TEXT   NOT NULL,
    version BIGINT NOT NULL,
    body    TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    by      TEXT   NOT NULL,
    PRIMARY KEY (name, version)
);

CREATE TABLE lanes (
    id          TEXT   NOT NULL PRIMARY KEY,
    enrolled    BIGINT NOT NULL,
    expires     BIGINT NOT NULL,
    certificate BYTEA  NOT NULL,
    journal_key BYTEA  NOT NULL,
    seal_key    BYTEA  NOT NULL,
    state       BYTEA  NOT NULL,
    alive       BIGINT NOT NULL,
    since       BIGINT NOT NULL
);

CREATE TABLE removed_certificates (
    serial  TEXT   NOT NULL PRIMARY KEY,
    lane    TEXT   NOT NULL,
    removed BIGINT NOT NULL,
    expires BIGINT NOT NULL
);

CREATE TABLE enrol_tokens (
    id      BYTEA  NOT NULL PRIMARY KEY,
    lane    TEXT   NOT NULL,
    secret  BYTEA  NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    used    BIGINT NOT NULL
);

CREATE TABLE lane_applied (
    lane  TEXT   NOT NULL,
    epoch BIGINT NOT NULL,
    seq   BIGINT NOT NULL,
    at    BIGINT NOT NULL,
    PRIMARY KEY (lane, epoch, seq)
);

CREATE TABLE journals (
    key     BIGINT NOT NULL PRIMARY KEY,
    lane    TEXT   NOT NULL,
    journal BYTEA  NOT NULL,
    last    BIGINT NOT NULL,
    chain   BYTEA  NOT NULL,
    started BIGINT NOT NULL,
    UNIQUE (lane, journal)
);

CREATE TABLE entries (
    number   BIGINT NOT NULL PRIMARY KEY,
    journal  BIGINT NOT NULL REFERENCES journals (key),
    seq      BIGINT NOT NULL,
    day      BIGINT NOT NULL,
    pass_day BIGINT NOT NULL,
    pass_idx BIGINT NOT NULL,
    received BIGINT NOT NULL,
    entry    BYTEA  NOT NULL,
    UNIQUE (journal, seq)
);
CREATE INDEX entries_pass ON entries (pass_day, pass_idx) WHERE pass_day > 0;

CREATE TABLE alarms (
    number  BIGINT NOT NULL PRIMARY KEY,
    code    TEXT   NOT NULL,
    lane    TEXT   NOT NULL,
    subject TEXT   NOT NULL,
    first   BIGINT NOT NULL,
    latest  BIGINT NOT NULL,
    count   BIGINT NOT NULL,
    detail  TEXT   NOT NULL,
    next    TEXT   NOT NULL,
    UNIQUE (code, lane, subject)
);

CREATE TABLE api_tokens (
    id      TEXT   NOT NULL PRIMARY KEY,
    name    TEXT   NOT NULL,
    role    TEXT   NOT NULL,
    secret  BYTEA  NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    used    BIGINT NOT NULL,
    revoked BIGINT NOT NULL
);
CREATE UNIQUE INDEX api_tokens_name ON api_tokens (name) WHERE revoked = 0;

CREATE TABLE audit (
    at      BIGINT NOT NULL,
    by      TEXT   NOT NULL,
    action  TEXT   NOT NULL,
    subject TEXT   NOT NULL,
    detail  TEXT   NOT NULL
);
CREATE INDEX audit_at ON audit (at);
