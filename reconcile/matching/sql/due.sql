-- When each leg is due by a record: so many seconds after its date, or after it is there
SELECT *, arrayMap(s -> addSeconds(counts_from, s), {within_s:Array(Int64)}) AS due, toInt32(0) AS business_day
FROM dated
