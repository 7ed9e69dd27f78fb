-- +goose Up
-- NetIDs, and what their OpenID provider has to remember. Secrets stand here as
-- hashes, or sealed with a key of the key folder. Times are Unix milliseconds.

CREATE TABLE netids (
    id       TEXT   NOT NULL PRIMARY KEY,
    person   TEXT   NOT NULL, -- of the register
    card     TEXT   NOT NULL, -- the kind it was registered with, or alumni
    name     TEXT   NOT NULL, -- as shown
    name_key TEXT   NOT NULL UNIQUE,
    alias    TEXT   NOT NULL UNIQUE,
    email    TEXT   NOT NULL,
    lang     TEXT   NOT NULL,
    password TEXT   NOT NULL, -- argon2id; '' for none yet
    changed  BIGINT NOT NULL, -- of the password
    due      BIGINT NOT NULL, -- of the next advice or reminder; 0: none
    created  BIGINT NOT NULL,
    ended    BIGINT NOT NULL  -- 0: in use
);
CREATE INDEX netids_person ON netids (person);
CREATE INDEX netids_due ON netids (due) WHERE due > 0;

-- Passwords before the present one, so that none comes back soon.
CREATE TABLE netid_passwords (
    netid TEXT   NOT NULL REFERENCES netids (id),
    at    BIGINT NOT NULL, -- until when it was in use
    hash  TEXT   NOT NULL,
    PRIMARY KEY (netid, at)
);

-- What somebody has begun who was identified, and has codes for.
CREATE TABLE netid_flows (
    id      BYTEA  NOT NULL PRIMARY KEY, -- hash of the token
    subject TEXT   NOT NULL,             -- what it is about: with the deed, others of it end
    data    BYTEA  NOT NULL,             -- sealed
    tries   BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX netid_flows_subject ON netid_flows (subject);

CREATE TABLE openid_keys (
    id     TEXT   NOT NULL PRIMARY KEY,
    made   BIGINT NOT NULL,
    sealed BYTEA  NOT NULL
);

CREATE TABLE openid_sessions (
    id      BYTEA  NOT NULL PRIMARY KEY, -- hash of the cookie's token
    netid   TEXT   NOT NULL,
    signed  BIGINT NOT NULL, -- when the password was proved
    expires BIGINT NOT NULL
);
CREATE INDEX openid_sessions_netid ON openid_sessions (netid);

CREATE TABLE openid_codes (
    id      BYTEA  NOT NULL PRIMARY KEY, -- hash of the code
    netid   TEXT   NOT NULL,
    data    BYTEA  NOT NULL,
    expires BIGINT NOT NULL
);

CREATE TABLE openid_grants (
    id      BYTEA  NOT NULL PRIMARY KEY,
    code    BYTEA  NOT NULL, -- hash of the code that it was given for
    netid   TEXT   NOT NULL,
    data    BYTEA  NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX openid_grants_code ON openid_grants (code);
CREATE INDEX openid_grants_netid ON openid_grants (netid);

CREATE TABLE openid_tokens (
    id       BYTEA  NOT NULL PRIMARY KEY, -- hash of the token
    grant_id BYTEA  NOT NULL,
    data     BYTEA  NOT NULL,
    expires  BIGINT NOT NULL
);
CREATE INDEX openid_tokens_grant ON openid_tokens (grant_id);
