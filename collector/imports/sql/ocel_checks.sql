-- Records of an OCEL log that do not fit together, with the reason each is set aside.
INSERT INTO import_rows (import_id, part, line, file, fields)
WITH
events_declared AS (
    SELECT fields['ocel_id'] AS id, fields['ocel_type'] AS ocel_type
    FROM import_rows
    WHERE import_id = {import_id:String} AND part = 'event'
),
event_rows AS (
    SELECT fields['ocel_id'] AS id, fields['ocel_type'] AS ocel_type
    FROM import_rows
    WHERE import_id = {import_id:String} AND part = 'event_row'
),
objects_declared AS (
    SELECT fields['id'] AS id, fields['ocel_type'] AS ocel_type
    FROM import_rows
    WHERE import_id = {import_id:String} AND part = 'object_known'
),
judged AS (
    SELECT
        file,
        line,
        fields,
        multiIf(
            part = 'event' AND (fields['ocel_id'], fields['ocel_type']) NOT IN (SELECT id, ocel_type FROM event_rows),
            ('EVENT_WITHOUT_TIME', 'the event is declared, but stands in no table of its type'),
            part = 'event_row' AND (fields['ocel_id'], fields['ocel_type']) NOT IN (SELECT id, ocel_type FROM events_declared),
            ('EVENT_UNDECLARED', 'the event is not declared with this type'),
            part = 'object' AND fields['ocel_id'] = '',
            ('KEY_EMPTY', 'column ocel_id: no key of a business object'),
            part = 'object' AND NOT has({known_types:Array(String)}, fields['ocel_type']),
            ('TYPE_UNMAPPED', 'the object type is neither in objects nor in ignore of the mapping'),
            part = 'object' AND (fields['ocel_id'], fields['ocel_type']) NOT IN (SELECT id, ocel_type FROM objects_declared),
            ('OBJECT_TYPE_CONFLICT', 'the object is declared before with another type'),
            part = 'object_row' AND (fields['ocel_id'], fields['ocel_type']) NOT IN (SELECT id, ocel_type FROM objects_declared),
            ('OBJECT_UNDECLARED', 'the object is not declared with this type'),
            part = 'object_row' AND fields['ocel_time'] != '' AND time_of(fields['ocel_time']) IS NULL,
            ('TIME_UNPARSABLE', 'column ocel_time: no time as the mapping describes it'),
            part = 'event_object' AND fields['ocel_event_id'] NOT IN (SELECT id FROM events_declared),
            ('EVENT_UNDECLARED', 'column ocel_event_id: the event is not declared'),
            part = 'event_object'
                AND fields['ocel_object_id'] NOT IN (SELECT id FROM objects_declared)
                AND NOT has({target_roles:Array(String)}, fields['ocel_qualifier']),
            ('OBJECT_UNDECLARED', 'column ocel_object_id: the object is not declared, and its qualifier is not in link_targets'),
            part = 'object_object' AND fields['ocel_source_id'] NOT IN (SELECT id FROM objects_declared),
            ('OBJECT_UNDECLARED', 'column ocel_source_id: the object is not declared'),
            part = 'object_object'
                AND fields['ocel_target_id'] NOT IN (SELECT id FROM objects_declared)
                AND NOT has({target_roles:Array(String)}, fields['ocel_qualifier']),
            ('OBJECT_UNDECLARED', 'column ocel_target_id: the object is not declared, and its qualifier is not in link_targets'),
            ('', '')
        ) AS verdict
    FROM import_rows
    WHERE import_id = {import_id:String}
        AND part IN ('event', 'event_row', 'object', 'object_row', 'event_object', 'object_object')
)
SELECT {import_id:String}, 'bad', line, file, mapUpdate(fields, map('@reason', verdict.1, '@detail', verdict.2))
FROM judged
WHERE verdict.1 != ''
