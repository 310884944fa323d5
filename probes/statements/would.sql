-- A dry run's records as they would be stored, and what would happen to each
WITH
stored AS (
    SELECT object_key, argMax(row_hash, (captured_at, valid_from)) AS last_hash
    FROM snapshots
    WHERE object_type = {object_type:String} AND system = {system:String} AND source = {source:String}
        AND object_key IN (SELECT object_key FROM probe_states WHERE reading = {reading:String})
    GROUP BY object_key
)
SELECT
    s.number AS record, s.object_key AS key,
    multiIf(
        s.place = 'aside', 'set aside',
        s.place = 'repeated', 'repeated',
        p.last_hash = '', 'new',
        s.place = 'newest' AND p.last_hash = s.row_hash, 'unchanged',
        'changed') AS change,
    s.reason AS reason, s.detail AS detail, s.holds_from AS valid_from, s.amount AS amount, s.currency AS currency,
    s.deleted AS deleted, s.fields AS fields, s.links AS links, s.steps AS steps
FROM probe_states AS s
LEFT JOIN stored AS p ON p.object_key = s.object_key
WHERE s.reading = {reading:String}
ORDER BY s.number
