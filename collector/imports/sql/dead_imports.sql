-- Imports with staged rows, and whether they have been silent for so long that they must have died.
SELECT
    partition_id,
    any(partition) AS import_id,
    max(modification_time) < now() - INTERVAL 6 HOUR AS silent
FROM system.parts
WHERE database = currentDatabase() AND table = 'import_rows' AND active
GROUP BY partition_id
ORDER BY import_id
