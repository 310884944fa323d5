-- Records that the reader, or a check across tables, could not use.
SELECT import_id, file, line, fields['@reason'] AS reason, fields['@detail'] AS said, fields
FROM import_rows
WHERE import_id = {import_id:String} AND part = 'bad'
