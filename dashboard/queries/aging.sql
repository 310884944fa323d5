-- Open exceptions by segment, age bucket and currency
SELECT
    multiIf({dimension:String} = 'code', toString(code),
        dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
    bucket, toString(currency) AS currency_code,
    count() AS open_items, sumOrNull(abs(amount)) AS open_amount, countIf(isNull(amount)) AS without_amount,
    max(age_days) AS oldest_days
FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
WHERE workflow = {workflow:String} AND is_open = 1
GROUP BY segment, bucket, currency_code
ORDER BY segment, bucket, currency_code
