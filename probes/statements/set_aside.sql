-- Records that were set aside and still are, staged to be judged again; those read without a column that is asked for now cannot be
INSERT INTO probe_rows (reading, number, origin, origin_sha256, line, as_of, broken, fields)
WITH
repaired AS (
    SELECT reason, detail, content, max(known_at) AS repaired_at
    FROM probe_repairs
    WHERE source = {source:String}
    GROUP BY reason, detail, content
)
SELECT
    {reading:String}, row_number() OVER (ORDER BY r.known_at, r.line), r.file, r.file_sha256, r.line, r.known_at, '', r.fields
FROM import_rejects AS r
LEFT JOIN repaired ON repaired.reason = r.reason AND repaired.detail = r.detail AND repaired.content = sipHash64(toJSONString(r.fields))
WHERE r.source = {source:String} AND r.known_at > repaired.repaired_at
    -- What is said of a line or a whole file is no record; of two records with one key, which is right is not in the record.
    AND r.reason NOT IN ('bad_line', 'not_whole', 'remark', 'number_twice', 'duplicate_key')
    AND r.import_id IN (
        SELECT run_id FROM probe_runs WHERE probe = {source:String} AND hasAll(columns, {columns:Array(String)}))
