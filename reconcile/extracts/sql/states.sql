-- What holds of each key, and currency where there is one. A key with several records on a side is held against the other
-- side by its sum.
SELECT
    key, {currency} AS currency,
    countIf(side = 1) AS left_records, countIf(side = 2) AS right_records,
    ifNull(sumIf(amount, side = 1), 0) AS left_amount, ifNull(sumIf(amount, side = 2), 0) AS right_amount,
    right_amount - left_amount AS difference,
    {unreadable} AS unreadable,
    {unlike} AS unlike,
    multiIf(
        key = '', 'no key',
        left_records = 0, 'only right',
        right_records = 0, 'only left',
        unreadable > 0, 'amount unreadable',
        {beyond}, 'amount differs',
        notEmpty(unlike), 'fields differ',
        difference != 0, 'agree within tolerance',
        left_records > 1 OR right_records > 1, 'agree by sum',
        'agree') AS state
FROM ({left} UNION ALL {right})
GROUP BY {by}
