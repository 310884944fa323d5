-- Imports that left rows behind: their process died, or (on a server shared with others) was silent for hours.
SELECT
    partition_id,
    any(partition) AS import_id,
    max(modification_time) < now() - INTERVAL 6 HOUR AS silent
FROM system.parts
WHERE database = currentDatabase() AND table = 'import_rows' AND active
GROUP BY partition_id
ORDER BY import_id
