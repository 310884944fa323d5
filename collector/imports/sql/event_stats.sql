-- What the staged rows come to, by file, reason and activity that no step of the workflow knows.
SELECT
    reason,
    if(reason = '' AND selector = 0, activity, '') AS unmapped,
    count() AS counted,
    countIf(reason = '' AND occurred >= {until:DateTime64(6, 'UTC')}) AS held_back,
    minIf(occurred, reason = '' AND occurred < {until:DateTime64(6, 'UTC')}) AS first_at,
    maxIf(occurred, reason = '' AND occurred < {until:DateTime64(6, 'UTC')}) AS last_at
FROM decided
GROUP BY reason, unmapped
ORDER BY reason, unmapped
