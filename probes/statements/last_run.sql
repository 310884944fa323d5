-- Where the last run that came through stopped
SELECT cursor, error_code, mapping
FROM probe_runs
WHERE probe = {source:String} AND status IN ('ok', 'partial') AND purpose = 'run'
ORDER BY started_at DESC, finished_at DESC
LIMIT 1
