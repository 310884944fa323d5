-- The objects of an OCEL log: their type and key in the workflow, and the first event that touched them, here or in
-- an earlier import.
INSERT INTO import_rows (import_id, part, line, file, fields)
WITH
declared AS (
    SELECT
        fields['ocel_id'] AS id,
        argMin(fields['ocel_type'], (file, line)) AS ocel_type,
        argMin((file, line), (file, line)) AS place
    FROM import_rows
    WHERE import_id = {import_id:String} AND part = 'object' AND id != ''
    GROUP BY id
),
typed AS (
    SELECT
        id,
        ocel_type,
        place,
        indexOf({ocel_types:Array(String)}, ocel_type) AS nr,
        {types:Array(String)}[nr] AS type,
        normalise_key(id, {type_rules:Array(Array(String))}[nr]) AS key
    FROM declared
),
touched_here AS (
    SELECT link.object AS id, min(event.at) AS first_at
    FROM (
        SELECT fields['ocel_event_id'] AS event_id, fields['ocel_object_id'] AS object
        FROM import_rows
        WHERE import_id = {import_id:String} AND part = 'event_object'
    ) AS link
    INNER JOIN (
        SELECT fields['ocel_id'] AS event_id, time_of(fields['ocel_time']) AS at
        FROM import_rows
        WHERE import_id = {import_id:String} AND part = 'event_row' AND at IS NOT NULL
    ) AS event ON event.event_id = link.event_id
    GROUP BY id
),
touched_before AS (
    SELECT object_type AS type, object_key AS key, toNullable(min(occurred_at)) AS first_at
    FROM event_objects
    WHERE workflow = {workflow:String} AND source = {source:String} AND object_key IN (SELECT key FROM typed)
    GROUP BY type, key
)
SELECT
    {import_id:String},
    'object_known',
    typed.place.2,
    typed.place.1,
    map(
        'id', typed.id,
        'ocel_type', typed.ocel_type,
        'type', typed.type,
        'key', typed.key,
        'first_at', ifNull(toString(arrayMin(arrayFilter(at -> at IS NOT NULL, [here.first_at, earlier.first_at]))), '')
    )
FROM typed
LEFT JOIN touched_here AS here ON here.id = typed.id
LEFT JOIN touched_before AS earlier ON earlier.type = typed.type AND earlier.key = typed.key
