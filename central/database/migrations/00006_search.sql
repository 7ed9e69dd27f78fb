-- +goose Up
-- What ledger and passes are searched by. Rows from before are filled in by the
-- next migration, which also makes the indices.

-- at: Unix ms of the lane's stamp, or of the arrival if the stamp cannot be true.
-- lane_key: the journal's key * 256 + the lane's number on its controller.
-- facet: type, reason, kind, zone and direction in one number (facet.go).
ALTER TABLE entries ADD COLUMN at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN lane_key BIGINT NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN facet BIGINT NOT NULL DEFAULT 0;

-- Which facets a lane has rows of.
CREATE TABLE ledger_facets (
    lane_key BIGINT NOT NULL,
    facet    BIGINT NOT NULL,
    PRIMARY KEY (lane_key, facet)
);

-- How many rows an hour has of each facet. Stays when the rows are erased.
CREATE TABLE ledger_hours (
    hour  BIGINT NOT NULL,
    facet BIGINT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (hour, facet)
);

-- Where the last passage of a pass led, per zone.
CREATE TABLE presence (
    zone     BIGINT NOT NULL,
    day      BIGINT NOT NULL,
    idx      BIGINT NOT NULL,
    kind     BIGINT NOT NULL,
    inside   BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    lane_key BIGINT NOT NULL,
    PRIMARY KEY (day, idx, zone)
);
CREATE INDEX presence_inside ON presence (at, zone, kind) WHERE inside = 1;

-- The words of holders and guest names: bytes, so that their order is the same
-- in every database.
CREATE TABLE pass_words (
    word BYTEA  NOT NULL,
    day  BIGINT NOT NULL,
    idx  BIGINT NOT NULL,
    PRIMARY KEY (word, day, idx)
);

ALTER TABLE passes ADD COLUMN zones BIGINT NOT NULL DEFAULT 0;

-- What the retention erased of each journal: all entries up to last, at which the
-- chain had this value.
CREATE TABLE journal_erased (
    journal BIGINT NOT NULL PRIMARY KEY REFERENCES journals (key),
    last    BIGINT NOT NULL,
    chain   BYTEA  NOT NULL,
    count   BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    number  BIGINT NOT NULL -- the highest erased one in the ledger
);

-- How far the next migration is: numbers up to which rows are filled in.
CREATE TABLE search_filled (
    entries  BIGINT NOT NULL,
    pass_day BIGINT NOT NULL,
    pass_idx BIGINT NOT NULL
);
INSERT INTO search_filled (entries, pass_day, pass_idx) VALUES (0, 0, -1);
