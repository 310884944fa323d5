-- Events of a source with one known time.
SELECT count()
FROM events
WHERE source = {source:String} AND known_at = {known_at:DateTime64(6, 'UTC')}
