-- +goose Up
-- Supervisor codes: one row a code. (day, idx) is taken from the day's issue
-- counter, so no pass has it. The code's text is kept nowhere: who has the
-- database opens nothing with it. officer is personal data and stays here.

CREATE TABLE supervisor_codes (
    day        BIGINT NOT NULL REFERENCES days (day),
    idx        BIGINT NOT NULL,
    sheet      TEXT   NOT NULL,
    place      BIGINT NOT NULL,
    lane       TEXT   NOT NULL,
    number     BIGINT NOT NULL,
    action     BIGINT NOT NULL,
    cause      BIGINT NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_till BIGINT NOT NULL,
    officer    TEXT   NOT NULL,
    issued     BIGINT NOT NULL,
    issued_by  TEXT   NOT NULL,
    revoked    BIGINT NOT NULL,
    revoked_by TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    PRIMARY KEY (day, idx),
    UNIQUE (sheet, place)
);
CREATE INDEX supervisor_codes_lane ON supervisor_codes (lane, number, valid_from);

-- What the ledger says of supervisor codes: entries of kind 4, in their order,
-- copied from it up to the number in supervisor_read.
CREATE TABLE supervisor_uses (
    number BIGINT NOT NULL PRIMARY KEY,
    day    BIGINT NOT NULL,
    idx    BIGINT NOT NULL,
    lane   TEXT   NOT NULL,
    entry  BYTEA  NOT NULL
);
CREATE INDEX supervisor_uses_code ON supervisor_uses (day, idx);

CREATE TABLE supervisor_read (
    number BIGINT NOT NULL
);
INSERT INTO supervisor_read (number) VALUES (0);
