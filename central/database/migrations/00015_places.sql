-- +goose Up
-- Entrances, and where each lane controller stands. Row number 0 of a lane is
-- the controller itself, the others name its lanes.

CREATE TABLE entrances (
    id       TEXT   NOT NULL PRIMARY KEY,
    name     TEXT   NOT NULL,
    name_zh  TEXT   NOT NULL,
    position BIGINT NOT NULL
);

CREATE TABLE lane_places (
    lane     TEXT   NOT NULL,
    number   BIGINT NOT NULL,
    name     TEXT   NOT NULL,
    name_zh  TEXT   NOT NULL,
    entrance TEXT   NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (lane, number)
);

-- Rises with each change of these tables: pages are refreshed by it.
INSERT INTO revisions (name, number) VALUES ('places', 0);

-- Lane controllers that lost their rights for good: their history stays.
CREATE TABLE retired_lanes (
    lane     TEXT   NOT NULL PRIMARY KEY,
    retired  BIGINT NOT NULL,
    by       TEXT   NOT NULL,
    reason   TEXT   NOT NULL,
    enrolled BIGINT NOT NULL
);

-- What was done to one lane, and what it raised.
CREATE INDEX audit_subject ON audit (subject, number);
CREATE INDEX alarms_lane ON alarms (lane, latest);
