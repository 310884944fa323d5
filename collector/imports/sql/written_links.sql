-- Links of a source with one known time.
SELECT count()
FROM object_links
WHERE source = {source:String} AND known_at = {known_at:DateTime64(6, 'UTC')}
