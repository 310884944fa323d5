-- Events by source
SELECT source, count() AS event_count, max(occurred_at) AS last_event_at, max(known_at) AS last_learned_at
FROM events
GROUP BY source
ORDER BY source
