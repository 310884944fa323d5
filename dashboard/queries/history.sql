-- Published totals of one KPI over time; of each as-of time the newest statement known at K
SELECT measure, unit, value, low, high, n, as_of
FROM kpi_values
WHERE workflow = {workflow:String} AND dimension = '' AND kpi = {kpi:String}
    AND as_of <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
ORDER BY as_of DESC, known_at DESC, published_at DESC
LIMIT 1 BY measure, unit, as_of
LIMIT 2000
