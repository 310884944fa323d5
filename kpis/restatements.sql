-- Figures whose newest value for an as-of time differs from the one first published
WITH
versions AS (
    SELECT
        kpi, dimension, segment, measure, unit, as_of,
        argMin((known_at, published_at, version, value, low, high), (known_at, published_at)) AS first,
        argMax((known_at, published_at, version, value, low, high), (known_at, published_at)) AS latest
    FROM kpi_values
    WHERE workflow = {workflow:String}
    GROUP BY kpi, dimension, segment, measure, unit, as_of
)
SELECT
    kpi, dimension, segment, measure, unit, as_of,
    first.1 AS first_known_at, first.4 AS first_value, first.5 AS first_low, first.6 AS first_high,
    latest.1 AS latest_known_at, latest.4 AS latest_value, latest.5 AS latest_low, latest.6 AS latest_high,
    latest.4 - first.4 AS difference,
    if(first.3 = latest.3, 'evidence', 'definition') AS cause
FROM versions
WHERE (first.4 IS DISTINCT FROM latest.4) OR (first.5 IS DISTINCT FROM latest.5) OR (first.6 IS DISTINCT FROM latest.6)
ORDER BY kpi, dimension, segment, measure, unit, as_of
