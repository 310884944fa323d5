-- How many rows some requests have
SELECT count() AS stored
FROM {table:Identifier}
WHERE known_at >= {since:DateTime64(6, 'UTC')} AND request_id IN {ids:Array(String)}
