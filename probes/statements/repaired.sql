-- Set-aside records that are understood now, or set aside for another reason
INSERT INTO probe_repairs (source, reason, detail, content, run_id, known_at)
WITH
judged AS (
    SELECT sipHash64(toJSONString(r.fields)) AS content, s.place AS place, s.reason AS reason, s.detail AS detail
    FROM probe_states AS s
    INNER JOIN probe_rows AS r ON r.number = s.number
    WHERE s.reading = {reading:String} AND r.reading = {reading:String}
)
SELECT DISTINCT {source:String}, a.reason, a.detail, sipHash64(toJSONString(a.fields)) AS given, {run_id:String}, {known_at:DateTime64(6, 'UTC')}
FROM import_rejects AS a
WHERE a.source = {source:String}
    AND a.reason NOT IN ('bad_line', 'not_whole', 'remark', 'number_twice', 'duplicate_key')
    AND given IN (SELECT content FROM judged)
    AND (a.reason, a.detail, given) NOT IN (SELECT reason, detail, content FROM judged WHERE place = 'aside')
