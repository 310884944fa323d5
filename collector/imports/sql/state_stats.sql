-- What the staged states come to, by import and reason.
SELECT
    import_id,
    reason,
    count() AS counted,
    countIf(reason = '' AND {timed:Bool} AND holds_from >= {until:DateTime64(6, 'UTC')}) AS held_back,
    {timed:Bool} AS timed,
    minIf(holds_from, reason = '' AND holds_from < {until:DateTime64(6, 'UTC')}) AS first_at,
    maxIf(holds_from, reason = '' AND holds_from < {until:DateTime64(6, 'UTC')}) AS last_at
FROM decided
GROUP BY import_id, reason
ORDER BY import_id, reason
