-- Windows of the clock that are fixed: what decides adds them to what a record counts from
SELECT *, CAST([], 'Array(Tuple(counts_from DateTime64(6, \'UTC\'), due_at DateTime64(6, \'UTC\'), learned_at DateTime64(6, \'UTC\')))') AS due,
    toInt32(0) AS business_day
FROM dated
