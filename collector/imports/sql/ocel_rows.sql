-- The events of an OCEL log as rows like those of any event log; what comes from the objects they touch stands in
-- columns with an @: `@objects`, `@amount`, `@dim:<name>`, as those objects were at the time of the event.
INSERT INTO import_rows (import_id, part, line, file, fields)
WITH
known AS (
    SELECT fields['id'] AS id, fields['type'] AS type, fields['key'] AS key, fields['ocel_type'] AS ocel_type
    FROM import_rows
    WHERE import_id = {import_id:String} AND part = 'object_known'
),
happened AS (
    SELECT fields['ocel_id'] AS id, fields['ocel_type'] AS ocel_type, time_of(fields['ocel_time']) AS at, file, line, fields
    FROM import_rows
    WHERE import_id = {import_id:String}
        AND part = 'event_row'
        AND (id, ocel_type) IN (
            SELECT fields['ocel_id'], fields['ocel_type']
            FROM import_rows
            WHERE import_id = {import_id:String} AND part = 'event'
        )
),
touches AS (
    SELECT
        link.event_id AS event_id,
        link.object AS object,
        link.role AS role,
        known.ocel_type AS ocel_type,
        indexOf({target_roles:Array(String)}, link.role) AS target,
        if(known.id = '', {target_types:Array(String)}[target], known.type) AS type,
        if(known.id = '', normalise_key(link.object, {target_rules:Array(Array(String))}[target]), known.key) AS key
    FROM (
        SELECT fields['ocel_event_id'] AS event_id, fields['ocel_object_id'] AS object, fields['ocel_qualifier'] AS role
        FROM import_rows
        WHERE import_id = {import_id:String} AND part = 'event_object'
    ) AS link
    LEFT JOIN known ON known.id = link.object
    WHERE type != ''
),
objects AS (
    SELECT event_id, toString(arraySort(groupUniqArray((toString(type), key, role)))) AS listed
    FROM touches
    GROUP BY event_id
),
-- Each event with each object it touches, once, in the state the object had then.
seen AS (
    SELECT
        pair.event_id AS event_id, pair.event_type AS event_type, pair.type AS type, pair.ocel_type AS ocel_type,
        state.said AS said
    FROM (
        SELECT DISTINCT
            touches.event_id AS event_id, touches.object AS object, touches.type AS type, touches.ocel_type AS ocel_type,
            happened.ocel_type AS event_type, assumeNotNull(happened.at) AS at
        FROM touches
        INNER JOIN happened ON happened.id = touches.event_id
        WHERE happened.at IS NOT NULL
            AND (has({carried_types:Array(String)}, type) OR has({amount_types:Array(String)}, type))
    ) AS pair
    ASOF LEFT JOIN (
        SELECT
            fields['@id'] AS object,
            assumeNotNull(parseDateTime64BestEffortOrNull(fields['@at'], 6, 'UTC')) AS at,
            fields AS said
        FROM import_rows
        WHERE import_id = {import_id:String} AND part = 'state'
    ) AS state ON state.object = pair.object AND pair.at >= state.at
),
priced AS (
    SELECT
        event_id,
        {type_amounts:Array(Array(String))}[indexOf({ocel_types:Array(String)}, ocel_type)] AS columns,
        arrayMap(column -> toDecimal128OrNull(said[column], 6), columns) AS numbers,
        multiIf(
            length(numbers) = 1, numbers[1],
            length(numbers) = 2, toDecimal128OrNull(
                toString(round(toDecimal256(numbers[1], 6) * toDecimal256(numbers[2], 6), 6)), 6
            ),
            NULL
        ) AS amount
    FROM seen
    WHERE type = transform(event_type, {amount_events:Array(String)}, {amount_types:Array(String)}, '')
),
money AS (
    -- The sum is unknown when a part of it is.
    SELECT event_id, if(count() = count(amount), ifNull(toString(sum(amount)), ''), '') AS total
    FROM priced
    GROUP BY event_id
),
carried AS (
    SELECT event_id, groupArray((concat('@dim:', dim), found[1])) AS dims
    FROM (
        SELECT event_id, dim, groupUniqArray(said[field]) AS found
        FROM seen
        ARRAY JOIN
            {carried_dims:Array(String)} AS dim, {carried_types:Array(String)} AS carrier, {carried_fields:Array(String)} AS field
        WHERE carrier = type AND said[field] != ''
        GROUP BY event_id, dim
        -- Objects that differ give no segment.
        HAVING length(found) = 1
    )
    GROUP BY event_id
)
SELECT
    {import_id:String},
    'rows',
    happened.line,
    happened.file,
    mapUpdate(
        mapFilter((name, value) -> NOT startsWith(name, '@'), happened.fields),
        mapUpdate(
            CAST((arrayMap(pair -> pair.1, carried.dims), arrayMap(pair -> pair.2, carried.dims)) AS Map(String, String)),
            CAST(map('@objects', if(objects.listed = '', '[]', objects.listed), '@amount', money.total) AS Map(String, String))
        )
    )
FROM happened
LEFT JOIN objects ON objects.event_id = happened.id
LEFT JOIN money ON money.event_id = happened.id
LEFT JOIN carried ON carried.event_id = happened.id
