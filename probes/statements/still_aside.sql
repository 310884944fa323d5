-- Records of a probe that are set aside and were not understood since, by reason
WITH
repaired AS (
    SELECT reason, detail, content, max(known_at) AS repaired_at
    FROM probe_repairs
    WHERE source = {source:String}
    GROUP BY reason, detail, content
)
SELECT r.reason AS reason, r.detail AS detail, count() AS records, max(r.known_at) AS last_at
FROM import_rejects AS r
LEFT JOIN repaired ON repaired.reason = r.reason AND repaired.detail = r.detail AND repaired.content = sipHash64(toJSONString(r.fields))
WHERE r.source = {source:String} AND r.known_at > repaired.repaired_at
    -- Said of a whole file, not of a record
    AND r.reason NOT IN ('not_whole', 'remark', 'number_twice')
GROUP BY r.reason, r.detail
ORDER BY records DESC, reason, detail
