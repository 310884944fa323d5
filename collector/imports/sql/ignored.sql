-- What an OCEL log holds that says nothing we keep: changes without value, and objects of types to be left out.
SELECT
    countIf(
        part = 'object_row'
        AND fields['ocel_changed_field'] != ''
        AND fields[fields['ocel_changed_field']] = ''
        AND fields['new_value'] = ''
    ) AS empty_changes,
    countIf(part = 'object' AND has({ignored_types:Array(String)}, fields['ocel_type'])) AS ignored_objects
FROM import_rows
WHERE import_id = {import_id:String} AND part IN ('object', 'object_row')
