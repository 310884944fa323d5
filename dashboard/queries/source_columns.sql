-- Columns of sources that changed within 30 days of the newest such change
SELECT probe, name, change, before, after, needed, known_at
FROM probe_columns
WHERE change != 'first' AND known_at > (SELECT max(known_at) FROM probe_columns WHERE change != 'first') - INTERVAL 30 DAY
ORDER BY known_at DESC, probe, name
LIMIT 50
