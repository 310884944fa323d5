-- The newest published figures: of each KPI, workflow and dimension the whole last publication, so that a segment
-- that is gone is gone here too.
CREATE OR REPLACE VIEW v_kpi_latest AS
SELECT
    v.kpi AS kpi, v.version AS version, v.workflow AS workflow, v.dimension AS dimension, v.segment AS segment,
    v.measure AS measure, v.unit AS unit, v.value AS value, v.low AS low, v.high AS high,
    v.numerator AS numerator, v.denominator AS denominator, v.n AS n,
    v.window_start AS window_start, v.as_of AS as_of, v.known_at AS known_at, v.published_at AS published_at
FROM kpi_values AS v
INNER JOIN (
    SELECT kpi, workflow, dimension, max((as_of, known_at, published_at)) AS newest
    FROM kpi_values
    GROUP BY kpi, workflow, dimension
) AS n ON n.kpi = v.kpi AND n.workflow = v.workflow AND n.dimension = v.dimension
WHERE (v.as_of, v.known_at, v.published_at) = n.newest;
