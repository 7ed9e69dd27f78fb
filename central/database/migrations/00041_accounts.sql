-- +goose Up
-- Who holders are at the portal. A person is the register's id, which is the holder
-- of passes too. Times are Unix milliseconds.

CREATE TABLE accounts (
    person  TEXT   NOT NULL PRIMARY KEY,
    address TEXT   NOT NULL, -- registered mail address, '' for none
    folded  TEXT   NOT NULL, -- the same for two spellings of one address
    handle  TEXT   NOT NULL UNIQUE, -- random: what passkeys know the account by
    lang    TEXT   NOT NULL,
    created BIGINT NOT NULL,
    seen    BIGINT NOT NULL -- last sign-in
);
CREATE UNIQUE INDEX accounts_folded ON accounts (folded) WHERE folded <> '';

-- One-time passwords that wait to be typed, also of addresses that nobody has: the
-- answers have to be the same. A browser has one of each purpose.
CREATE TABLE account_codes (
    browser BYTEA  NOT NULL, -- hash of the browser's nonce
    purpose TEXT   NOT NULL,
    person  TEXT   NOT NULL, -- '': of nobody, no code is right
    address TEXT   NOT NULL,
    detail  TEXT   NOT NULL, -- what the code confirms
    code    BYTEA  NOT NULL, -- keyed hash
    tries   BIGINT NOT NULL, -- left
    expires BIGINT NOT NULL,
    PRIMARY KEY (browser, purpose)
);
CREATE INDEX account_codes_expires ON account_codes (expires);

CREATE TABLE account_changes (
    id         TEXT   NOT NULL PRIMARY KEY,
    person     TEXT   NOT NULL REFERENCES accounts (person),
    old        TEXT   NOT NULL, -- address that is replaced
    address    TEXT   NOT NULL,
    folded     TEXT   NOT NULL,
    state      TEXT   NOT NULL, -- waiting for the office, due, done, refused, stopped
    at         BIGINT NOT NULL,
    effect     BIGINT NOT NULL, -- when it takes effect, 0: not decided
    decided    BIGINT NOT NULL,
    decided_by TEXT   NOT NULL,
    reason     TEXT   NOT NULL
);
CREATE UNIQUE INDEX account_changes_open ON account_changes (person) WHERE state = 'waiting' OR state = 'due';
CREATE INDEX account_changes_state ON account_changes (state, at);
CREATE INDEX account_changes_person ON account_changes (person, at);

CREATE TABLE account_links (
    issuer   TEXT   NOT NULL,
    subject  TEXT   NOT NULL,
    person   TEXT   NOT NULL REFERENCES accounts (person),
    provider TEXT   NOT NULL,
    linked   BIGINT NOT NULL,
    used     BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX account_links_person ON account_links (person);

CREATE TABLE account_passkeys (
    id      BYTEA  NOT NULL PRIMARY KEY,
    person  TEXT   NOT NULL REFERENCES accounts (person),
    label   TEXT   NOT NULL,
    record  BYTEA  NOT NULL,
    created BIGINT NOT NULL,
    used    BIGINT NOT NULL
);
CREATE INDEX account_passkeys_person ON account_passkeys (person);

CREATE TABLE account_sessions (
    id      TEXT   NOT NULL PRIMARY KEY, -- hash of the cookie's token
    person  TEXT   NOT NULL REFERENCES accounts (person),
    method  TEXT   NOT NULL,
    created BIGINT NOT NULL,
    signed  BIGINT NOT NULL,
    seen    BIGINT NOT NULL,
    address TEXT   NOT NULL,
    agent   TEXT   NOT NULL
);
CREATE INDEX account_sessions_person ON account_sessions (person);
CREATE INDEX account_sessions_seen ON account_sessions (seen);

CREATE TABLE account_profiles (
    person  TEXT   NOT NULL PRIMARY KEY REFERENCES accounts (person),
    body    TEXT   NOT NULL, -- JSON
    changed BIGINT NOT NULL
);
