-- How many keys are in each state, and the money of both sides; of those that do not agree the keys that differ most.
-- What nobody asked for is not grouped by and not carried along: both cost time for every key.
SELECT
    {names:Array(String)}[place] AS state, {currency} AS currency, count() AS keys, sum(left_records) AS left_rows, sum(right_records) AS right_rows,
    sum(left_amount) AS left_money, sum(right_amount) AS right_money, right_money - left_money AS difference_money,
    sum(unreadable) AS unreadable_amounts,
    arrayMap(
        one -> (replaceAll(one.2, '\x1f', ' / '), one.3, one.4, one.5, one.6, {fields}),
        groupArraySortedIf({most:UInt16})(
            (-abs(difference), key, left_records, right_records, left_amount, right_amount{unlike}), NOT agrees)) AS largest
FROM ({states})
GROUP BY {by}
ORDER BY state, currency
