-- Last import of every source, and all rows it ever set aside
SELECT
    i.source AS source, argMax(i.file, i.started_at) AS last_file, max(i.started_at) AS last_started_at,
    argMax(i.status, i.started_at) AS last_status, argMax(i.rows_read, i.started_at) AS last_rows,
    argMax(i.rows_new, i.started_at) AS last_new, argMax(i.rows_known, i.started_at) AS last_known,
    argMax(i.rows_rejected, i.started_at) AS last_rejected, count() AS runs
FROM imports AS i
GROUP BY source
ORDER BY source
