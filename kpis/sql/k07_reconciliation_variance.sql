-- title: Reconciliation variance
-- description: "Two sides of a tie-out compared. Net beside gross since opposite differences hide each other."
-- unit: currency
-- direction: lower_is_better
-- kind: cohort
-- measures:
--   - {name: gross, unit: currency, title: Sum of the differences whatever their sign}
--   - {name: net, unit: currency, title: Sum of the differences}
--   - {name: tolerated, unit: currency, title: Differences accepted by tolerance}
--   - {name: gross_rate, unit: ratio, title: Gross difference of the money due (one currency only)}
--   - {name: unknown, unit: count, title: Tie-outs that cannot be compared}
-- formula: K07, net Σ (b − a), gross Σ |b − a|, gross / Σ |a| over tie-outs due
-- inputs: [verdicts_at]
-- every: 15m
WITH
compared AS (
    SELECT
        multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        if(currency = '', 'XXX', toString(currency)) AS code,
        isNotNull(residual) AND unknown = 0 AS is_known, residual, state, abs(expected) AS money
    FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String} AND kind = 'tie_out' AND due = 1 AND due_at > {window_start:DateTime64(6, 'UTC')}
),
counted AS (
    SELECT
        segment, countIf(is_known) AS items, countIf(NOT is_known) AS unknowns,
        arraySort(groupUniqArrayIf(code, is_known)) AS codes,
        sumMapIf(map(code, assumeNotNull(residual)), is_known) AS net,
        sumMapIf(map(code, abs(assumeNotNull(residual))), is_known) AS gross,
        sumMapIf(map(code, abs(assumeNotNull(residual))), is_known AND state = 'MATCHED_TOL') AS tolerated,
        sumMapIf(map(code, assumeNotNull(money)), is_known AND isNotNull(money)) AS due_money
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
        if(length(codes) = 1, codes, [])),
    [('unknown', 'count', toDecimal128(unknowns, 6), toDecimal128(0, 6), NULL, items)]) AS figure
