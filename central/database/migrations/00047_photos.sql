-- +goose Up
-- Photos live as long as eCards: those that go are looked for without reading the others.

CREATE INDEX photos_at ON photos (at, holder);
