-- Columns that any row of an import has.
SELECT arrayJoin(groupUniqArrayArray(mapKeys(fields))) AS name
FROM import_rows
WHERE import_id = {import_id:String} AND part IN ('rows', 'event_row', 'object_row')
ORDER BY name
