-- title: Successful transaction rate
-- description: "Business items that ended as meant and in time, over expectations with clock end_to_end. A late arrival is no success."
-- unit: ratio
-- direction: higher_is_better
-- kind: cohort
-- measures:
--   - {name: rate, unit: ratio, title: Reached its end in time}
--   - {name: late, unit: count, title: Reached its end too late}
--   - {name: value_rate, unit: ratio, title: Share of the money (one currency only)}
--   - {name: amount, unit: currency, title: Money that reached its end in time of the money due}
--   - {name: without_amount, unit: count, title: Due without a known amount}
--   - {name: immature, unit: ratio, title: Not due yet}
-- formula: K24, items reaching the intended terminal state by expected-by / items due; retries collapsed
-- inputs: [verdicts_at]
-- every: 15m
WITH
judged AS (
    SELECT
        multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        due = 1 AS is_due, matched = 1 AND closed_at <= due_at AS is_success, matched = 1 AND closed_at > due_at AS is_late,
        unknown = 1 AS is_unknown, state IN ('NOT_DUE', 'IN_FLIGHT') AS is_immature,
        if(currency = '', 'XXX', toString(currency)) AS code, abs(amount) AS money
    FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String} AND clock = 'end_to_end' AND due_at > {window_start:DateTime64(6, 'UTC')}
),
counted AS (
    SELECT
        segment,
        countIf(is_due) AS items, countIf(is_due AND is_success) AS successes, countIf(is_due AND is_late) AS late,
        countIf(is_due AND is_unknown) AS unknowns, countIf(is_immature) AS immature,
        countIf(is_due AND isNull(money)) AS without_money,
        arraySort(groupUniqArrayIf(code, is_due AND isNotNull(money))) AS codes,
        sumMapIf(map(code, assumeNotNull(money)), is_due AND isNotNull(money)) AS due_money,
        sumMapIf(map(code, assumeNotNull(money)), is_due AND is_success AND isNotNull(money)) AS good_money,
        sumMapIf(map(code, assumeNotNull(money)), is_due AND is_unknown AND isNotNull(money)) AS unknown_money
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
        ('rate', 'ratio', toDecimal128(successes, 6), toDecimal128(unknowns, 6), CAST(toDecimal128(items, 6), 'Nullable(Decimal(38, 6))'), items),
        ('late', 'count', toDecimal128(late, 6), toDecimal128(0, 6), NULL, items),
        ('without_amount', 'count', toDecimal128(without_money, 6), toDecimal128(0, 6), NULL, items),
        ('immature', 'ratio', toDecimal128(immature, 6), toDecimal128(0, 6), CAST(toDecimal128(items + immature, 6), 'Nullable(Decimal(38, 6))'), items + immature)],
    arrayMap(c -> ('amount', c, good_money[c], unknown_money[c], CAST(due_money[c], 'Nullable(Decimal(38, 6))'), items), codes),
    -- Money of several currencies has no common share.
    arrayMap(c -> ('value_rate', 'ratio', good_money[c], unknown_money[c], CAST(due_money[c], 'Nullable(Decimal(38, 6))'), items),
        if(length(codes) = 1, codes, []))) AS figure
