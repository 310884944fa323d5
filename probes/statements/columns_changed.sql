-- Columns of a source that changed lately, the newest first
SELECT name, change, before, after, needed, known_at
FROM probe_columns
WHERE probe = {source:String} AND change != 'first' AND known_at > {since:DateTime64(6, 'UTC')}
ORDER BY known_at DESC, name
LIMIT 20
