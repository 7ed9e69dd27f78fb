-- +goose Up
-- Supervisor codes: one row a code. (day, idx) is taken from the day's issue
-- counter, so no pass has it. officer is personal data and stays here.

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
    code       TEXT   NOT NULL,
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
