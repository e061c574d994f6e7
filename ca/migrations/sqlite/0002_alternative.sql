-- The suite of an authority's alternative key (catalyst); NULL for those that have none. Its components' keys come
-- after those of `suite` in `authority_key`.
ALTER TABLE authority ADD COLUMN alternative TEXT;

-- The algorithm of the alternative key in a certificate; NULL where it has none.
ALTER TABLE certificate ADD COLUMN alternative_algorithm TEXT;
