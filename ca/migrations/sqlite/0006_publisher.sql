-- Which server below this one put an authority into the bundle; NULL for what an administrator did. Of those that are there
-- already it is not known.
ALTER TABLE appended_authority ADD COLUMN publisher TEXT;
CREATE INDEX appended_authority_publisher ON appended_authority (publisher) WHERE publisher IS NOT NULL;
