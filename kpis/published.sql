-- What is published for an as-of pair
SELECT DISTINCT kpi, version, workflow, dimension
FROM kpi_values
WHERE as_of = {as_of:DateTime64(6, 'UTC')} AND known_at = {known_at:DateTime64(6, 'UTC')}
