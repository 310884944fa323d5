-- How far each source is complete, as known at K
SELECT source, max(complete_through) AS through, max(heartbeat_at) AS heard_at
FROM watermarks
WHERE source IN {sources:Array(String)} AND known_at <= {known_at:DateTime64(6, 'UTC')}
GROUP BY source
ORDER BY source
