-- title: Exception ageing
-- description: "How old the open exceptions are, counted and in money."
-- unit: days
-- direction: lower_is_better
-- kind: stock
-- measures:
--   - {name: p50, unit: days, title: Median age of the open ones}
--   - {name: p90, unit: days, title: 90th percentile of the age}
--   - {name: oldest, unit: days, title: Age of the oldest}
--   - {name: weighted_mean, unit: days, title: Mean age weighted by money (one currency only)}
--   - {name: business_p50, unit: days, title: "Median age in business days, of those with a calendar"}
--   - {name: business_p90, unit: days, title: "90th percentile of the age in business days, of those with a calendar"}
--   - {name: business_oldest, unit: days, title: "Age of the oldest in business days, of those with a calendar"}
--   - {name: without_amount, unit: count, title: Open without a known amount}
--   - {name: count_0_1, unit: count, title: 0 to 1 day}
--   - {name: count_2_3, unit: count, title: 2 to 3 days}
--   - {name: count_4_7, unit: count, title: 4 to 7 days}
--   - {name: count_8_30, unit: count, title: 8 to 30 days}
--   - {name: count_31_60, unit: count, title: 31 to 60 days}
--   - {name: count_61_90, unit: count, title: 61 to 90 days}
--   - {name: count_over_90, unit: count, title: More than 90 days}
--   - {name: amount_0_1, unit: currency, title: "Money, 0 to 1 day"}
--   - {name: amount_2_3, unit: currency, title: "Money, 2 to 3 days"}
--   - {name: amount_4_7, unit: currency, title: "Money, 4 to 7 days"}
--   - {name: amount_8_30, unit: currency, title: "Money, 8 to 30 days"}
--   - {name: amount_31_60, unit: currency, title: "Money, 31 to 60 days"}
--   - {name: amount_61_90, unit: currency, title: "Money, 61 to 90 days"}
--   - {name: amount_over_90, unit: currency, title: "Money, more than 90 days"}
-- formula: K04, age = V − ageing basis in calendar days by the dates of the calendar, of UTC without one; the basis is when it was due or, where a matching rule ages by record, the day of its oldest one; never later than when it was found; buckets 0–1, 2–3, 4–7, 8–30, 31–60, 61–90, over 90; p50, p90, oldest; value-weighted mean
-- inputs: [exceptions_at]
-- every: 15m
WITH
['0_1', '2_3', '4_7', '8_30', '31_60', '61_90', 'over_90'] AS names,
aged AS (
    SELECT
        multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        toInt64(age_days) AS age, toInt64(age_business_days) AS business_age,
        names[multiIf(age <= 1, 1, age <= 3, 2, age <= 7, 3, age <= 30, 4, age <= 60, 5, age <= 90, 6, 7)] AS bucket_name,
        is_open = 1 AS still_open, abs(amount) AS money,
        if(currency = '', 'XXX', toString(currency)) AS code
    FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String}
),
counted AS (
    SELECT
        segment,
        countIf(still_open) AS items,
        countIf(still_open AND isNull(money)) AS without_money,
        arraySort(groupArrayIf(age, still_open)) AS ages,
        arraySort(groupArrayIf(assumeNotNull(business_age), still_open AND isNotNull(business_age))) AS business_ages,
        length(business_ages) AS business_items,
        sumMapIf(map(bucket_name, toUInt64(1)), still_open) AS bucket_count,
        arraySort(groupUniqArrayIf(code, still_open AND isNotNull(money))) AS codes,
        sumMapIf(map(concat(code, bucket_name), assumeNotNull(money)), still_open AND isNotNull(money)) AS bucket_money,
        sumIf(age * money, still_open) AS money_days,
        sumIf(money, still_open) AS all_money
    FROM aged
    GROUP BY segment
)
SELECT
    segment, figure.1 AS measure, figure.2 AS unit, figure.3 AS value,
    CAST(NULL, 'Nullable(Float64)') AS low, CAST(NULL, 'Nullable(Float64)') AS high,
    figure.4 AS numerator, figure.5 AS denominator, if(startsWith(measure, 'business_'), business_items, items) AS n
FROM counted
ARRAY JOIN arrayConcat(
    [
        -- Nearest rank. Fewer than 20: only how many there are.
        ('p50', 'days', if(items < 20, NULL, toFloat64(ages[intDiv(50 * items + 99, 100)])), NULL, NULL),
        ('p90', 'days', if(items < 20, NULL, toFloat64(ages[intDiv(90 * items + 99, 100)])), NULL, NULL),
        ('oldest', 'days', if(items = 0, NULL, toFloat64(ages[items])), NULL, NULL),
        ('without_amount', 'count', toFloat64(without_money), toDecimal128(without_money, 6), NULL),
        -- Money of several currencies has no common mean.
        ('weighted_mean', 'days',
            if(length(codes) = 1, toFloat64(money_days) / toFloat64(nullIf(all_money, 0)), NULL),
            if(length(codes) = 1, money_days, NULL), if(length(codes) = 1, all_money, NULL))],
    -- Only where a calendar says which days are business days.
    if(business_items = 0, [], [
        ('business_p50', 'days', if(business_items < 20, NULL, toFloat64(business_ages[intDiv(50 * business_items + 99, 100)])), NULL, NULL),
        ('business_p90', 'days', if(business_items < 20, NULL, toFloat64(business_ages[intDiv(90 * business_items + 99, 100)])), NULL, NULL),
        ('business_oldest', 'days', toFloat64(business_ages[business_items]), NULL, NULL)]),
    arrayMap(b -> (
        concat('count_', b), 'count', toFloat64(bucket_count[b]), toDecimal128(bucket_count[b], 6),
        CAST(toDecimal128(items, 6), 'Nullable(Decimal(38, 6))')), names),
    arrayMap(x -> (
        concat('amount_', x.1), x.2, toFloat64(bucket_money[concat(x.2, x.1)]), bucket_money[concat(x.2, x.1)],
        CAST(NULL, 'Nullable(Decimal(38, 6))')), arrayFlatten(arrayMap(c -> arrayMap(b -> (b, c), names), codes)))) AS figure
