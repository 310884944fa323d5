-- Rows set aside and not understood since, by source and reason
WITH
repaired AS (
    SELECT source, reason, detail, content, max(known_at) AS repaired_at FROM probe_repairs GROUP BY source, reason, detail, content
)
SELECT r.source AS source, r.reason AS reason, any(r.detail) AS example, count() AS reject_count, uniqExact(r.file_sha256) AS files, max(r.known_at) AS last_at
FROM import_rejects AS r
LEFT JOIN repaired ON repaired.source = r.source AND repaired.reason = r.reason AND repaired.detail = r.detail
    AND repaired.content = sipHash64(toJSONString(r.fields))
WHERE r.known_at > repaired.repaired_at
GROUP BY source, reason
ORDER BY reject_count DESC, source, reason
LIMIT 100
