-- How far a backfill has come
SELECT max(window_to) AS done_to, count() AS windows, sum(records) AS records_read, sum(changed) AS records_changed
FROM probe_backfills
WHERE probe = {source:String} AND backfill_from = {from:DateTime64(6, 'UTC')} AND backfill_to = {to:DateTime64(6, 'UTC')}
