-- Requests that came in since a moment, newest first: how many rows each has, and how many of them are there.
SELECT request_id, max(request_items) AS items, count() AS stored
FROM {table:Identifier}
WHERE known_at >= {since:DateTime64(6, 'UTC')} AND request_id != ''
GROUP BY request_id
ORDER BY max(known_at) DESC
LIMIT {most:UInt32}
