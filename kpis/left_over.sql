-- Kept tables of a run that did not end; their names say when it began
SELECT name
FROM system.tables
WHERE database = currentDatabase() AND startsWith(name, 'kpi_kept_')
    AND toUInt64OrZero(extract(name, '_([0-9]+)_[0-9a-f]+$')) < toUnixTimestamp({before:DateTime64(6, 'UTC')})
