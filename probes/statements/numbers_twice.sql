-- Control numbers of this run that stand in another file too, or twice in one
INSERT INTO import_rejects (import_id, source, file, file_sha256, line, reason, detail, fields, known_at)
WITH
numbers AS (
    SELECT DISTINCT series, number, file, file_sha256, line FROM control_numbers WHERE probe = {source:String}
),
twice AS (
    SELECT series, number, groupUniqArray(file) AS files
    FROM numbers
    GROUP BY series, number
    HAVING uniqExact(file) > 1 OR uniqExact(line) > 1 AND uniqExact(file_sha256) = 1
)
SELECT
    {run_id:String}, {source:String}, n.file, n.file_sha256, n.line, 'number_twice',
    'the sender has used this control number more than once', map('series', n.series, 'number', toString(n.number)),
    {known_at:DateTime64(6, 'UTC')}
FROM control_numbers AS n
INNER JOIN twice AS t ON t.series = n.series AND t.number = n.number
WHERE n.probe = {source:String} AND n.run_id = {run_id:String}
    AND (n.file, n.line, n.file_sha256) NOT IN (
        SELECT file, line, file_sha256 FROM import_rejects WHERE source = {source:String} AND reason = 'number_twice')
