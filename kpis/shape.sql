-- What every KPI goes through: exact types, no infinities, one order; a second run gives the same bytes.
SELECT
    toString(segment) AS segment, toString(measure) AS measure, toString(unit) AS unit,
    CAST(if(isFinite(value), value, NULL), 'Nullable(Float64)') AS value,
    CAST(if(isFinite(low), low, NULL), 'Nullable(Float64)') AS low,
    CAST(if(isFinite(high), high, NULL), 'Nullable(Float64)') AS high,
    CAST(numerator, 'Nullable(Decimal(38, 6))') AS numerator,
    CAST(denominator, 'Nullable(Decimal(38, 6))') AS denominator,
    CAST(n, 'UInt64') AS n
FROM (
{query}
)
ORDER BY segment, measure, unit
