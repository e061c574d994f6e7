-- Which forms an entry's X.509-SVIDs may have, and which algorithms their keys: JSON lists of names, empty for all.
ALTER TABLE entry ADD COLUMN allowed_forms TEXT NOT NULL DEFAULT '[]';
ALTER TABLE entry ADD COLUMN leaf_key_algorithms TEXT NOT NULL DEFAULT '[]';

-- The window in which an entry has effect; NULL where it is not bounded on that side.
ALTER TABLE entry ADD COLUMN not_before INTEGER;
ALTER TABLE entry ADD COLUMN not_after INTEGER;

-- Whose declarations keep the entry; empty where nobody's do.
ALTER TABLE entry ADD COLUMN owner TEXT NOT NULL DEFAULT '';
