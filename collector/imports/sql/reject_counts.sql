-- Rows set aside, by reason, that a reader or a check across tables found.
SELECT reason, count() AS counted
FROM decided
GROUP BY reason
ORDER BY reason
