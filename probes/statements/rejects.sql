-- Records that cannot be understood are kept for repair, each once however often it is read
INSERT INTO import_rejects (import_id, source, file, file_sha256, line, reason, detail, fields, known_at)
SELECT
    {run_id:String}, {source:String}, any(origin), any(origin_sha256), min(line), s.reason, s.detail, any(r.fields),
    {known_at:DateTime64(6, 'UTC')}
FROM probe_states AS s
INNER JOIN (
    SELECT number, origin, origin_sha256, line, fields
    FROM probe_rows
    WHERE reading = {reading:String}
        AND number IN (SELECT number FROM probe_states WHERE reading = {reading:String} AND place = 'aside')
) AS r ON r.number = s.number
WHERE s.reading = {reading:String} AND s.place = 'aside'
GROUP BY
    s.reason, s.detail, sipHash64(toJSONString(r.fields)) AS content,
    if(s.reason IN ('bad_line', 'not_whole', 'remark'), concat(r.origin, ':', toString(r.line)), '') AS spot
HAVING (s.reason, s.detail, content, spot) NOT IN (
    SELECT reason, detail, sipHash64(toJSONString(fields)), if(reason IN ('bad_line', 'not_whole', 'remark'), concat(file, ':', toString(line)), '')
    FROM import_rejects
    WHERE source = {source:String}
        -- What was understood once and is not any more is set aside anew.
        AND (reason, detail, sipHash64(toJSONString(fields))) NOT IN (
            SELECT reason, detail, content FROM probe_repairs WHERE source = {source:String}))
