-- What an OCEL log says of each object, as one full state at each moment something changed. Values dated 1970 are
-- those it began with: they hold from the first event that touched it. A change without value says nothing.
INSERT INTO import_rows (import_id, part, line, file, fields)
WITH
known AS (
    SELECT fields['id'] AS id, fields['ocel_type'] AS ocel_type, fields['key'] AS key, fields['first_at'] AS first_at, file, line
    FROM import_rows
    WHERE import_id = {import_id:String} AND part = 'object_known' AND fields['type'] != ''
),
said AS (
    SELECT
        fields['ocel_id'] AS id,
        -- Some writers leave the time of first values out.
        greatest(
            if(fields['ocel_time'] = '', toDateTime64(0, 6, 'UTC'), assumeNotNull(time_of(fields['ocel_time']))),
            toDateTime64(0, 6, 'UTC')
        ) AS at,
        (0, file, line) AS place,
        fields['ocel_changed_field'] AS changed,
        if(
            changed = '',
            mapFilter(
                (name, value) -> name NOT IN ('ocel_id', 'ocel_type', 'ocel_time', 'ocel_changed_field', 'new_value'), fields
            ),
            map(changed, if(fields[changed] != '', fields[changed], fields['new_value']))
        ) AS fresh
    FROM import_rows
    WHERE import_id = {import_id:String}
        AND part = 'object_row'
        AND (fields['ocel_time'] = '' OR time_of(fields['ocel_time']) IS NOT NULL)
        AND (changed = '' OR fresh[changed] != '')
    UNION ALL
    -- An object is there although nothing is said of it.
    SELECT id, toDateTime64(0, 6, 'UTC'), (1, file, line), '', CAST(map() AS Map(String, String))
    FROM known
),
moments AS (
    SELECT
        id,
        at,
        min(place) AS first_place,
        arrayFold(
            (so_far, change) -> mapUpdate(so_far, change.2),
            arraySort(change -> change.1, groupArray((place, fresh))),
            CAST(map() AS Map(String, String))
        ) AS changes
    FROM said
    GROUP BY id, at
),
states AS (
    SELECT
        id,
        at,
        first_place,
        leadInFrame(toNullable(at)) OVER (
            PARTITION BY id ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS next_at,
        arrayFold(
            (so_far, change) -> mapUpdate(so_far, change),
            groupArray(changes) OVER (PARTITION BY id ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
            CAST(map() AS Map(String, String))
        ) AS state
    FROM moments
)
SELECT
    {import_id:String},
    'state',
    states.first_place.3,
    states.first_place.2,
    mapUpdate(states.state, map(
        '@nr', toString(indexOf({ocel_types:Array(String)}, known.ocel_type)),
        '@id', known.id,
        '@key', known.key,
        '@at', toString(states.at),
        '@valid_from', toString(if(
            states.at > toDateTime64(0, 6, 'UTC') OR known.first_at = '',
            states.at,
            assumeNotNull(parseDateTime64BestEffortOrNull(known.first_at, 6, 'UTC'))
        ))
    ))
FROM known
INNER JOIN states ON states.id = known.id
-- What it began with is gone when it changed before anything touched it.
WHERE states.at > toDateTime64(0, 6, 'UTC')
    OR known.first_at = ''
    OR states.next_at IS NULL
    OR states.next_at > assumeNotNull(parseDateTime64BestEffortOrNull(known.first_at, 6, 'UTC'))
