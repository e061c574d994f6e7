-- For how long nothing may have been seen that the last stage refuses, in seconds, by which a change was checked; NULL where
-- that was of no matter.
ALTER TABLE migration_change ADD COLUMN quiet INTEGER;

-- The agent that asked for a workload's certificate; NULL where none did, and for those on record before this step.
ALTER TABLE certificate ADD COLUMN agent_id TEXT;

-- Who is ready for a stage is found from the certificates that are good now, without the table. It serves all that looked for
-- the end alone.
CREATE INDEX certificate_living ON certificate (not_after, profile, entry_id, agent_id, form);
DROP INDEX certificate_not_after;
