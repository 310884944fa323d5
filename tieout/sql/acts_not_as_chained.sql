-- Acts that the audit log has otherwise, or that stand in one of the two only. What was done before there was an audit log
-- stands in none.
WITH
chained AS (
    SELECT
        seq, JSONExtractString(content, 'act_id') AS act_id,
        (
            JSONExtractString(content, 'exception_id'), JSONExtractString(content, 'action'),
            parseDateTime64BestEffort(JSONExtractString(content, 'at'), 6, 'UTC'),
            parseDateTime64BestEffort(JSONExtractString(content, 'known_at'), 6, 'UTC'),
            JSONExtractString(content, 'actor'), JSONExtractString(content, 'owner'), JSONExtractString(content, 'reason'),
            JSONExtractString(content, 'note'),
            ifNull(toString(parseDateTime64BestEffortOrNull(JSONExtractString(content, 'until'), 6, 'UTC')), ''),
            ifNull(toString(toDecimal128OrNull(JSONExtractString(content, 'amount'), 6)), ''),
            JSONExtractString(content, 'currency'), toUInt32(JSONExtractUInt(content, 'failures'))
        ) AS said
    FROM audit_log
    WHERE kind = 'act'
),
stored AS (
    SELECT
        act_id,
        (
            exception_id, toString(action), at, known_at, actor, owner, toString(reason), note,
            ifNull(toString(until), ''), ifNull(toString(amount), ''), toString(currency), failures
        ) AS said
    FROM exceptions
    WHERE known_at >= (SELECT min(at) FROM audit_log)
)
SELECT toUInt64(0) AS place, act_id, 'inserted' AS what FROM stored WHERE act_id NOT IN (SELECT act_id FROM chained)
UNION ALL
SELECT seq, act_id, 'removed' FROM chained WHERE act_id NOT IN (SELECT act_id FROM stored)
UNION ALL
SELECT DISTINCT c.seq, c.act_id, 'altered'
FROM stored AS s
INNER JOIN chained AS c ON c.act_id = s.act_id
WHERE c.said != s.said
