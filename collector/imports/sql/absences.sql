-- Objects that were there and are missing from a complete file, as deleted from now on.
INSERT INTO snapshots (
    system, object_type, object_key, fields, amount, currency, deleted, valid_from, captured_at, known_at, row_hash,
    source, run_id
)
SELECT
    {systems:Array(String)}[1],
    {types:Array(String)}[1],
    object_key,
    map(),
    NULL,
    '',
    true,
    {known_at:DateTime64(6, 'UTC')},
    {known_at:DateTime64(6, 'UTC')},
    {known_at:DateTime64(6, 'UTC')},
    'absent',
    {source:String},
    {import_id:String}
FROM (
    SELECT object_key
    FROM snapshots
    WHERE object_type = {types:Array(String)}[1] AND source = {source:String} AND object_key NOT IN (SELECT key FROM decided)
    GROUP BY object_key
    HAVING NOT argMax(deleted, (valid_from, known_at))
)
