-- title: Retry rate
-- description: "Retry copies belong to one item: three sends and one success are one retried item. A try that several expectations look at counts once."
-- unit: ratio
-- direction: lower_is_better
-- kind: cohort
-- measures:
--   - {name: rate, unit: ratio, title: Items that needed two tries or more}
--   - {name: attempts_per_success, unit: number, title: Tries for one success}
--   - {name: retried, unit: count, title: Items that needed two tries or more}
--   - {name: immature, unit: ratio, title: Not due yet}
-- formula: K26, items needing at least 2 attempts / items tried; attempts / successes
-- inputs: [verdicts_at]
-- every: 15m
WITH
judged AS (
    SELECT
        multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        item_type, item_key, attempts, failed_at, if(closed_as = 'arrived', [closed_by], []) AS arrivals,
        state IN ('NOT_DUE', 'IN_FLIGHT') AS is_immature, due = 1 AS is_due
    FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String} AND kind = 'sequence' AND due_at > {window_start:DateTime64(6, 'UTC')}
),
items AS (
    SELECT
        segment, item_type, item_key,
        maxIf(attempts, is_due) AS most, countIf(is_immature) AS young, countIf(is_due) AS dues,
        length(groupUniqArrayArrayIf(failed_at, is_due)) AS failed_tries,
        length(groupUniqArrayArrayIf(arrivals, is_due)) AS successes
    FROM judged
    GROUP BY segment, item_type, item_key
),
counted AS (
    SELECT
        segment,
        countIf(most > 0) AS items, countIf(most > 1) AS retried, sum(failed_tries + successes) AS tries,
        sum(successes) AS good, sum(young) AS immature, sum(dues) AS expectations
    FROM items
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
ARRAY JOIN [
        ('rate', 'ratio', toDecimal128(retried, 6), toDecimal128(0, 6), CAST(toDecimal128(items, 6), 'Nullable(Decimal(38, 6))'), items),
        ('attempts_per_success', 'number', toDecimal128(tries, 6), toDecimal128(0, 6), CAST(toDecimal128(good, 6), 'Nullable(Decimal(38, 6))'), good),
        ('retried', 'count', toDecimal128(retried, 6), toDecimal128(0, 6), NULL, items),
        ('immature', 'ratio', toDecimal128(immature, 6), toDecimal128(0, 6), CAST(toDecimal128(expectations + immature, 6), 'Nullable(Decimal(38, 6))'), expectations + immature)] AS figure
