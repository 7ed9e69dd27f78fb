-- +goose Up
-- The campus register: what the registry states about people. Of personal ids only
-- keyed hashes stand here. Days are text YYYY-MM-DD, '' where none is known. The
-- column key is the same for two rows about the same.

CREATE TABLE register_persons (
    id          TEXT   NOT NULL PRIMARY KEY,
    head        TEXT   NOT NULL, -- '': itself; else the id that the office merged it into
    surname     TEXT   NOT NULL,
    given       TEXT   NOT NULL,
    name_zh     TEXT   NOT NULL,
    born        TEXT   NOT NULL,
    personal_id TEXT   NOT NULL, -- hex of the keyed hash
    email       TEXT   NOT NULL,
    phone       TEXT   NOT NULL,
    name_key    TEXT   NOT NULL, -- the same for two with one name
    since       BIGINT NOT NULL,
    changed     BIGINT NOT NULL
);
CREATE INDEX register_persons_head ON register_persons (head) WHERE head <> '';
CREATE INDEX register_persons_personal ON register_persons (personal_id) WHERE personal_id <> '';
CREATE INDEX register_persons_born ON register_persons (born, name_key);

CREATE TABLE register_cards (
    key       TEXT NOT NULL PRIMARY KEY,
    person    TEXT NOT NULL REFERENCES register_persons (id),
    kind      TEXT NOT NULL,
    number    TEXT NOT NULL,
    from_day  TEXT NOT NULL,
    until_day TEXT NOT NULL
);
CREATE INDEX register_cards_person ON register_cards (person);
CREATE INDEX register_cards_number ON register_cards (number);

CREATE TABLE register_degrees (
    key         TEXT NOT NULL PRIMARY KEY,
    person      TEXT NOT NULL REFERENCES register_persons (id),
    award       TEXT NOT NULL,
    programme   TEXT NOT NULL,
    institution TEXT NOT NULL,
    graduated   TEXT NOT NULL
);
CREATE INDEX register_degrees_person ON register_degrees (person);

CREATE TABLE register_netids (
    key    TEXT NOT NULL PRIMARY KEY,
    person TEXT NOT NULL REFERENCES register_persons (id),
    netid  TEXT NOT NULL
);
CREATE INDEX register_netids_person ON register_netids (person);

-- What persons are found by.
CREATE TABLE register_words (
    word   BYTEA NOT NULL,
    person TEXT  NOT NULL REFERENCES register_persons (id),
    PRIMARY KEY (word, person)
);
CREATE INDEX register_words_person ON register_words (person);

CREATE TABLE register_syncs (
    id           TEXT   NOT NULL PRIMARY KEY,
    kind         TEXT   NOT NULL, -- persons, cards, degrees, netids
    name         TEXT   NOT NULL, -- of the file
    whole        BIGINT NOT NULL, -- 1: what it has not is removed
    state        TEXT   NOT NULL, -- reading, preview, running, done, discarded
    by           TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    good         BIGINT NOT NULL,
    bad          BIGINT NOT NULL,
    adds         BIGINT NOT NULL,
    alters       BIGINT NOT NULL,
    same         BIGINT NOT NULL,
    removes      BIGINT NOT NULL,
    total        BIGINT NOT NULL,
    held         BIGINT NOT NULL,
    confirmed    BIGINT NOT NULL,
    confirmed_by TEXT   NOT NULL,
    position     BIGINT NOT NULL, -- rows up to here are done
    added        BIGINT NOT NULL,
    changed      BIGINT NOT NULL,
    taken        BIGINT NOT NULL,
    failed       BIGINT NOT NULL,
    ended        BIGINT NOT NULL
);
CREATE INDEX register_syncs_at ON register_syncs (at);
CREATE INDEX register_syncs_state ON register_syncs (state);

-- Rows with something to do have a position from 1 on. Removals have lines below 0.
CREATE TABLE register_rows (
    sync     TEXT   NOT NULL REFERENCES register_syncs (id),
    line     BIGINT NOT NULL,
    position BIGINT NOT NULL,
    key      TEXT   NOT NULL, -- '' of a bad row
    effect   TEXT   NOT NULL, -- add, change, same, remove; '' of a bad row
    columns  TEXT   NOT NULL, -- that it changes, with spaces between
    record   TEXT   NOT NULL, -- JSON
    faults   TEXT   NOT NULL, -- JSON, '' for none
    PRIMARY KEY (sync, line)
);
CREATE INDEX register_rows_key ON register_rows (sync, key);
CREATE INDEX register_rows_position ON register_rows (sync, position) WHERE position > 0;
CREATE INDEX register_rows_effect ON register_rows (sync, effect, line);

CREATE TABLE register_merges (
    id        TEXT   NOT NULL PRIMARY KEY,
    kept      TEXT   NOT NULL,
    gone      TEXT   NOT NULL,
    reason    TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    by        TEXT   NOT NULL,
    card      BIGINT NOT NULL, -- 1: the eCard of gone became that of kept, which had none
    undone    BIGINT NOT NULL,
    undone_by TEXT   NOT NULL
);
CREATE INDEX register_merges_at ON register_merges (at);
CREATE INDEX register_merges_kept ON register_merges (kept);
CREATE INDEX register_merges_gone ON register_merges (gone);

-- Whose head a merge changed: what undoing it changes back.
CREATE TABLE register_merged (
    merge  TEXT NOT NULL REFERENCES register_merges (id),
    person TEXT NOT NULL,
    PRIMARY KEY (merge, person)
);
