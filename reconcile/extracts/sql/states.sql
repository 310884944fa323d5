-- What holds of each key, and currency where there is one. A key with several records on a side is held against the other
-- side by its sum.
SELECT
    key, {currency} AS currency,
    countIf(side = 1) AS left_records, countIf(side = 2) AS right_records,
    ifNull(sumIf(amount, side = 1), 0) AS left_amount, ifNull(sumIf(amount, side = 2), 0) AS right_amount,
    right_amount - left_amount AS difference,
    {unreadable} AS unreadable,
    {unlike} AS unlike,
    -- A place among `names`, as texts of all keys would cost more than the join; those that agree come last.
    multiIf(
        key = '', 1,
        left_records = 0, 2,
        right_records = 0, 3,
        unreadable > 0, 4,
        {beyond}, 5,
        notEmpty(unlike), 6,
        difference != 0, 7,
        left_records > 1 OR right_records > 1, 8,
        9) AS place,
    place >= 7 AS agrees
FROM ({left} UNION ALL {right})
GROUP BY {by}
