-- The newest computation of each KPI not later than `now`, and not older than `since`: one row a figure.
-- A computation writes all its rows with one pair of as-of and known time, so a segment that is not among them is
-- no longer there.
WITH
newest AS (
    SELECT kpi, workflow, max(as_of) AS moment
    FROM kpi_values
    WHERE kpi IN {kpis:Array(String)}
        AND workflow IN {workflows:Array(String)}
        AND as_of >= {since:DateTime64(6, 'UTC')}
        AND as_of <= {now:DateTime64(6, 'UTC')}
    GROUP BY kpi, workflow
),
-- Of several computations for that time the one that knew most. Two plain maxima: one over pairs is six times slower.
computations AS (
    SELECT kpi, workflow, as_of AS moment, max(known_at) AS known
    FROM kpi_values
    WHERE kpi IN {kpis:Array(String)}
        AND workflow IN {workflows:Array(String)}
        AND as_of >= {since:DateTime64(6, 'UTC')}
        AND (kpi, workflow, as_of) IN (SELECT kpi, workflow, moment FROM newest)
    GROUP BY kpi, workflow, as_of
)
SELECT kpi, workflow, dimension, segment, measure, unit, value, low, high, as_of
FROM kpi_values
WHERE kpi IN {kpis:Array(String)}
    AND workflow IN {workflows:Array(String)}
    AND as_of >= {since:DateTime64(6, 'UTC')}
    AND (kpi, workflow, as_of, known_at) IN (SELECT kpi, workflow, moment, known FROM computations)
ORDER BY published_at DESC
LIMIT 1 BY kpi, workflow, dimension, segment, measure, unit
