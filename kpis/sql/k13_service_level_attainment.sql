-- title: Service level attainment
-- description: "Of the exceptions that ended in the period or are past due, how many were over in time. Those without a service level are counted apart; time waived is not counted."
-- unit: ratio
-- direction: higher_is_better
-- kind: cohort
-- measures:
--   - {name: resolved_in_time, unit: ratio, title: Over in time}
--   - {name: taken_on_in_time, unit: ratio, title: Taken on in time}
--   - {name: open_late, unit: count, title: Open past their time}
--   - {name: not_taken_on_late, unit: count, title: Taken on by nobody past their time}
--   - {name: without_level, unit: count, title: Open without a service level}
-- formula: K13, over by due / (over in the period + open past due); no-due excluded and counted
-- inputs: [service_levels_at]
-- every: 15m
WITH
tallies AS (
    SELECT
        multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        is_open = 0 AND ifNull(resolved_at > {window_start:DateTime64(6, 'UTC')}, false) AS ended_in_period,
        detected_at > {window_start:DateTime64(6, 'UTC')} AS began_in_period,
        countIf(ended_in_period AND resolve_clock = 'met') AS in_time,
        countIf(is_open = 1 AND resolve_clock = 'breached') AS late_open,
        countIf(ended_in_period AND resolve_clock = 'breached') AS late_ended,
        countIf(began_in_period AND acknowledge_clock = 'met') AS taken_in_time,
        countIf(is_open = 1 AND isNull(taken_on_at) AND acknowledge_clock = 'breached') AS nobody,
        countIf(began_in_period AND acknowledge_clock = 'breached') AS taken_late,
        countIf(is_open = 1 AND resolve_clock = 'none' AND acknowledge_clock = 'none') AS unlevelled
    FROM service_levels_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String}
    GROUP BY segment, ended_in_period, began_in_period
),
counted AS (
    SELECT
        segment, sum(in_time) AS met, sum(late_open) AS open_ones, met + open_ones + sum(late_ended) AS resolvable,
        sum(taken_in_time) AS taken, taken + sum(taken_late) AS takeable, sum(nobody) AS nobodys, sum(unlevelled) AS without
    FROM tallies
    GROUP BY segment
)
SELECT
    segment, figure.1 AS measure, figure.2 AS unit,
    toFloat64(figure.3) / toFloat64(if(figure.2 = 'ratio', nullIf(figure.4, 0), 1)) AS value,
    CAST(NULL, 'Nullable(Float64)') AS low, CAST(NULL, 'Nullable(Float64)') AS high,
    toDecimal128(figure.3, 6) AS numerator,
    if(figure.2 = 'ratio', toDecimal128(figure.4, 6), CAST(NULL, 'Nullable(Decimal(38, 6))')) AS denominator,
    figure.4 AS n
FROM counted
ARRAY JOIN [
    ('resolved_in_time', 'ratio', met, resolvable),
    ('taken_on_in_time', 'ratio', taken, takeable),
    ('open_late', 'count', open_ones, open_ones),
    ('not_taken_on_late', 'count', nobodys, nobodys),
    ('without_level', 'count', without, without)] AS figure
