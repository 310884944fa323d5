-- Files with rows to decide, with the number of their last record.
SELECT file, max(line) AS last_line
FROM import_rows
WHERE import_id = {import_id:String} AND part = 'rows'
GROUP BY file
ORDER BY file
