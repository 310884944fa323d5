-- The newest version of each calendar
SELECT calendar, argMax(version, known_at) AS newest_version, max(known_at) AS newest_at
FROM calendar
GROUP BY calendar
