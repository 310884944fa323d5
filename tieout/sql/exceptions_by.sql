-- Open exceptions by a segment and age.
SELECT
    if(dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
    countIf(bucket = '0-1') AS `0-1`, countIf(bucket = '2-3') AS `2-3`, countIf(bucket = '4-7') AS `4-7`,
    countIf(bucket = '8-30') AS `8-30`, countIf(bucket = '31-60') AS `31-60`, countIf(bucket = '61-90') AS `61-90`,
    countIf(bucket = '>90') AS `>90`, count() AS total, sumOrNull(e.amount) AS amount,
    arrayStringConcat(arraySort(groupUniqArrayIf(e.currency, e.currency != '')), '+') AS currency
FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}) AS e
WHERE ({workflow:String} = '' OR workflow = {workflow:String}) AND is_open = 1
GROUP BY segment
ORDER BY total DESC, segment
