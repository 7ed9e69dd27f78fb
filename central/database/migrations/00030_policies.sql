-- +goose Up
-- Why a version of a document was made; and what a host's guests are counted by:
-- 2 is the kind of a guest's pass.

ALTER TABLE documents ADD COLUMN reason TEXT NOT NULL DEFAULT '';

CREATE INDEX passes_guests ON passes (holder, day, status) WHERE kind = 2;
CREATE INDEX passes_guests_issued ON passes (issued, day, idx) WHERE kind = 2;

-- Which application a pass came from.
CREATE INDEX application_passes_pass ON application_passes (day, idx);
