-- title: Reconciliation variance
-- description: "Two sides of a tie-out compared. Net beside gross since opposite differences hide each other. By cause a difference counts in its parts: the net ones sum to the whole, the gross ones to as much or more."
-- unit: currency
-- direction: lower_is_better
-- kind: cohort
-- measures:
--   - {name: gross, unit: currency, title: Sum of the differences whatever their sign}
--   - {name: net, unit: currency, title: Sum of the differences}
--   - {name: tolerated, unit: currency, title: Differences accepted by tolerance}
--   - {name: gross_rate, unit: ratio, title: Gross difference of the money due (one currency only)}
--   - {name: unknown, unit: count, title: Tie-outs that cannot be compared}
-- formula: K07, net Σ (b − a), gross Σ |b − a|, gross / Σ |a| over tie-outs due; by cause, each difference in its parts, the net ones summing to net
-- inputs: [verdicts_at]
-- dimensions: [all, cause]
-- every: 15m
WITH
{dimension:String} = 'cause' AS by_cause,
tie_outs AS (
    SELECT
        multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS own_segment,
        if(currency = '', 'XXX', toString(currency)) AS code,
        isNotNull(residual) AND unknown = 0 AS is_known, residual AS difference, state, abs(expected) AS money_due,
        -- What a rule put down to a cause; of a side that is not there, all of it; and what nothing explains.
        if(state IN ('MISSING', 'ORPHAN'), map(lower(state), ifNull(difference, 0)), CAST(variance, 'Map(String, Decimal(38, 6))')) AS explained,
        mapAdd(explained, map('unexplained', ifNull(difference, 0) - arraySum(mapValues(explained)))) AS causes,
        multiIf(
            NOT by_cause, [(own_segment, difference)], NOT is_known, [('not_known', difference)],
            arrayAll(value -> value = 0, mapValues(causes)), [('', difference)],
            arrayFilter(p -> p.2 != 0, CAST(causes, 'Array(Tuple(String, Nullable(Decimal(38, 6))))'))) AS parts
    FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String} AND kind = 'tie_out' AND due = 1 AND due_at > {window_start:DateTime64(6, 'UTC')}
),
-- Of a difference by cause each part that is not nothing, its money with the first: so the money due is counted once.
compared AS (
    SELECT code, is_known, state, part.1 AS segment, part.2 AS residual, if(place = 1, money_due, NULL) AS money
    FROM tie_outs
    ARRAY JOIN parts AS part, arrayEnumerate(parts) AS place
),
counted AS (
    SELECT
        segment, countIf(is_known) AS items, countIf(NOT is_known) AS unknowns,
        arraySort(groupUniqArrayIf(code, is_known)) AS codes,
        sumMapIf(map(code, assumeNotNull(residual)), is_known) AS net,
        sumMapIf(map(code, abs(assumeNotNull(residual))), is_known) AS gross,
        sumMapIf(map(code, abs(assumeNotNull(residual))), is_known AND state = 'MATCHED_TOL') AS tolerated,
        sumMapIf(map(code, assumeNotNull(money)), is_known AND isNotNull(money)) AS own_due_money,
        -- A cause is held against all money that was due.
        if(by_cause, sumMap(own_due_money) OVER (), own_due_money) AS due_money,
        if(by_cause, length(arrayDistinct(arrayFlatten(groupArray(codes) OVER ()))), length(codes)) AS currencies
    FROM compared
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
    arrayMap(c -> ('gross', c, gross[c], toDecimal128(0, 6), CAST(due_money[c], 'Nullable(Decimal(38, 6))'), items), codes),
    arrayMap(c -> ('net', c, net[c], toDecimal128(0, 6), CAST(due_money[c], 'Nullable(Decimal(38, 6))'), items), codes),
    arrayMap(c -> ('tolerated', c, tolerated[c], toDecimal128(0, 6), CAST(gross[c], 'Nullable(Decimal(38, 6))'), items), codes),
    -- Money of several currencies has no common share.
    arrayMap(c -> ('gross_rate', 'ratio', gross[c], toDecimal128(0, 6), CAST(due_money[c], 'Nullable(Decimal(38, 6))'), items),
        if(currencies = 1, codes, [])),
    [('unknown', 'count', toDecimal128(unknowns, 6), toDecimal128(0, 6), NULL, items)]) AS figure
-- What agrees has no cause.
WHERE segment != '' OR NOT by_cause
