-- What a test may fill
SELECT table, groupArray(name) AS columns
FROM system.columns
WHERE database = currentDatabase() AND table IN (
    SELECT name FROM system.tables
    WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name != 'schema_migrations')
GROUP BY table
ORDER BY table
