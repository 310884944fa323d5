-- Published totals of a workflow for one (V, K).
SELECT kpi, measure, segment, unit, value, low, high, numerator, denominator, n
FROM kpi_values
WHERE workflow = {workflow:String} AND dimension = ''
    AND as_of = {as_of:DateTime64(6, 'UTC')} AND known_at = {known_at:DateTime64(6, 'UTC')}
ORDER BY kpi, measure, unit, segment
