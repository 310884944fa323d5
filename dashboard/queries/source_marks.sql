-- Every source that ever reported: how far it is complete and when it was heard
SELECT source, max(complete_through) AS through, max(heartbeat_at) AS heard_at
FROM watermarks
GROUP BY source
ORDER BY source
