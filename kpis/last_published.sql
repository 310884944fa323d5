-- When each version of each KPI was last published
SELECT kpi, version, max(published_at) AS last_at
FROM kpi_values
GROUP BY kpi, version
