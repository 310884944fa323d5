-- The newest published total of one KPI at V, or, where V is the present, not long before it
SELECT measure, unit, value, low, high, numerator, denominator, n, as_of, known_at
FROM kpi_values
WHERE workflow = {workflow:String} AND dimension = '' AND kpi = {kpi:String} AND version = {version:String}
    AND as_of <= {as_of:DateTime64(6, 'UTC')}
    AND as_of >= {as_of:DateTime64(6, 'UTC')} - toIntervalSecond({slack_s:UInt32})
    AND known_at <= {known_at:DateTime64(6, 'UTC')}
ORDER BY as_of DESC, known_at DESC, published_at DESC
LIMIT 1 BY measure, unit
