-- Requests that came in from one moment to another, those nearest to now first: how many rows each has, and how many of
-- them are there.
SELECT request_id, max(request_items) AS items, count() AS stored
FROM {table:Identifier}
WHERE known_at >= {since:DateTime64(6, 'UTC')} AND known_at < {until:DateTime64(6, 'UTC')} AND request_id != ''
GROUP BY request_id
ORDER BY abs(dateDiff('microsecond', max(known_at), {now:DateTime64(6, 'UTC')}))
LIMIT {most:UInt32}
