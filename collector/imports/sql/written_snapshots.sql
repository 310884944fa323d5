-- States, and objects found deleted, that one import wrote.
SELECT countIf(row_hash != 'absent') AS states, countIf(row_hash = 'absent') AS absences
FROM snapshots
WHERE run_id = {import_id:String} AND known_at = {known_at:DateTime64(6, 'UTC')}
