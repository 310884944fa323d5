-- title: Throughput
-- description: "How much work comes in and goes out of each step."
-- unit: count
-- direction: neutral
-- kind: flow
-- measures:
--   - {name: completions, unit: count, title: Steps that arrived in the period}
--   - {name: arrivals, unit: count, title: Steps that became expected in the period}
--   - {name: withdrawn, unit: count, title: Voided or written off in the period}
--   - {name: backlog_slope, unit: count, title: Arrivals less completions}
--   - {name: backlog, unit: count, title: Open now}
--   - {name: per_hour, unit: per_hour, title: Completions an hour}
--   - {name: amount, unit: currency, title: Money completed}
-- formula: K20, items completing a step in the period; arrivals − completions
-- inputs: [verdicts_at]
-- dimensions: [all, opened_step]
-- every: 15m
-- window: 1d
WITH
moved AS (
    SELECT
        multiIf(
            {dimension:String} = '', 'total', {dimension:String} = 'opened_step', toString(opened_step),
            dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        opened_at > {window_start:DateTime64(6, 'UTC')} AS is_new,
        ifNull(closed_at > {window_start:DateTime64(6, 'UTC')}, false) AND closed_as = 'arrived' AS is_done,
        ifNull(closed_at > {window_start:DateTime64(6, 'UTC')}, false) AND closed_as != 'arrived' AS is_withdrawn,
        isNull(closed_at) AS is_open,
        if(currency = '', 'XXX', toString(currency)) AS code, abs(amount) AS money
    FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String} AND kind = 'sequence'
),
counted AS (
    SELECT
        segment,
        countIf(is_new) AS arrivals, countIf(is_done) AS completions, countIf(is_withdrawn) AS withdrawn, countIf(is_open) AS backlog,
        arraySort(groupUniqArrayIf(code, is_done AND isNotNull(money))) AS codes,
        sumMapIf(map(code, assumeNotNull(money)), is_done AND isNotNull(money)) AS done_money
    FROM moved
    GROUP BY segment
),
dateDiff('microsecond', {window_start:DateTime64(6, 'UTC')}, {as_of:DateTime64(6, 'UTC')}) / 3600000000 AS hours,
toFloat64(if(figure.2 = 'per_hour', nullIf(hours, 0), 1)) AS per
SELECT
    segment, figure.1 AS measure, figure.2 AS unit, toFloat64(figure.3) / per AS value,
    CAST(NULL, 'Nullable(Float64)') AS low, CAST(NULL, 'Nullable(Float64)') AS high,
    figure.3 AS numerator, if(figure.2 = 'per_hour', toDecimal128(hours, 6), NULL) AS denominator, figure.4 AS n
FROM counted
ARRAY JOIN arrayConcat(
    [
        ('completions', 'count', toDecimal128(completions, 6), completions),
        ('arrivals', 'count', toDecimal128(arrivals, 6), arrivals),
        ('withdrawn', 'count', toDecimal128(withdrawn, 6), withdrawn),
        ('backlog_slope', 'count', toDecimal128(toInt64(arrivals) - toInt64(completions), 6), arrivals + completions),
        ('backlog', 'count', toDecimal128(backlog, 6), backlog),
        ('per_hour', 'per_hour', toDecimal128(completions, 6), completions)],
    arrayMap(c -> ('amount', c, done_money[c], completions), codes)) AS figure
