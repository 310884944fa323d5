-- title: Match rate
-- description: "Of what fell due in the period, how much came and agrees. Partly matched is not matched; its allocated money counts."
-- unit: ratio
-- direction: higher_is_better
-- kind: cohort
-- measures:
--   - {name: eventual, unit: ratio, title: Matched by now}
--   - {name: first_pass, unit: ratio, title: Matched in time at the first try}
--   - {name: value_rate, unit: ratio, title: Share of the money (one currency only)}
--   - {name: allocated, unit: currency, title: Money matched of the money due}
--   - {name: without_amount, unit: count, title: Due without a known amount}
--   - {name: immature, unit: ratio, title: Not due yet}
-- formula: K06, matched / due; first pass = matched with no failed try and no exception ever; value = Σ allocated / Σ due
-- inputs: [verdicts_at]
-- every: 15m
WITH
judged AS (
    SELECT
        multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        due = 1 AS is_due, matched = 1 AS is_matched, unknown = 1 AS is_unknown,
        state IN ('NOT_DUE', 'IN_FLIGHT') AS is_immature,
        failures = 0 AND if(kind = 'tie_out', faults = 0, isNull(detected_at)) AS is_clean,
        if(currency = '', 'XXX', toString(currency)) AS code,
        abs(if(kind = 'tie_out', expected, amount)) AS money,
        due = 1 AND isNotNull(money) AS is_priced,
        -- No more can be allocated than is due; the surplus is a variance (K07).
        multiIf(
            is_unknown, NULL,
            kind = 'tie_out', if(sign(actual) = sign(expected), least(abs(actual), abs(expected)), NULL),
            is_matched, money,
            NULL) AS allocation
    FROM (
        -- Of a match one row is due, and each fault that it ever had is a row of its own.
        SELECT *, countIf(isNotNull(detected_at)) OVER (PARTITION BY item_type, item_key, expectation) AS faults
        FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
        WHERE workflow = {workflow:String}
    )
    WHERE due_at > {window_start:DateTime64(6, 'UTC')}
),
counted AS (
    SELECT
        segment,
        countIf(is_due) AS items, countIf(is_due AND is_unknown) AS unknowns, countIf(is_immature) AS immature,
        countIf(is_due AND is_matched) AS matches, countIf(is_due AND is_matched AND is_clean) AS clean_matches,
        countIf(is_due AND isNull(money)) AS without_money,
        arraySort(groupUniqArrayIf(code, is_priced)) AS codes,
        sumMapIf(map(code, assumeNotNull(money)), is_priced) AS due_money,
        sumMapIf(map(code, assumeNotNull(money)), is_priced AND is_unknown) AS unknown_money,
        sumMapIf(map(code, assumeNotNull(allocation)), is_priced AND isNotNull(allocation)) AS allocated
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
        ('eventual', 'ratio', toDecimal128(matches, 6), toDecimal128(unknowns, 6), CAST(toDecimal128(items, 6), 'Nullable(Decimal(38, 6))'), items),
        ('first_pass', 'ratio', toDecimal128(clean_matches, 6), toDecimal128(unknowns, 6), CAST(toDecimal128(items, 6), 'Nullable(Decimal(38, 6))'), items),
        ('without_amount', 'count', toDecimal128(without_money, 6), toDecimal128(0, 6), NULL, items),
        ('immature', 'ratio', toDecimal128(immature, 6), toDecimal128(0, 6), CAST(toDecimal128(items + immature, 6), 'Nullable(Decimal(38, 6))'), items + immature)],
    arrayMap(c -> ('allocated', c, allocated[c], unknown_money[c], CAST(due_money[c], 'Nullable(Decimal(38, 6))'), items), codes),
    -- Money of several currencies has no common share.
    arrayMap(c -> ('value_rate', 'ratio', allocated[c], unknown_money[c], CAST(due_money[c], 'Nullable(Decimal(38, 6))'), items),
        if(length(codes) = 1, codes, []))) AS figure
