-- Acts on matches that the audit log has otherwise, or that stand in one of the two only
WITH
chained AS (
    SELECT
        seq, JSONExtractString(content, 'act_id') AS act_id,
        (
            JSONExtractString(content, 'decision_id'), JSONExtractString(content, 'action'), JSONExtractString(content, 'rule'),
            JSONExtractString(content, 'workflow'), parseDateTime64BestEffort(JSONExtractString(content, 'known_at'), 6, 'UTC'),
            JSONExtractString(content, 'actor'), JSONExtractString(content, 'reason'), JSONExtractString(content, 'note'),
            arrayMap(m -> (m[1], m[2]), JSONExtract(content, 'members', 'Array(Array(String))')),
            arrayMap(a -> ifNull(toString(toDecimal128OrNull(ifNull(a, ''), 6)), ''), JSONExtract(content, 'amounts', 'Array(Nullable(String))')),
            ifNull(toString(toDecimal128OrNull(JSONExtractString(content, 'difference'), 6)), ''), JSONExtractString(content, 'currency'),
            arrayMap(t -> (t.1, t.2, t.3), JSONExtract(content, 'accepted', 'Array(Tuple(name String, expected String, actual String))')),
            JSONExtractString(content, 'said')
        ) AS said
    FROM audit_log
    WHERE kind = 'match_act'
),
stored AS (
    SELECT
        act_id,
        (
            decision_id, toString(action), toString(rule), toString(workflow), known_at, actor, toString(reason), note,
            arrayMap((l, r) -> (toString(l), r), members.leg, members.record), arrayMap(a -> ifNull(toString(a), ''), members.amount),
            ifNull(toString(difference), ''), toString(currency),
            arrayMap(t -> (t.1, t.2, t.3), JSONExtract(accepted, 'Array(Tuple(name String, expected String, actual String))')),
            match_acts.said
        ) AS said
    FROM match_acts
)
SELECT toUInt64(0) AS place, act_id, 'inserted' AS what FROM stored WHERE act_id NOT IN (SELECT act_id FROM chained)
UNION ALL
SELECT seq, act_id, 'removed' FROM chained WHERE act_id NOT IN (SELECT act_id FROM stored)
UNION ALL
SELECT DISTINCT c.seq, c.act_id, 'altered'
FROM stored AS s
INNER JOIN chained AS c ON c.act_id = s.act_id
WHERE c.said != s.said
