-- Places of this run that have a control number used elsewhere too
SELECT count()
FROM import_rejects
WHERE source = {source:String} AND reason = 'number_twice' AND import_id = {run_id:String} AND known_at = {known_at:DateTime64(6, 'UTC')}
