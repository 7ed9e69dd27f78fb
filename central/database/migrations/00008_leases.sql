-- +goose Up
-- The centrals that share this database, and who of them does what
-- (central/lease/LEASES.md). A central that is alive raises its beat; the others
-- take an unchanged one for dead by their own clocks.

CREATE TABLE centrals (
    id       TEXT   NOT NULL PRIMARY KEY,
    name     TEXT   NOT NULL UNIQUE,
    folder   TEXT   NOT NULL,
    settings TEXT   NOT NULL,
    beat     BIGINT NOT NULL,
    joined   BIGINT NOT NULL
);

-- fence rises with each new owner. signed is a time that the owner's signatures
-- stay below.
CREATE TABLE leases (
    name   TEXT   NOT NULL PRIMARY KEY,
    owner  TEXT   NOT NULL,
    fence  BIGINT NOT NULL,
    signed BIGINT NOT NULL
);

-- What centrals keep in memory has a number here that rises with each change.
CREATE TABLE revisions (
    name   TEXT   NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL
);
INSERT INTO revisions (name, number) VALUES ('lanes', 0);
INSERT INTO revisions (name, number) VALUES ('keys', 0);

-- The key folder that several centrals share, file by file, each encrypted with
-- the passphrase as in the folder. Empty for one central, and with central sign.
CREATE TABLE key_files (
    name TEXT  NOT NULL PRIMARY KEY,
    data BYTEA NOT NULL
);
