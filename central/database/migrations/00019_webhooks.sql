-- +goose Up
-- Where programs are told of revocations, alarms and passages. A webhook has a
-- place in each log up to which it was told; nothing waits in a queue.
CREATE TABLE webhooks (
    id         TEXT   NOT NULL PRIMARY KEY,
    url        TEXT   NOT NULL,
    events     TEXT   NOT NULL,
    types      TEXT   NOT NULL,
    kinds      TEXT   NOT NULL,
    lanes      TEXT   NOT NULL,
    secret     BYTEA  NOT NULL,
    created    BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    disabled   BIGINT NOT NULL,
    why        TEXT   NOT NULL,
    epoch      BIGINT NOT NULL,
    seq        BIGINT NOT NULL,
    alarm      BIGINT NOT NULL,
    entry      BIGINT NOT NULL,
    attempt    BIGINT NOT NULL,
    tried      BIGINT NOT NULL,
    next_try   BIGINT NOT NULL,
    failing    BIGINT NOT NULL,
    delivered  BIGINT NOT NULL,
    owner      TEXT   NOT NULL,
    owned      BIGINT NOT NULL
);

CREATE TABLE webhook_deliveries (
    webhook TEXT   NOT NULL REFERENCES webhooks (id),
    number  BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    event   TEXT   NOT NULL,
    type    TEXT   NOT NULL,
    attempt BIGINT NOT NULL,
    status  BIGINT NOT NULL,
    took    BIGINT NOT NULL,
    problem TEXT   NOT NULL,
    PRIMARY KEY (webhook, number)
);
