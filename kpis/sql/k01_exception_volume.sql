-- title: Exception volume
-- description: "Exceptions and distinct items apart: one item may break several rules."
-- unit: count
-- direction: lower_is_better
-- kind: flow
-- measures:
--   - {name: detected, unit: count, title: Found in the period}
--   - {name: detected_items, unit: count, title: Items with one found in the period}
--   - {name: open, unit: count, title: Open now}
--   - {name: open_items, unit: count, title: Items with an open one}
--   - {name: per_1000, unit: per_1000, title: "Found per 1,000 items entering"}
-- formula: K01, first detected in the period; open at (V, K); per 1,000 items whose first expectation opened in the period
-- inputs: [exceptions_at, verdicts_at]
-- every: 15m
WITH
tallies AS (
    SELECT
        multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        countIf(detected_at > {window_start:DateTime64(6, 'UTC')}) AS detected,
        uniqExactIf((item_type, item_key), detected_at > {window_start:DateTime64(6, 'UTC')}) AS detected_items,
        countIf(is_open = 1) AS still_open,
        uniqExactIf((item_type, item_key), is_open = 1) AS open_items,
        toUInt64(0) AS entering
    FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String}
    GROUP BY segment
    UNION ALL
    SELECT segment, 0, 0, 0, 0, countIf(entered_at > {window_start:DateTime64(6, 'UTC')})
    FROM (
        SELECT multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment, item_type, item_key, min(opened_at) AS entered_at
        FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
        WHERE workflow = {workflow:String} AND kind IN ('sequence', 'reference', 'tie_out', 'landed')
        GROUP BY segment, item_type, item_key
    )
    GROUP BY segment
),
counted AS (
    SELECT
        segment, sum(detected) AS new_ones, sum(detected_items) AS new_items, sum(still_open) AS open_ones,
        sum(open_items) AS items_open, sum(entering) AS items_entering
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
ARRAY JOIN [
        ('detected', 'count', toDecimal128(new_ones, 6), toDecimal128(0, 6), NULL, new_ones),
        ('detected_items', 'count', toDecimal128(new_items, 6), toDecimal128(0, 6), NULL, new_items),
        ('open', 'count', toDecimal128(open_ones, 6), toDecimal128(0, 6), NULL, open_ones),
        ('open_items', 'count', toDecimal128(items_open, 6), toDecimal128(0, 6), NULL, items_open),
        ('per_1000', 'per_1000', toDecimal128(new_ones, 6), toDecimal128(0, 6), CAST(toDecimal128(items_entering, 6), 'Nullable(Decimal(38, 6))'), items_entering)] AS figure
