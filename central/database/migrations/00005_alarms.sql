-- +goose Up
-- How many alarms of one code a lane raised on a day is counted with each one.

CREATE INDEX alarms_day ON alarms (code, lane, first);
