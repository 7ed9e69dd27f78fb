-- +goose Up
-- Who looked at an alarm. It is open while it was raised more often than whoever
-- acknowledged it had seen: raising it again opens it again by itself.

ALTER TABLE alarms ADD COLUMN acknowledged BIGINT NOT NULL DEFAULT 0;
ALTER TABLE alarms ADD COLUMN acknowledged_by TEXT NOT NULL DEFAULT '';
ALTER TABLE alarms ADD COLUMN acknowledged_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE alarms ADD COLUMN note TEXT NOT NULL DEFAULT '';

CREATE INDEX alarms_latest ON alarms (latest, number);
CREATE INDEX alarms_open ON alarms (latest, number) WHERE count > acknowledged_count;

-- What the feed told of one pass.
CREATE INDEX feed_log_event ON feed_log (event);
