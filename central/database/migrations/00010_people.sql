-- +goose Up
-- Staff accounts and what they sign in with. Secrets stand here as hashes, or
-- sealed with a key of the key folder. Times are Unix milliseconds.

CREATE TABLE people (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL UNIQUE, -- never given to another person: it stands in the audit
    roles      TEXT   NOT NULL,
    lang       TEXT   NOT NULL,
    managed    TEXT   NOT NULL, -- '' by admins; else the OpenID issuer whose claims decide on roles
    created    BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    ended      BIGINT NOT NULL, -- 0: has access
    seen       BIGINT NOT NULL, -- last sign-in
    password   TEXT   NOT NULL, -- argon2id; '' for none
    totp       BYTEA  NOT NULL, -- sealed; set and empty together with password
    totp_step  BIGINT NOT NULL  -- the last one used
);

CREATE TABLE person_invitations (
    id      TEXT   NOT NULL PRIMARY KEY,
    person  TEXT   NOT NULL REFERENCES people (id),
    secret  BYTEA  NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX person_invitations_person ON person_invitations (person);

CREATE TABLE person_passkeys (
    id      BYTEA  NOT NULL PRIMARY KEY,
    person  TEXT   NOT NULL REFERENCES people (id),
    label   TEXT   NOT NULL,
    record  BYTEA  NOT NULL,
    created BIGINT NOT NULL,
    used    BIGINT NOT NULL
);
CREATE INDEX person_passkeys_person ON person_passkeys (person);

CREATE TABLE person_recovery (
    person TEXT  NOT NULL REFERENCES people (id),
    code   BYTEA NOT NULL,
    PRIMARY KEY (person, code)
);

CREATE TABLE person_openid (
    issuer  TEXT   NOT NULL,
    subject TEXT   NOT NULL,
    person  TEXT   NOT NULL REFERENCES people (id),
    linked  BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX person_openid_person ON person_openid (person);

CREATE TABLE sessions (
    id      TEXT   NOT NULL PRIMARY KEY, -- hash of the cookie's token
    person  TEXT   NOT NULL REFERENCES people (id),
    method  TEXT   NOT NULL,
    created BIGINT NOT NULL,
    signed  BIGINT NOT NULL, -- when the person last proved to be that person
    seen    BIGINT NOT NULL,
    address TEXT   NOT NULL,
    agent   TEXT   NOT NULL
);
CREATE INDEX sessions_person ON sessions (person);

CREATE TABLE sign_in_tries (
    subject TEXT   NOT NULL PRIMARY KEY, -- keyed hash of a name, or a network
    failed  BIGINT NOT NULL,
    latest  BIGINT NOT NULL,
    until   BIGINT NOT NULL
);
CREATE INDEX sign_in_tries_latest ON sign_in_tries (latest);

CREATE TABLE sign_in_spent (
    hash    BYTEA  NOT NULL PRIMARY KEY, -- of a challenge, a state or a form that counts once
    expires BIGINT NOT NULL
);
