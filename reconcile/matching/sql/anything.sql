-- Whether the store holds facts or decisions
SELECT (SELECT count() FROM snapshots) + (SELECT count() FROM events) + (SELECT count() FROM matches) AS filled
