-- When an authority began to sign; NULL for one that never did. Of those that are there already it is not known when, only
-- that it was after they were made: for the old ones, of which a few may never have signed, that has to do.
ALTER TABLE authority ADD COLUMN activated_at INTEGER;
UPDATE authority SET activated_at = changed_at WHERE state = 'active';
UPDATE authority SET activated_at = created_at WHERE state IN ('old', 'tainted', 'revoked');
