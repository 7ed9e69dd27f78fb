-- +goose Up
-- The portal: which pass is a card's code of a day, and the links of guests. Times
-- are Unix milliseconds.

CREATE TABLE card_passes (
    holder TEXT   NOT NULL,
    day    BIGINT NOT NULL,
    idx    BIGINT NOT NULL,
    PRIMARY KEY (holder, day) -- one a holder and day, however many browsers ask at once
);
CREATE INDEX card_passes_day ON card_passes (day);

CREATE TABLE guest_links (
    day    BIGINT NOT NULL,
    idx    BIGINT NOT NULL,
    token  BYTEA  NOT NULL UNIQUE, -- hash
    sealed BYTEA  NOT NULL,        -- the token, for its host to share again
    made   BIGINT NOT NULL,
    sent   BIGINT NOT NULL,        -- 0: not that central knows of
    opened BIGINT NOT NULL,        -- by the guest, for the first time; 0: never
    PRIMARY KEY (day, idx)
);
