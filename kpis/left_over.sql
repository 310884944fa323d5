-- Kept tables of a run that did not end
SELECT name
FROM system.tables
WHERE database = currentDatabase() AND startsWith(name, 'kpi_kept_')
    AND metadata_modification_time < {before:DateTime64(6, 'UTC')}
