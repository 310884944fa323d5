-- Tables with rows, the migration ledger apart
SELECT name
FROM system.tables
WHERE database = currentDatabase() AND total_rows > 0 AND engine LIKE '%MergeTree' AND name != 'schema_migrations'
ORDER BY name
