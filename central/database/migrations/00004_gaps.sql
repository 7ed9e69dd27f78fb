-- +goose Up
-- Entries that a lane lost to damage before central had them. The journal's
-- chain begins anew behind a gap, at the value that the lane's next file names.

CREATE TABLE journal_gaps (
    journal BIGINT NOT NULL REFERENCES journals (key),
    first   BIGINT NOT NULL,
    last    BIGINT NOT NULL,
    before  BYTEA  NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (journal, first)
);
