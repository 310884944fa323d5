-- title: Trust in the figures
-- description: "Shown beside every other figure: how much of what is due can be decided at all."
-- unit: ratio
-- direction: higher_is_better
-- kind: cohort
-- measures:
--   - {name: coverage, unit: ratio, title: Due items that can be decided}
--   - {name: unknown, unit: count, title: Due items whose source is silent}
--   - {name: watermark_lag, unit: seconds, title: How far the slowest source is behind}
--   - {name: tolerance_consumed, unit: currency, title: Differences accepted by tolerance}
--   - {name: traced, unit: ratio, title: Items in a system's state of which a trace tells}
-- formula: K73, coverage = due items decided / due; watermark lag = V − oldest watermark in use; Σ accepted variance; traced = items with a trace / items in state
-- inputs: [verdicts_at]
-- every: 15m
WITH
judged AS (
    SELECT
        multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        due = 1 AS is_due, due = 1 AND unknown = 1 AS is_unknown, kind != 'traced' AS is_expected, unknown = 1 AS is_unclear, matched = 1 AS is_matched, watermark,
        kind = 'traced' AND state IN ('MATCHED', 'ORPHAN', 'UNKNOWN') AS is_state, state = 'MATCHED_TOL' AS is_tolerated, residual, if(currency = '', 'XXX', toString(currency)) AS code
    FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String} AND due_at > {window_start:DateTime64(6, 'UTC')} AND kind IN ('sequence', 'reference', 'tie_out', 'landed', 'traced')
),
counted AS (
    SELECT
        segment, countIf(is_due) AS items, countIf(is_unknown) AS unknowns,
        countIf(is_expected AND isNull(watermark)) AS unproven, minIf(watermark, is_expected) AS slowest,
        countIf(is_state) AS states, countIf(is_state AND is_matched) AS with_trace, countIf(is_state AND is_unclear) AS trace_unclear,
        arraySort(groupUniqArrayIf(code, is_tolerated)) AS codes,
        sumMapIf(map(code, abs(assumeNotNull(residual))), is_tolerated AND isNotNull(residual)) AS tolerated
    FROM judged
    GROUP BY segment
),
-- What a figure is divided by; nothing due gives none.
toFloat64(multiIf(figure.2 IN ('ratio', 'number'), nullIf(figure.5, 0), figure.2 = 'per_1000', nullIf(figure.5, 0) / 1000, 1)) AS per
SELECT
    segment, figure.1 AS measure, figure.2 AS unit,
    if(figure.4 = 0, toFloat64(figure.3) / per, NULL) AS value,
    -- Unknown items make an interval: all of them fail, all of them pass.
    if(figure.4 = 0, NULL, toFloat64(figure.3) / per) AS low,
    if(figure.4 = 0, NULL, toFloat64(figure.3 + figure.4) / per) AS high,
    figure.3 AS numerator, figure.5 AS denominator, figure.6 AS n
FROM counted
ARRAY JOIN arrayConcat(
    [
        ('coverage', 'ratio', toDecimal128(items - unknowns, 6), toDecimal128(0, 6), CAST(toDecimal128(items, 6), 'Nullable(Decimal(38, 6))'), items),
        ('unknown', 'count', toDecimal128(unknowns, 6), toDecimal128(0, 6), NULL, items)],
    if(states = 0, [], [('traced', 'ratio', toDecimal128(with_trace, 6), toDecimal128(trace_unclear, 6),
        CAST(toDecimal128(states, 6), 'Nullable(Decimal(38, 6))'), states)]),
    -- A source that never proved anything has no lag that could be told.
    if(unproven > 0 OR isNull(slowest), [], [('watermark_lag', 'seconds',
        CAST(dateDiff('microsecond', assumeNotNull(slowest), {as_of:DateTime64(6, 'UTC')}) / 1000000, 'Decimal(38, 6)'), toDecimal128(0, 6), NULL, items)]),
    arrayMap(c -> ('tolerance_consumed', c, tolerated[c], toDecimal128(0, 6), NULL, items), codes)) AS figure
