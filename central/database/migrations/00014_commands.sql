-- +goose Up
-- Commands to lanes, and what the ledger says became of them. reason and
-- issued_by stay here: the lane hears the cause alone. answer is the type of the
-- newest entry about the command, 0 before there is one.

CREATE TABLE commands (
    lane      TEXT   NOT NULL,
    number    BIGINT NOT NULL,
    idx       BIGINT NOT NULL,
    action    BIGINT NOT NULL,
    direction BIGINT NOT NULL,
    cause     BIGINT NOT NULL,
    reason    TEXT   NOT NULL,
    start     BYTEA  NOT NULL,
    issued    BIGINT NOT NULL,
    expires   BIGINT NOT NULL,
    issued_by TEXT   NOT NULL,
    answer    BIGINT NOT NULL,
    refused   BIGINT NOT NULL,
    detail    BIGINT NOT NULL,
    entry     BIGINT NOT NULL,
    answered  BIGINT NOT NULL,
    PRIMARY KEY (lane, number)
);
CREATE INDEX commands_issued ON commands (issued);
