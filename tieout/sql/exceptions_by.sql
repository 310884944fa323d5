-- Open exceptions by a segment and age; in business days those that have a calendar.
WITH
age_bucket(if({business:Bool}, ifNull(age_business_days, age_days), age_days)) AS age_in,
arraySort(groupUniqArrayIf(toString(e.currency), isNotNull(e.amount))) AS currencies
SELECT
    if(dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
    countIf(age_in = '0-1') AS `0-1`, countIf(age_in = '2-3') AS `2-3`, countIf(age_in = '4-7') AS `4-7`,
    countIf(age_in = '8-30') AS `8-30`, countIf(age_in = '31-60') AS `31-60`, countIf(age_in = '61-90') AS `61-90`,
    countIf(age_in = '>90') AS `>90`, count() AS total,
    -- Money of several currencies is never added.
    if(length(currencies) = 1, sumOrNull(abs(e.amount)), NULL) AS amount, arrayStringConcat(currencies, '+') AS currency
FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}) AS e
WHERE ({workflow:String} = '' OR workflow = {workflow:String}) AND is_open = 1
GROUP BY segment
ORDER BY total DESC, segment
