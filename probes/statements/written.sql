-- What one run wrote
SELECT
    (SELECT count() FROM snapshots WHERE run_id = {run_id:String} AND known_at = {known_at:DateTime64(6, 'UTC')}) AS snapshots,
    (SELECT countIf(row_hash = 'absent') FROM snapshots WHERE run_id = {run_id:String} AND known_at = {known_at:DateTime64(6, 'UTC')}) AS absent,
    (SELECT count() FROM object_links WHERE source = {source:String} AND known_at = {known_at:DateTime64(6, 'UTC')}) AS links,
    (SELECT count() FROM events WHERE source_ref = {run_id:String} AND known_at = {known_at:DateTime64(6, 'UTC')}) AS events
