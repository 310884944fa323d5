-- How long each arrival took, in seconds of the clock
SELECT expectation, intDiv(dateDiff('microsecond', opened_at, closed_at) + 999999, 1000000) AS lag
FROM arrivals
