-- Published figures that are no longer those that the audit log has a digest of
WITH
chained AS (
    SELECT seq, subject AS run_id, JSONExtractString(content, 'digest') AS digest FROM audit_log WHERE kind = 'publication'
),
stored AS (
    SELECT
        run_id,
        lower(hex(SHA256(arrayStringConcat(arraySort(groupArray(toString((
            kpi, version, workflow, dimension, segment, measure, unit, value, low, high, numerator, denominator, n,
            window_start, as_of, known_at, published_at)))), '\n')))) AS digest
    FROM kpi_values
    GROUP BY run_id
)
SELECT c.seq AS place, c.run_id AS run_id, if(s.digest = '', 'removed', 'altered') AS what
FROM chained AS c
LEFT JOIN stored AS s ON s.run_id = c.run_id
WHERE s.digest != c.digest
