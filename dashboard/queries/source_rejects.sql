-- Rows set aside, by source and reason
SELECT source, reason, any(detail) AS example, count() AS reject_count, uniqExact(file_sha256) AS files, max(known_at) AS last_at
FROM import_rejects
GROUP BY source, reason
ORDER BY reject_count DESC, source, reason
LIMIT 100
