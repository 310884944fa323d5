-- title: Duplicates
-- description: "Steps that may come once and came again, and messages delivered again. Prevented below zero means that something was entered twice without being sent twice."
-- unit: ratio
-- direction: lower_is_better
-- kind: flow
-- measures:
--   - {name: posted_rate, unit: ratio, title: Posted more than once}
--   - {name: posted, unit: count, title: Surplus postings}
--   - {name: amount, unit: currency, title: Money in surplus postings}
--   - {name: without_amount, unit: count, title: Surplus postings without a known amount}
--   - {name: delivered_rate, unit: ratio, title: Delivered more than once}
--   - {name: delivered, unit: count, title: Surplus deliveries}
--   - {name: prevented, unit: count, title: Delivered again but not posted again}
-- formula: K10, surplus = Σ (cluster size − 1) / records; delivered = same step, objects and time seen again; prevented = delivered − posted
-- inputs: [records_at, events]
-- every: 15m
WITH
tallies AS (
    SELECT
        multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        count() AS records, countIf(state = 'DUP_CONFIRMED') AS surplus,
        countIf(state = 'DUP_CONFIRMED' AND isNull(amount)) AS unpriced,
        toUInt64(0) AS deliveries, toUInt64(0) AS again,
        groupUniqArrayIf(if(currency = '', 'XXX', toString(currency)), state = 'DUP_CONFIRMED' AND isNotNull(amount)) AS some_codes,
        sumMapIf(map(if(currency = '', 'XXX', toString(currency)), abs(assumeNotNull(amount))), state = 'DUP_CONFIRMED' AND isNotNull(amount)) AS money
    FROM records_at(kind = 'once', as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String} AND occurred_at > {window_start:DateTime64(6, 'UTC')}
    GROUP BY segment
    UNION ALL
    SELECT segment, 0, 0, 0, sum(copies), toUInt64(sum(copies) - count()), [], CAST(map(), 'Map(String, Decimal(38, 6))')
    FROM (
        SELECT
            uniqExact(event_id) AS copies,
            min(multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}])) AS segment
        FROM events
        WHERE workflow = {workflow:String} AND occurred_at > {window_start:DateTime64(6, 'UTC')}
            AND occurred_at <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
        GROUP BY step, occurred_at, arraySort(arrayZip(objects.type, objects.key))
    )
    GROUP BY segment
),
counted AS (
    SELECT
        segment,
        sum(records) AS postings, sum(surplus) AS posted, sum(unpriced) AS without_money,
        sum(deliveries) AS received, sum(again) AS delivered,
        toInt64(delivered) - toInt64(posted) AS prevented,
        arraySort(groupUniqArrayArray(some_codes)) AS codes, sumMap(money) AS surplus_money
    FROM tallies
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
        ('posted_rate', 'ratio', toDecimal128(posted, 6), toDecimal128(0, 6), CAST(toDecimal128(postings, 6), 'Nullable(Decimal(38, 6))'), postings),
        ('posted', 'count', toDecimal128(posted, 6), toDecimal128(0, 6), NULL, postings),
        ('without_amount', 'count', toDecimal128(without_money, 6), toDecimal128(0, 6), NULL, posted),
        ('delivered_rate', 'ratio', toDecimal128(delivered, 6), toDecimal128(0, 6), CAST(toDecimal128(received, 6), 'Nullable(Decimal(38, 6))'), received),
        ('delivered', 'count', toDecimal128(delivered, 6), toDecimal128(0, 6), NULL, received),
        ('prevented', 'count', toDecimal128(prevented, 6), toDecimal128(0, 6), NULL, received)],
    arrayMap(c -> ('amount', c, surplus_money[c], toDecimal128(0, 6), NULL, posted), codes)) AS figure
