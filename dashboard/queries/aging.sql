-- Open exceptions by segment, age bucket and currency; in business days those that have a calendar
SELECT
    multiIf({dimension:String} = 'code', toString(code),
        dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
    age_bucket(if({business:Bool}, ifNull(age_business_days, age_days), age_days)) AS bucket, toString(currency) AS currency_code,
    count() AS open_items, sumOrNull(abs(amount)) AS open_amount, countIf(isNull(amount)) AS without_amount,
    max(if({business:Bool}, ifNull(age_business_days, age_days), age_days)) AS oldest_days
FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
WHERE workflow = {workflow:String} AND is_open = 1
GROUP BY segment, bucket, currency_code
ORDER BY segment, bucket, currency_code
