-- Links between objects of an OCEL log, which gives them no time: they hold once both ends that exist were touched.
-- An end that does not exist is kept where the mapping says what type it would be.
INSERT INTO import_rows (import_id, part, line, file, fields)
WITH
known AS (
    SELECT fields['id'] AS id, fields['type'] AS type, fields['key'] AS key, fields['first_at'] AS first_at
    FROM import_rows
    WHERE import_id = {import_id:String} AND part = 'object_known'
)
SELECT
    {import_id:String},
    'link',
    link.line,
    link.file,
    map(
        'from_type', origin.type,
        'from_key', origin.key,
        'to_type', if(target.id = '', {target_types:Array(String)}[indexOf({target_roles:Array(String)}, link.role)], target.type),
        'to_key', if(
            target.id = '',
            normalise_key(link.to_id, {target_rules:Array(Array(String))}[indexOf({target_roles:Array(String)}, link.role)]),
            target.key
        ),
        'role', link.role,
        -- Times are text of one form, so the later one is also the greater one.
        'valid_from', greatest(origin.first_at, target.first_at, '1970-01-01 00:00:00.000000')
    ) AS said
FROM (
    SELECT
        fields['ocel_source_id'] AS from_id, fields['ocel_target_id'] AS to_id, fields['ocel_qualifier'] AS role, file, line
    FROM import_rows
    WHERE import_id = {import_id:String} AND part = 'object_object'
) AS link
INNER JOIN known AS origin ON origin.id = link.from_id
LEFT JOIN known AS target ON target.id = link.to_id
WHERE said['from_type'] != '' AND said['to_type'] != ''
